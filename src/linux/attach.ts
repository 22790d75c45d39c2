// Attaching a mount that was made nowhere yet to its place in the root, by descriptors alone. move_mount(2), mount_setattr(2).

import { AT_RECURSIVE, O_PATH } from "./abi/fcntl.ts";
import { MOUNT_ATTR_RDONLY } from "./abi/mount.ts";
import { STATFS_SIZE } from "./abi/stat.ts";
import { close, mountSetattr, moveMount, syscall } from "./calls.ts";
import { SafetyViolation } from "./errors.ts";
import { PROC_SUPER_MAGIC, typeIn } from "./file-status.ts";
import type { MountOptions } from "./mount-options.ts";
import { clean, namesIn, resolveFrom } from "./paths.ts";
import { type Late, Out, type Plan } from "./plan.ts";
import type { RootBuilder } from "./rootfs.ts";

/** What is out of the ordinary about a mount that is attached. */
export interface Attachment {
  /** RESOLVE_* flags for the destination. */
  readonly resolve?: number;
  /** MOUNT_ATTR_RDONLY for one that becomes read-only when all is made. */
  readonly later?: number;
  /** Whether it is one of two branches: what comes later cannot know which descriptor it is. */
  readonly oneOfTwo?: boolean;
  /** Whether the caller goes on using the mount, and closes it. */
  readonly kept?: boolean;
  /** O_DIRECTORY where the destination must be one: what is none fails of ENOTDIR, whose words callers know. */
  readonly directory?: number;
}

/** Sets attributes and propagation of a mount that is attached nowhere yet, and attaches it. */
export function attach(
  to: RootBuilder,
  mount: Late,
  destination: string,
  options: MountOptions,
  {
    resolve = 0,
    later = laterReadonly(destination, options),
    oneOfTwo = false,
    kept = false,
    directory = 0,
  }: Attachment = {},
): void {
  const { plan } = to;
  setAttributes(plan, mount, options, later);
  const target = to.inRoot.open(plan, destination, O_PATH | directory, resolve);
  planOutsideProc(to, target, destination);
  plan.add(moveMount(mount, target));
  for (const { type, recursive: all } of options.propagation)
    plan.add(mountSetattr(mount, { propagation: type }, all ? AT_RECURSIVE : 0));
  plan.add(close(target));
  if (later !== 0) to.readonlyLater.push({ destination, mount });
  else if (!oneOfTwo && KERNEL_MOUNTS.has(destination)) to.kernelMounts.set(destination, mount);
  else if (mount !== to.proc && !kept) plan.add(close(mount));
}

/** The same at a directory that is open already; closes both. Propagation stays what it is. */
export function attachAt(plan: Plan, mount: Late, target: Late, options: MountOptions): void {
  setAttributes(plan, mount, options, 0);
  plan.add(moveMount(mount, target));
  plan.add(close(target));
  plan.add(close(mount));
}

function setAttributes(plan: Plan, mount: Late, { attributes, recursive }: MountOptions, later: number): void {
  if (((attributes.set & ~later) | attributes.clear) !== 0)
    plan.add(mountSetattr(mount, { set: attributes.set & ~later, clear: attributes.clear }));
  if ((recursive.set | recursive.clear) !== 0) plan.add(mountSetattr(mount, recursive, AT_RECURSIVE));
}

/**
 * Has the root refused if a link of the image's, or of a volume's, led a mount to the container's /proc: what is written there, and
 * read, is trusted to be the kernel's (CVE-2019-16884). The kernel is asked where it came to: only it knows.
 */
export function planOutsideProc(to: RootBuilder, target: Late, destination: string): void {
  if (namesIn(destination)[0] === "proc") return; // the rules for configs say what may be
  const statfs = new Out(STATFS_SIZE);
  to.plan.add(syscall("fstatfs", target, statfs));
  to.checks.push((answers) => {
    const type = typeIn(answers.bytes(statfs));
    if (type === PROC_SUPER_MAGIC && !isBelowProcfs(to, destination))
      throw new SafetyViolation(`mounts (${destination})`, LED_TO_PROC);
  });
}

export const LED_TO_PROC = "a link in the image leads it to /proc";

/** Whether the config itself has a procfs there, at another place than /proc. */
function isBelowProcfs({ config, bundle, host }: RootBuilder, destination: string): boolean {
  return (config.mounts ?? []).some((mount) => {
    const place = clean(mount.destination);
    if (destination !== place && !destination.startsWith(`${place}/`)) return false;
    return mount.type === "proc" || (mount.source !== undefined && host.isProcfs(resolveFrom(bundle, mount.source)));
  });
}

/**
 * Where paths of the config's lead that must not be led astray: RootBuilder.kernelMounts. By these names only: where links lead
 * is the image's to say, which could have its volume masked in the place of /sys.
 */
const KERNEL_MOUNTS: ReadonlySet<string> = new Set(["/proc", "/sys"]);

/** Something else is mounted at this destination now. */
export function forgetKernelMount({ plan, kernelMounts, proc }: RootBuilder, destination: string): void {
  const old = kernelMounts.get(destination);
  if (old === undefined) return;
  kernelMounts.delete(destination);
  if (old !== proc) plan.add(close(old)); // it is written through still
}

/** /dev becomes read-only only when its devices are made; a tmpfs when what lies below it has been mounted there. */
export function laterReadonly(destination: string, options: MountOptions, type = ""): number {
  return destination === "/dev" || type === "tmpfs" ? options.attributes.set & MOUNT_ATTR_RDONLY : 0;
}
