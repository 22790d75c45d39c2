// One mount of the config, by the descriptor-based mount API: make or copy it, attached nowhere; set its attributes; open
// the destination inside the root; attach. mount_setattr(2), open_tree(2), move_mount(2), fsopen(2);
// runtime-spec config.md#mounts.
//
// The destination is opened after the mount is made and used at once, by descriptor: no path inside the root is ever
// resolved twice (CVE-2021-30465), nothing is created outside it (CVE-2024-45310).

import type { Mount } from "../spec/config.gen.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, O_DIRECTORY, O_PATH, RESOLVE_NO_SYMLINKS } from "./abi/fcntl.ts";
import {
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_DIRSYNC,
  MS_I_VERSION,
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_REMOUNT,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
} from "./abi/mount.ts";
import { STATX_BASIC_STATS, STATX_MODE, STATX_SIZE } from "./abi/stat.ts";
import { type Attachment, attach, forgetKernelMount, LED_TO_PROC, laterReadonly, planOutsideProc } from "./attach.ts";
import {
  cloneTree,
  close,
  fsconfigCreate,
  fsconfigFlag,
  fsconfigString,
  fsmount,
  fsopen,
  mountSetattr,
  openat,
  openInRoot,
  syscall,
} from "./calls.ts";
import { planCgroupMount } from "./cgroup-mount.ts";
import { planCopyUp } from "./copy-up.ts";
import { ConfigError, SafetyViolation } from "./errors.ts";
import { idmapOf } from "./idmap.ts";
import { labelAttribute, planLabelAttribute, quoteLabel, unquoteLabel, withLabel } from "./mount-label.ts";
import { type MountOptions, parseMountOptions } from "./mount-options.ts";
import { hasNamespace } from "./namespaces.ts";
import { namesIn, resolveFrom } from "./paths.ts";
import { type Late, Out, OutWord, type Plan, type Result } from "./plan.ts";
import { planProcfsOf, procfsOptions } from "./procfs.ts";
import type { RootBuilder } from "./rootfs.ts";
import { copyOf, isBind } from "./sources.ts";

/** Mounts `config.mounts[index]`. */
export function planMount(to: RootBuilder, mount: Mount, index: number): void {
  const field = `mounts[${index}] (${mount.destination})`;
  to.plan.at(field);
  const options = parseMountOptions(mount.options ?? []);
  const destination = `/${namesIn(mount.destination).join("/")}`;
  checkPlace(to, field, destination);
  if (destination === "/") throw new ConfigError(field, "the destination is the root file system itself");
  // Mounted without it, it would show the files as others' than the config says.
  if (!to.idmapped.has(index) && idmapOf(mount, field) !== undefined)
    throw new ConfigError(field, "its id map is missing");
  if (options.remount) planRemount(to, destination, options, mount);
  else if (isBind(mount, options)) planBind(to, field, mount, index, destination, options);
  else if (mount.type === "cgroup") planCgroupMount(to, destination, options);
  else planFileSystem(to, field, mount, destination, options);
  to.inRoot.mounted(destination);
}

/**
 * What the rules for configs say of /proc holds for what leads there: an image whose /data is a link to /proc, and a volume
 * for /data (CVE-2019-16884). This is to say it before anything is made; whether it is so planOutsideProc asks the kernel.
 */
function checkPlace(to: RootBuilder, field: string, destination: string): void {
  const place = to.inRoot.resolve(destination);
  if (place[0] === "proc" && namesIn(destination)[0] !== "proc") throw new SafetyViolation(field, LED_TO_PROC);
  forgetKernelMount(to, destination);
}

function planBind(
  to: RootBuilder,
  field: string,
  mount: Mount,
  index: number,
  destination: string,
  options: MountOptions,
): void {
  if (mount.source === undefined) throw new ConfigError(field, "a bind mount needs a source");
  const source = resolveFrom(to.bundle, mount.source);
  // What is written below /proc, and what is read there, is trusted to be the kernel's (CVE-2019-16884).
  if (destination === "/proc" && !to.host.isProcfs(source))
    throw new ConfigError(field, "only a procfs can be mounted on /proc");
  const isDirectory = to.host.isDirectory(source) ?? true;
  const held = to.idmapped.get(index) ?? to.sources.copied.get(index);
  const tree = held ?? to.plan.add(copyOf(to.sources, source, options));
  if (isDirectory) to.inRoot.makeDirectory(to.plan, destination);
  else to.inRoot.makeFile(to.plan, destination);
  attach(to, tree, destination, options, { directory: isDirectory ? O_DIRECTORY : 0 });
}

function planFileSystem(to: RootBuilder, field: string, mount: Mount, destination: string, given: MountOptions): void {
  const type = mount.type ?? "";
  if (type === "") throw new ConfigError(field, "a mount that is no bind mount needs a type");
  const options = withLabel(to.config, type, given);
  const keepsMode = type === "tmpfs" && !options.data.some((option) => option.startsWith("mode="));
  const mode = keepsMode ? planModeOf(to, destination) : undefined;
  to.inRoot.makeDirectory(to.plan, destination);
  if (options.data.some(tooLongForFsconfig) || options.superblock.includes("iversion")) {
    planClassicMount(to, mount, destination, options);
    return;
  }
  if (type === "sysfs" && mayRefuseSysfs(to)) planSysfs(to, mount, destination, options);
  else planNewFileSystem(to, to.plan.add(fsopen(type)), mount, destination, options, mode);
}

/** The rest of a file system that `fs` is the context of. */
function planNewFileSystem(
  to: RootBuilder,
  fs: Result,
  mount: Mount,
  destination: string,
  options: MountOptions,
  mode?: OutWord,
  extra: Attachment = {},
): void {
  const type = mount.type ?? "";
  if (type === "proc") planProcfsOf(to.plan, fs, to.pids);
  if (mount.source !== undefined && mount.source !== "") to.plan.add(fsconfigString(fs, "source", sourceOf(to, mount)));
  for (const flag of options.superblock) to.plan.add(fsconfigFlag(fs, flag));
  // A write-protected device can only be mounted as a whole read-only; other file systems are shared, or made fresh.
  if (options.attributes.set & MOUNT_ATTR_RDONLY && mount.source?.startsWith("/dev/"))
    to.plan.add(fsconfigFlag(fs, "ro"));
  for (const option of options.data) to.plan.add(fsconfigOption(to, fs, type, option));
  to.plan.add(fsconfigCreate(fs));
  const later = laterReadonly(destination, options, type);
  const label = labelAttribute(to.config, type);
  // A label is written to the file system: it becomes read-only after that.
  const held = later | (label === undefined ? 0 : options.attributes.set & MOUNT_ATTR_RDONLY);
  const made = to.plan.add(fsmount(fs, options.attributes.set & ~held));
  to.plan.add(close(fs));
  if (mode !== undefined) planChmod(to, made, mode);
  if (label !== undefined) planLabelAttribute(to.plan, made, label);
  if (options.copyUp && type === "tmpfs") planCopyUp(to, made, destination);
  if (destination === "/proc" && isWholeProc(type, options)) to.proc ??= made;
  const attached = { ...options, attributes: { set: held, clear: 0 } };
  attach(to, made, destination, attached, { resolve: resolutionOf(type), later, ...extra });
}

/** A sysfs shows a network namespace, and is mounted by who has rights over that; in a user namespace that may be somebody else. */
function mayRefuseSysfs({ namespaces, host }: RootBuilder): boolean {
  return !namespaces.created.has("network") && (hasNamespace(namespaces, "user") || host.inUserNamespace());
}

/** A sysfs, or where that is refused the host's, with all below it read-only: among that are the host's cgroups (CVE-2023-25809). */
function planSysfs(to: RootBuilder, mount: Mount, destination: string, options: MountOptions): void {
  to.plan.branch(
    "EPERM",
    fsopen("sysfs"),
    (fs) => planNewFileSystem(to, fs, mount, destination, options, undefined, { oneOfTwo: true }),
    () => {
      const tree = to.plan.add(cloneTree(AT_FDCWD, "/sys", AT_RECURSIVE));
      to.plan.add(mountSetattr(tree, { set: MOUNT_ATTR_RDONLY }, AT_RECURSIVE));
      const resolve = resolutionOf("sysfs");
      attach(to, tree, destination, { ...options, superblock: [], data: [] }, { resolve, oneOfTwo: true });
    },
  );
}

/** What is under /proc and /sys is trusted to be the kernel's: no symbolic link may lead there (CVE-2019-19921). */
function resolutionOf(type: string): number {
  return type === "proc" || type === "sysfs" ? RESOLVE_NO_SYMLINKS : 0;
}

/** A procfs that shows all, and through which parameters can be written. */
function isWholeProc(type: string, { data, attributes, recursive }: MountOptions): boolean {
  return type === "proc" && data.length === 0 && ((attributes.set | recursive.set) & MOUNT_ATTR_RDONLY) === 0;
}

/** A relative source of a file system that lies on files is relative to the bundle, as for a bind mount. */
function sourceOf(to: RootBuilder, mount: Mount): string {
  const source = mount.source ?? "";
  return source.startsWith("./") || source.startsWith("../") ? resolveFrom(to.bundle, source) : source;
}

/** fsconfig(2) takes strings of up to 255 bytes; a long `lowerdir` must go through mount(2). */
function tooLongForFsconfig(option: string): boolean {
  return new TextEncoder().encode(option.slice(option.indexOf("=") + 1)).length > 255;
}

function fsconfigOption(to: RootBuilder, fs: Late, type: string, option: string): ReturnType<typeof fsconfigFlag> {
  const equals = option.indexOf("=");
  if (equals < 0) return fsconfigFlag(fs, option);
  const key = option.slice(0, equals);
  const value = unquoteLabel(option).slice(equals + 1);
  return fsconfigString(fs, key, type === "overlay" ? overlayPaths(to, key, value) : value);
}

function overlayOption(to: RootBuilder, option: string): string {
  const equals = option.indexOf("=");
  if (equals < 0) return option;
  const key = option.slice(0, equals);
  return `${key}=${overlayPaths(to, key, option.slice(equals + 1))}`;
}

/** The directories of an overlay may be relative to the bundle. */
function overlayPaths(to: RootBuilder, key: string, value: string): string {
  if (key !== "upperdir" && key !== "workdir" && key !== "lowerdir") return value;
  return value
    .split(":")
    .map((path) => (path === "" || path.startsWith("/") ? path : resolveFrom(to.bundle, path)))
    .join(":");
}

/**
 * The mode of the directory that a tmpfs will cover, which its root takes over; where there is none yet, the tmpfs's own
 * default. It comes as a word of memory that a later fchmod reads: the kernel uses the low 16 bits of that.
 */
function planModeOf(to: RootBuilder, destination: string): OutWord {
  const initial = new Uint8Array(STATX_SIZE);
  new DataView(initial.buffer).setUint16(STATX_MODE, 0o1777, true);
  const statx = new Out(STATX_SIZE, initial);
  const path = namesIn(destination).join("/");
  to.plan.unless("ENOENT", openInRoot(to.inRoot.root, path), (directory) => {
    to.plan.add(syscall("statx", directory, "", AT_EMPTY_PATH, STATX_BASIC_STATS, statx));
    to.plan.add(close(directory));
  });
  return new OutWord(statx, STATX_MODE);
}

function planChmod(to: RootBuilder, mount: Result, mode: OutWord): void {
  const directory = to.plan.add(openat(mount, ".", O_DIRECTORY));
  to.plan.add(syscall("fchmod", directory, mode));
  to.plan.add(close(directory));
}

const CLASSIC_FLAGS: readonly (readonly [attribute: number, flag: number])[] = [
  [MOUNT_ATTR_RDONLY, MS_RDONLY],
  [MOUNT_ATTR_NOSUID, MS_NOSUID],
  [MOUNT_ATTR_NODEV, MS_NODEV],
  [MOUNT_ATTR_NOEXEC, MS_NOEXEC],
  [MOUNT_ATTR_NOATIME, MS_NOATIME],
  [MOUNT_ATTR_STRICTATIME, MS_STRICTATIME],
  [MOUNT_ATTR_NODIRATIME, MS_NODIRATIME],
  [MOUNT_ATTR_NOSYMFOLLOW, MS_NOSYMFOLLOW],
];

function classicFlags(set: number): number {
  return CLASSIC_FLAGS.reduce(
    (flags, [attribute, flag]) => ((set & attribute) === attribute ? flags | flag : flags),
    0,
  );
}

/** Flags of the superblock for mount(2); MS_I_VERSION is known to no other call. */
const SUPERBLOCK_FLAGS: Readonly<Record<string, number>> = {
  sync: MS_SYNCHRONOUS,
  dirsync: MS_DIRSYNC,
  lazytime: MS_LAZYTIME,
  mand: MS_MANDLOCK,
  iversion: MS_I_VERSION,
};

function superblockFlags(names: readonly string[]): number {
  return names.reduce((flags, name) => flags | (SUPERBLOCK_FLAGS[name] ?? 0), 0);
}

/** mount(2) on the directory held open: it is the working directory when the mount is made on ".". */
function planClassicMount(to: RootBuilder, mount: Mount, destination: string, options: MountOptions): void {
  const { plan } = to;
  const type = mount.type ?? "";
  const data = options.data.map((option) => quoteLabel(type === "overlay" ? overlayOption(to, option) : option));
  if (type === "proc") data.push(...procfsOptions(to.pids));
  const target = to.inRoot.open(plan, destination, O_PATH | O_DIRECTORY, resolutionOf(type));
  planOutsideProc(to, target, destination);
  plan.add(syscall("fchdir", target));
  // Nothing is mounted below it: what is for all below is for it alone.
  const attributes = (options.attributes.set & ~options.recursive.clear) | options.recursive.set;
  const flags = classicFlags(attributes) | superblockFlags(options.superblock);
  plan.add(syscall("mount", sourceOf(to, mount), ".", type, flags, data.join(",")));
  if (options.propagation.length > 0) planPropagationOf(plan, target, options);
  plan.add(close(target));
}

/**
 * Sets the propagation of what is mounted on a directory that is open. The way up from there ends there, and then goes up to what
 * is mounted on it (RESOLVE_IN_ROOT): by its path it might be something else by now. Where somebody renames something meanwhile, the
 * kernel wants to be asked again: EAGAIN, openat2(2).
 */
function planPropagationOf(plan: Plan, target: Late, options: MountOptions): void {
  const set = (made: Result): void => {
    for (const { type: propagation, recursive } of options.propagation)
      plan.add(mountSetattr(made, { propagation }, recursive ? AT_RECURSIVE : 0));
    plan.add(close(made));
  };
  const open = openInRoot(target, "..", O_PATH | O_DIRECTORY);
  const again = (tries: number): void => {
    if (tries === 1) set(plan.add(open));
    else plan.branch("EAGAIN", open, set, () => again(tries - 1));
  };
  again(3);
}

/** `remount`: new attributes, and new data when there is any, for what is mounted there already. */
function planRemount(to: RootBuilder, destination: string, options: MountOptions, mount: Mount): void {
  const { plan } = to;
  const target = to.inRoot.open(plan, destination);
  const { attributes } = options;
  if ((attributes.set | attributes.clear) !== 0) plan.add(mountSetattr(target, attributes));
  if ((options.recursive.set | options.recursive.clear) !== 0)
    plan.add(mountSetattr(target, options.recursive, AT_RECURSIVE));
  for (const { type: propagation, recursive } of options.propagation)
    plan.add(mountSetattr(target, { propagation }, recursive ? AT_RECURSIVE : 0));
  if (options.bind === "no" && options.data.length > 0) {
    plan.add(syscall("fchdir", target));
    const flags = MS_REMOUNT | classicFlags(attributes.set);
    plan.add(syscall("mount", mount.source ?? "none", ".", mount.type ?? "none", flags, options.data.join(",")));
  }
  plan.add(close(target));
}
