// The root file system: bound onto itself, filled with mounts and devices, entered by pivot_root(2), then sealed.
// runtime-spec config.md#root, config-linux.md#rootfs-mount-propagation. The order of all this is in programs.ts.

import type { Config } from "../spec/config.gen.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, O_DIRECTORY, O_PATH } from "./abi/fcntl.ts";
import { MNT_DETACH, MOUNT_ATTR_RDONLY, MS_MOVE, MS_PRIVATE, MS_SLAVE } from "./abi/mount.ts";
import {
  cloneTree,
  close,
  fsconfigCreate,
  fsmount,
  fsopen,
  mountSetattr,
  moveMount,
  openat,
  openInRoot,
  syscall,
} from "./calls.ts";
import type { CgroupDirectory } from "./cgroup-mount.ts";
import { ConfigError, SafetyViolation } from "./errors.ts";
import type { Host } from "./host.ts";
import { InRoot } from "./in-root.ts";
import { propagationOf } from "./mount-options.ts";
import { hasNamespace, type Namespaces } from "./namespaces.ts";
import { namesIn } from "./paths.ts";
import type { Answers, Call, Late, Plan, Result } from "./plan.ts";
import { planProcfsOf } from "./procfs.ts";
import type { Sources } from "./sources.ts";

/** What the plans of one container's root file system share. */
export interface RootBuilder {
  readonly plan: Plan;
  readonly config: Config;
  readonly host: Host;
  readonly namespaces: Namespaces;
  /** Absolute path of the bundle. */
  readonly bundle: string;
  /** Absolute path of the root file system on the host. */
  readonly rootfs: string;
  /** The container's cgroup directories; tsrun's own where it has none. */
  readonly cgroups: readonly CgroupDirectory[];
  /** Mounts that tsrun has id-mapped on the host, attached nowhere: descriptors of init's, by index in config.mounts. */
  readonly idmapped: ReadonlyMap<number, number>;
  /** The pid namespace of the container, where init is not in it yet: a descriptor of init's. procfs.ts */
  readonly pids?: number | undefined;
  /** What was taken hold of on the host beforehand. */
  readonly sources: Sources;
  /** A descriptor of init's, duplicated into tsrun; close-on-exec. */
  readonly takeDescriptor: (fd: number) => number;
  /** The root of the root file system, by descriptor. */
  readonly root: Result;
  readonly inRoot: InRoot;
  /** The container's procfs, by the descriptor of a mount that this plan made: nobody can have put another there. */
  proc: Result | undefined;
  /**
   * What is mounted on /proc and /sys, by the descriptors of mounts that this plan made: what is done below them is done
   * there, though another container that shares the root file system puts something else under the name meanwhile.
   */
  readonly kernelMounts: Map<string, Late>;
  /** Mounts that become read-only when all is made. */
  readonly readonlyLater: { readonly destination: string; readonly mount: Late }[];
  /** What to look at in the answers once the root is made; a check throws. */
  readonly checks: ((answers: Answers) => void)[];
}

/** What planRoot starts from. */
export type RootIngredients = Omit<
  RootBuilder,
  "root" | "inRoot" | "proc" | "kernelMounts" | "readonlyLater" | "checks"
>;

/**
 * Cuts the mount namespace off from the host's and binds the root file system onto itself: pivot_root wants a mount.
 *
 * Nothing that is mounted from here on may reach the host, whatever `rootfsPropagation` asks for; that is applied to the
 * finished root (planPropagation). "slave" still lets the host's later mounts in. Only what was copied beforehand is still the
 * host's peer (sources.ts).
 */
export function planRoot(from: RootIngredients): RootBuilder {
  const { plan, config, namespaces, rootfs } = from;
  const wanted = config.linux?.rootfsPropagation;
  plan.at("linux.rootfsPropagation");
  if (hasNamespace(namespaces, "mount")) {
    const propagation = wanted !== undefined && propagationOf(wanted).type === MS_PRIVATE ? MS_PRIVATE : MS_SLAVE;
    const slash = plan.add(openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
    plan.add(mountSetattr(slash, { propagation }, AT_RECURSIVE));
    plan.add(close(slash));
  }
  plan.at("root.path");
  const held = from.sources.opened.get(rootfs);
  const whole =
    held === undefined ? cloneTree(AT_FDCWD, rootfs, AT_RECURSIVE) : cloneTree(held, "", AT_EMPTY_PATH | AT_RECURSIVE);
  const root = plan.add(whole);
  // On the host it may come to lie on its own original, and as a peer of that would take it away when it goes.
  if (!hasNamespace(namespaces, "mount")) plan.add(mountSetattr(root, { propagation: MS_PRIVATE }, AT_RECURSIVE));
  const place = held ?? plan.add(openat(AT_FDCWD, rootfs, O_PATH | O_DIRECTORY));
  plan.add(moveMount(root, place));
  if (held === undefined) plan.add(close(place));
  return {
    ...from,
    root,
    inRoot: new InRoot(root, (path) => from.host.linkAt(`${rootfs}/${path}`)),
    proc: undefined,
    kernelMounts: new Map(),
    readonlyLater: [],
    checks: [],
  };
}

/** Enters the root and lets the host's file systems go. */
export function planPivot(to: RootBuilder, noPivot: boolean): void {
  const { plan, root } = to;
  plan.at("root.path").add(syscall("fchdir", root));
  if (!hasNamespace(to.namespaces, "mount")) {
    plan.add(syscall("chroot", "."));
  } else if (noPivot) {
    planMoveToRoot(to);
  } else {
    // The new root is stacked on the old one at "/"; the working directory is still the new one, so "." on top of it is
    // the old one, which goes with everything below it.
    plan.add(syscall("pivot_root", ".", "."));
    plan.add(syscall("umount2", ".", MNT_DETACH));
  }
  plan.add(syscall("chdir", "/"));
}

/** Enters a container's root, for what joins one without a mount namespace that would bring it. */
export function planChroot(plan: Plan, root: number | undefined): void {
  if (root === undefined) return;
  plan.add(syscall("fchdir", root));
  plan.add(syscall("chroot", "."));
}

/** For a root file system that pivot_root refuses (a ramdisk): moves the mount over "/" and chroots into it. */
function planMoveToRoot({ plan, host, rootfs }: RootBuilder): void {
  // procfs and sysfs of the host would stay reachable below the new root for those who may mount: they go first.
  for (const mount of host.fullProcAndSysMounts(rootfs)) {
    plan.tolerate("EINVAL", syscall("umount2", mount, MNT_DETACH));
  }
  plan.add(syscall("mount", ".", "/", 0, MS_MOVE, 0));
  plan.add(syscall("chroot", "."));
}

/** Gives the finished root the propagation that the config asks for. */
export function planPropagation({ plan, config, root, namespaces }: RootBuilder): void {
  const wanted = config.linux?.rootfsPropagation;
  if (wanted === undefined || !hasNamespace(namespaces, "mount")) return;
  const { type, recursive } = propagationOf(wanted);
  plan.at("linux.rootfsPropagation").add(mountSetattr(root, { propagation: type }, recursive ? AT_RECURSIVE : 0));
}

/** Makes read-only what had to be writable until now. */
export function planReadonly(to: RootBuilder): void {
  const { plan, config, root } = to;
  for (const { destination, mount } of to.readonlyLater) {
    plan.at(`mounts (${destination})`);
    plan.add(mountSetattr(mount, { set: MOUNT_ATTR_RDONLY }));
    plan.add(close(mount));
  }
  if (config.root.readonly === true) plan.at("root.readonly").add(mountSetattr(root, { set: MOUNT_ATTR_RDONLY }));
}

/** Closes what the root was made with: a process that waits for its start holds nothing that it does not need. */
export function planClose({ plan, root, proc, kernelMounts, sources, pids }: RootBuilder): void {
  plan.at("root.path").add(close(root));
  if (pids !== undefined) plan.add(close(pids));
  for (const fd of sources.opened.values()) plan.add(close(fd));
  for (const fd of new Set([...kernelMounts.values(), ...(proc === undefined ? [] : [proc])])) plan.add(close(fd));
}

/** Opens what a path of the config leads to: below /proc and /sys in what is mounted there, by whatever name it goes. */
export function openPlace({ inRoot, kernelMounts }: RootBuilder, path: string): Call {
  const [top, ...below] = namesIn(path);
  const mount = kernelMounts.get(`/${top}`);
  return mount === undefined ? openInRoot(inRoot.root, path) : openInRoot(mount, below.join("/") || ".");
}

/** Makes the working directory where it is missing. */
export function planWorkingDirectory(to: RootBuilder): void {
  const cwd = to.config.process?.cwd;
  if (cwd !== undefined) to.inRoot.makeDirectory(to.plan.at("process.cwd"), cwd);
}

/** Refuses what cannot be done without a mount namespace: it would be done to the host. */
export function checkMountNamespace(config: Config, namespaces: Namespaces): void {
  if (hasNamespace(namespaces, "mount")) return;
  const needs: readonly (readonly [string, unknown])[] = [
    ["root.readonly", config.root.readonly || undefined],
    ["linux.maskedPaths", config.linux?.maskedPaths?.[0]],
    ["linux.readonlyPaths", config.linux?.readonlyPaths?.[0]],
    ["linux.rootfsPropagation", config.linux?.rootfsPropagation],
  ];
  for (const [field, value] of needs) if (value !== undefined) throw new ConfigError(field, "needs a mount namespace");
}

/**
 * Opens /proc of the container: of the mount that the config asks for, else of one that nobody sees. In a user namespace the
 * processes of the host's pid namespace are not ours to show by a mount of our own: there it is the host's, until that is left.
 */
export function planProc(to: RootBuilder): Result {
  to.proc ??= mayMountProc(to) ? planPrivateProc(to) : planHostProc(to);
  return to.proc;
}

function mayMountProc({ namespaces, host }: RootBuilder): boolean {
  return hasNamespace(namespaces, "pid") || !(hasNamespace(namespaces, "user") || host.inUserNamespace());
}

function planHostProc({ plan, host }: RootBuilder): Result {
  if (!host.isProcfs("/proc")) throw new SafetyViolation("linux.sysctl", "/proc of the host is no procfs");
  return plan.add(openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY));
}

function planPrivateProc({ plan, pids }: RootBuilder): Result {
  const fs = plan.add(fsopen("proc"));
  planProcfsOf(plan, fs, pids);
  plan.add(fsconfigCreate(fs));
  const mount = plan.add(fsmount(fs));
  plan.add(close(fs));
  return mount;
}
