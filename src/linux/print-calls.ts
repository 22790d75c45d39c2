// How the arguments of each system call are printed: one table by the call's name, in the order of its manual page.
// A call that is not in it prints numbers as numbers. What follows from an argument before it (its size) is left out.

import * as caps from "./abi/capability.ts";
import * as fcntl from "./abi/fcntl.ts";
import * as ioctl from "./abi/ioctl.ts";
import * as mempolicy from "./abi/mempolicy.ts";
import * as mount from "./abi/mount.ts";
import * as prctl from "./abi/prctl.ts";
import { RLIMITS } from "./abi/resource.ts";
import * as sched from "./abi/sched.ts";
import * as socket from "./abi/socket.ts";
import * as stat from "./abi/stat.ts";
import { AgentSocket, type Arg, type Call, Out, OutWord, Result, Strings, Struct } from "./plan.ts";
import { type Flags, flags, hex, named } from "./print-flags.ts";
import {
  capDataText,
  cloneArgsText,
  cpuMaskText,
  groupsText,
  type Layout,
  layout,
  nodeMaskText,
  rlimitText,
  schedAttrText,
} from "./print-structs.ts";

/** What to call results and memory. */
export interface Names {
  result(result: Result): string;
  out(memory: Out | OutWord): string;
}

/** Prints an argument; `all` are those of the call. Undefined: it is left out. */
type Format = (arg: Arg, names: Names, all: readonly Arg[]) => string | undefined;

/** The arguments of a call, between its parentheses. */
export function formatArguments(name: Call["name"], args: readonly Arg[], names: Names): string {
  const formats: readonly Format[] = FORMATS[name] ?? [];
  return args
    .map((arg, i) => (formats[i] ?? plain)(arg, names, args))
    .filter((text) => text !== undefined)
    .join(", ");
}

const plain: Format = (arg, names) => {
  if (arg instanceof Result) return names.result(arg);
  if (arg instanceof Out) return `${names.out(arg)}[${arg.size}]`;
  if (arg instanceof OutWord) return names.out(arg);
  if (arg instanceof AgentSocket) return "agent";
  if (arg instanceof Strings) return `[${arg.strings.map(stringText).join(", ")}]`;
  if (arg instanceof Uint8Array) return `{${arg.length} bytes}`;
  if (arg instanceof Struct) return `{${arg.bytes.length} bytes}`;
  return typeof arg === "string" ? JSON.stringify(arg) : String(arg);
};

function stringText(value: string | Uint8Array): string {
  return JSON.stringify(typeof value === "string" ? value : new TextDecoder().decode(value));
}

/** Formats numbers; all else is printed as anywhere. */
function number(text: (value: number) => string): Format {
  return (arg, names, all) => (typeof arg === "number" ? text(arg) : plain(arg, names, all));
}

/** Formats the bytes of a struct. */
function struct(text: (bytes: Uint8Array) => string): Format {
  return (arg, names, all) => (arg instanceof Uint8Array ? text(arg) : plain(arg, names, all));
}

const omitted: Format = () => undefined;
const zeroOmitted: Format = (arg, names, all) => (arg === 0 ? undefined : plain(arg, names, all));
const octal = number((value) => (value === 0 ? "0" : `0${value.toString(8)}`));
const bits = (known: Flags): Format => number(flags(known));
const one = (known: Flags): Format => number(named(known));
const pointer = number((value) => (value === 0 ? "NULL" : hex(value)));
const record = (fields: Layout): Format => struct(layout(fields));
const bytesText = struct(stringText);

/** A directory to start from. */
const dir = one({ AT_FDCWD: fcntl.AT_FDCWD });

const openFlags: Flags = {
  O_PATH: fcntl.O_PATH,
  O_WRONLY: fcntl.O_WRONLY,
  O_RDWR: fcntl.O_RDWR,
  O_CREAT: fcntl.O_CREAT,
  O_EXCL: fcntl.O_EXCL,
  O_NOCTTY: fcntl.O_NOCTTY,
  O_TRUNC: fcntl.O_TRUNC,
  O_APPEND: fcntl.O_APPEND,
  O_NONBLOCK: fcntl.O_NONBLOCK,
  O_DIRECTORY: fcntl.O_DIRECTORY,
  O_NOFOLLOW: fcntl.O_NOFOLLOW,
  O_CLOEXEC: fcntl.O_CLOEXEC,
};

/** Flags of open(2). O_RDONLY is 0, and said only where it means something. */
function openFlagsText(value: number): string {
  const reads = (value & (fcntl.O_PATH | fcntl.O_WRONLY | fcntl.O_RDWR)) === 0;
  const rest = value === 0 ? "" : flags(openFlags)(value);
  return [...(reads ? ["O_RDONLY"] : []), ...(rest === "" ? [] : [rest])].join("|");
}

const resolveFlags: Flags = {
  RESOLVE_NO_XDEV: fcntl.RESOLVE_NO_XDEV,
  RESOLVE_NO_MAGICLINKS: fcntl.RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS: fcntl.RESOLVE_NO_SYMLINKS,
  RESOLVE_BENEATH: fcntl.RESOLVE_BENEATH,
  RESOLVE_IN_ROOT: fcntl.RESOLVE_IN_ROOT,
};

const atFlags: Flags = {
  AT_SYMLINK_NOFOLLOW: fcntl.AT_SYMLINK_NOFOLLOW,
  AT_EMPTY_PATH: fcntl.AT_EMPTY_PATH,
  AT_RECURSIVE: fcntl.AT_RECURSIVE,
};

const mountAttributes: Flags = {
  MOUNT_ATTR_RDONLY: mount.MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_NOSUID: mount.MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NODEV: mount.MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NOEXEC: mount.MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR__ATIME: mount.MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME: mount.MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_STRICTATIME: mount.MOUNT_ATTR_STRICTATIME,
  MOUNT_ATTR_NODIRATIME: mount.MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_IDMAP: mount.MOUNT_ATTR_IDMAP,
  MOUNT_ATTR_NOSYMFOLLOW: mount.MOUNT_ATTR_NOSYMFOLLOW,
};

const mountFlags: Flags = {
  MS_RDONLY: mount.MS_RDONLY,
  MS_NOSUID: mount.MS_NOSUID,
  MS_NODEV: mount.MS_NODEV,
  MS_NOEXEC: mount.MS_NOEXEC,
  MS_SYNCHRONOUS: mount.MS_SYNCHRONOUS,
  MS_REMOUNT: mount.MS_REMOUNT,
  MS_MANDLOCK: mount.MS_MANDLOCK,
  MS_DIRSYNC: mount.MS_DIRSYNC,
  MS_NOSYMFOLLOW: mount.MS_NOSYMFOLLOW,
  MS_NOATIME: mount.MS_NOATIME,
  MS_NODIRATIME: mount.MS_NODIRATIME,
  MS_BIND: mount.MS_BIND,
  MS_MOVE: mount.MS_MOVE,
  MS_REC: mount.MS_REC,
  MS_SILENT: mount.MS_SILENT,
  MS_UNBINDABLE: mount.MS_UNBINDABLE,
  MS_PRIVATE: mount.MS_PRIVATE,
  MS_SLAVE: mount.MS_SLAVE,
  MS_SHARED: mount.MS_SHARED,
  MS_RELATIME: mount.MS_RELATIME,
  MS_I_VERSION: mount.MS_I_VERSION,
  MS_STRICTATIME: mount.MS_STRICTATIME,
  MS_LAZYTIME: mount.MS_LAZYTIME,
};

const cloneFlags: Flags = {
  CLONE_PARENT: sched.CLONE_PARENT,
  CLONE_NEWTIME: sched.CLONE_NEWTIME,
  CLONE_NEWNS: sched.CLONE_NEWNS,
  CLONE_NEWCGROUP: sched.CLONE_NEWCGROUP,
  CLONE_NEWUTS: sched.CLONE_NEWUTS,
  CLONE_NEWIPC: sched.CLONE_NEWIPC,
  CLONE_NEWUSER: sched.CLONE_NEWUSER,
  CLONE_NEWPID: sched.CLONE_NEWPID,
  CLONE_NEWNET: sched.CLONE_NEWNET,
  CLONE_INTO_CGROUP: sched.CLONE_INTO_CGROUP,
};

const openHow = record([
  ["flags", 0, "u64", openFlagsText],
  ["mode", 8, "u64", (value) => (value === 0 ? "" : `0${value.toString(8)}`)],
  ["resolve", 16, "u64", flags(resolveFlags)],
]);

const mountAttr = record([
  ["attr_set", 0, "u64", flags(mountAttributes)],
  ["attr_clr", 8, "u64", flags(mountAttributes)],
  ["propagation", 16, "u64", flags(mountFlags)],
  ["userns_fd", 24, "u64", (value) => (value === 0 ? "" : String(value))],
]);

const winsize = record([
  ["rows", 0, "u16", String],
  ["columns", 2, "u16", String],
]);

const interfaceFlags: Flags = { IFF_UP: ioctl.IFF_UP, IFF_RUNNING: ioctl.IFF_RUNNING };
const ifreq = struct((bytes) => {
  const name = stringText(bytes.subarray(0, bytes.indexOf(0)));
  return `{name=${name}, flags=${flags(interfaceFlags)(bytes[16] ?? 0)}}`;
});

/** What the third argument of ioctl(2) is, by request. */
const IOCTLS: Readonly<Record<string, readonly [request: number, argument: Format]>> = {
  TIOCSCTTY: [ioctl.TIOCSCTTY, plain],
  TIOCSWINSZ: [ioctl.TIOCSWINSZ, winsize],
  TIOCSPTLCK: [ioctl.TIOCSPTLCK, struct((bytes) => `[${bytes[0] ?? 0}]`)],
  TIOCGPTN: [ioctl.TIOCGPTN, plain],
  TIOCGPTPEER: [ioctl.TIOCGPTPEER, number(openFlagsText)],
  SIOCSIFFLAGS: [ioctl.SIOCSIFFLAGS, ifreq],
};

const capability = number((value) => caps.CAPABILITIES[value] ?? String(value));
const ambient: Flags = {
  PR_CAP_AMBIENT_RAISE: prctl.PR_CAP_AMBIENT_RAISE,
  PR_CAP_AMBIENT_CLEAR_ALL: prctl.PR_CAP_AMBIENT_CLEAR_ALL,
};

/** What the second argument of prctl(2) is, by option. */
const PRCTLS: Readonly<Record<string, readonly [option: number, argument: Format]>> = {
  PR_SET_DUMPABLE: [prctl.PR_SET_DUMPABLE, plain],
  PR_SET_KEEPCAPS: [prctl.PR_SET_KEEPCAPS, plain],
  PR_SET_NO_NEW_PRIVS: [prctl.PR_SET_NO_NEW_PRIVS, plain],
  PR_CAPBSET_DROP: [prctl.PR_CAPBSET_DROP, capability],
  PR_CAP_AMBIENT: [prctl.PR_CAP_AMBIENT, one(ambient)],
};

type Choices = Readonly<Record<string, readonly [number, Format]>>;
const choice = (choices: Choices): Format =>
  one(Object.fromEntries(Object.entries(choices).map(([name, [value]]) => [name, value])));
/** An argument whose meaning argument `by` chooses. */
const chosen =
  (choices: Choices, by: number): Format =>
  (arg, names, all) =>
    (Object.values(choices).find(([value]) => value === all[by])?.[1] ?? plain)(arg, names, all);

const ambientCapability: Format = (arg, names, all) =>
  all[0] === prctl.PR_CAP_AMBIENT && all[1] === prctl.PR_CAP_AMBIENT_RAISE
    ? capability(arg, names, all)
    : zeroOmitted(arg, names, all);

const fileTypes: Flags = { S_IFIFO: stat.S_IFIFO, S_IFCHR: stat.S_IFCHR, S_IFBLK: stat.S_IFBLK, S_IFREG: stat.S_IFREG };
const modeWithType = number(
  (value) => `${named(fileTypes)(value & stat.S_IFMT)}|0${(value & ~stat.S_IFMT).toString(8)}`,
);
const deviceNumber = number((value) =>
  value === 0 ? "0" : `makedev(${(value >>> 8) & 0xfff}, ${(value & 0xff) | ((value >>> 12) & 0xfff00)})`,
);

const ioPriority = number((value) => {
  const priority = value & ((1 << prctl.IOPRIO_CLASS_SHIFT) - 1);
  return `${named(prctl.IOPRIO_CLASS)(value >> prctl.IOPRIO_CLASS_SHIFT)}|${priority}`;
});

const memoryPolicy = number((value) => {
  const modifiers = value & 0xe000;
  const mode = named(mempolicy.MPOL)(value & ~modifiers);
  return modifiers === 0 ? mode : `${mode}|${flags(mempolicy.MPOL_F)(modifiers)}`;
});

const filterProgram: Format = (arg, names, all) =>
  arg instanceof Struct
    ? `{${new DataView(arg.bytes.buffer).getUint16(0, true)} instructions}`
    : plain(arg, names, all);

const moveFlags: Flags = {
  MOVE_MOUNT_F_EMPTY_PATH: mount.MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH: mount.MOVE_MOUNT_T_EMPTY_PATH,
};
const treeFlags: Flags = {
  OPEN_TREE_CLONE: mount.OPEN_TREE_CLONE,
  OPEN_TREE_CLOEXEC: mount.OPEN_TREE_CLOEXEC,
  ...atFlags,
};
const fsconfigCommands: Flags = {
  FSCONFIG_SET_FLAG: mount.FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING: mount.FSCONFIG_SET_STRING,
  FSCONFIG_SET_FD: mount.FSCONFIG_SET_FD,
  FSCONFIG_CMD_CREATE: mount.FSCONFIG_CMD_CREATE,
};
const keyctlOperations: Flags = {
  KEYCTL_JOIN_SESSION_KEYRING: prctl.KEYCTL_JOIN_SESSION_KEYRING,
  KEYCTL_SETPERM: prctl.KEYCTL_SETPERM,
};

const FORMATS: { readonly [name in Call["name"]]?: readonly Format[] } = {
  clone: [bits(cloneFlags), omitted, omitted, omitted, omitted],
  clone3: [struct(cloneArgsText(flags(cloneFlags))), omitted],
  close_range: [plain, one({ "~0": 0xffff_ffff }), bits({ CLOSE_RANGE_CLOEXEC: fcntl.CLOSE_RANGE_CLOEXEC })],
  capset: [omitted, struct(capDataText)],
  dup3: [plain, plain, bits({ O_CLOEXEC: fcntl.O_CLOEXEC })],
  faccessat2: [dir, plain, bits({ X_OK: fcntl.X_OK }), bits({ AT_EACCESS: fcntl.AT_EACCESS })],
  fchmod: [plain, octal],
  fchown: [plain, plain, one({ "-1": 0xffff_ffff })],
  fchownat: [dir, plain, plain, plain, bits(atFlags)],
  fcntl: [plain, one({ F_DUPFD_CLOEXEC: fcntl.F_DUPFD_CLOEXEC })],
  fsconfig: [plain, one(fsconfigCommands), zeroOmitted, zeroOmitted, zeroOmitted],
  fsmount: [plain, bits({ FSMOUNT_CLOEXEC: mount.FSMOUNT_CLOEXEC }), bits(mountAttributes)],
  fsopen: [plain, bits({ FSOPEN_CLOEXEC: mount.FSOPEN_CLOEXEC })],
  getcwd: [plain, omitted],
  ioctl: [plain, choice(IOCTLS), chosen(IOCTLS, 1)],
  ioprio_set: [one({ IOPRIO_WHO_PROCESS: prctl.IOPRIO_WHO_PROCESS }), plain, ioPriority],
  keyctl: [one(keyctlOperations), plain, number(hex)],
  mkdirat: [dir, plain, octal],
  mknodat: [dir, plain, modeWithType, deviceNumber],
  mount: [plain, plain, pointer, bits(mountFlags), pointer],
  mount_setattr: [dir, plain, bits(atFlags), mountAttr, omitted],
  move_mount: [dir, plain, dir, plain, bits(moveFlags)],
  open_tree: [dir, plain, bits(treeFlags)],
  openat: [dir, plain, number(openFlagsText), (arg, names, all) => (arg === 0 ? undefined : octal(arg, names, all))],
  openat2: [dir, plain, openHow, omitted],
  personality: [one(prctl.PERSONALITY)],
  prctl: [choice(PRCTLS), chosen(PRCTLS, 0), ambientCapability, zeroOmitted, zeroOmitted],
  prlimit64: [plain, one(RLIMITS), struct(rlimitText), pointer],
  sched_setaffinity: [plain, omitted, struct(cpuMaskText)],
  sched_setattr: [plain, struct(schedAttrText), plain],
  seccomp: [one({ SECCOMP_SET_MODE_FILTER: prctl.SECCOMP_SET_MODE_FILTER }), number(hex), filterProgram],
  set_mempolicy: [memoryPolicy, struct(nodeMaskText), omitted],
  setdomainname: [bytesText, omitted],
  setgroups: [omitted, struct(groupsText)],
  sethostname: [bytesText, omitted],
  setns: [plain, bits(cloneFlags)],
  socket: [
    one({ AF_INET: socket.AF_INET }),
    bits({ SOCK_DGRAM: socket.SOCK_DGRAM, SOCK_CLOEXEC: socket.SOCK_CLOEXEC }),
  ],
  statx: [dir, plain, bits(atFlags), bits({ STATX_BASIC_STATS: stat.STATX_BASIC_STATS })],
  symlinkat: [plain, dir],
  umask: [octal],
  umount2: [plain, bits({ MNT_DETACH: mount.MNT_DETACH })],
  unlinkat: [dir, plain, bits({ AT_REMOVEDIR: fcntl.AT_REMOVEDIR })],
  unshare: [bits(cloneFlags)],
  write: [plain, bytesText, omitted],
};
