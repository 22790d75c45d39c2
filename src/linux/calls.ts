// The system calls of a plan, by their names in section 2 of the manual. Each makes a value; nothing runs here.
// What is not said is the safe choice: descriptors are close-on-exec, paths are not followed out of where they start.

import { AT_EMPTY_PATH, O_CLOEXEC, O_PATH, openHow, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS } from "./abi/fcntl.ts";
import {
  FSCONFIG_CMD_CREATE,
  FSCONFIG_SET_FD,
  FSCONFIG_SET_FLAG,
  FSCONFIG_SET_STRING,
  FSMOUNT_CLOEXEC,
  FSOPEN_CLOEXEC,
  MOVE_MOUNT_F_EMPTY_PATH,
  MOVE_MOUNT_T_EMPTY_PATH,
  type MountAttr,
  mountAttr,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "./abi/mount.ts";
import type { SyscallName } from "./abi/syscalls.ts";
import type { Arg, Call, Late } from "./plan.ts";

/** Any call, for those that need no helper: `syscall("umask", 0o22)`. */
export function syscall(name: SyscallName, ...args: Arg[]): Call {
  return { name, args };
}

/** The agent's own pseudo-call: the child of a clone goes on listening on `socket`. See wire.ts. */
export function adopt(socket: number, clone: Late): Call {
  return { name: "adopt", args: [socket, clone] };
}

/** openat(2), close-on-exec. */
export function openat(dir: Late, path: string, flags: number, mode = 0): Call {
  return { name: "openat", args: [dir, path, flags | O_CLOEXEC, mode] };
}

/**
 * openat2(2) of a path inside the root file system `root`: `/`, `..` and symbolic links cannot lead out of it, and magic
 * links are refused. Opens O_PATH unless flags say otherwise.
 */
export function openInRoot(root: Late, path: string, flags = O_PATH, resolve = 0): Call {
  const how = openHow(flags | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve);
  return { name: "openat2", args: [root, path, how, how.length] };
}

/** openat2(2) with the flags and restrictions given, close-on-exec. */
export function openat2(dir: Late, path: string, flags: number, resolve: number): Call {
  const how = openHow(flags | O_CLOEXEC, 0, resolve);
  return { name: "openat2", args: [dir, path, how, how.length] };
}

/** close(2). */
export function close(fd: Late): Call {
  return { name: "close", args: [fd] };
}

/** fsopen(2). */
export function fsopen(type: string): Call {
  return { name: "fsopen", args: [type, FSOPEN_CLOEXEC] };
}

/** fsconfig(2), FSCONFIG_SET_STRING. The kernel takes values of up to 255 bytes. */
export function fsconfigString(fs: Late, key: string, value: string): Call {
  return { name: "fsconfig", args: [fs, FSCONFIG_SET_STRING, key, value, 0] };
}

/** fsconfig(2), FSCONFIG_SET_FLAG. */
export function fsconfigFlag(fs: Late, key: string): Call {
  return { name: "fsconfig", args: [fs, FSCONFIG_SET_FLAG, key, 0, 0] };
}

/** fsconfig(2), FSCONFIG_SET_FD. */
export function fsconfigFd(fs: Late, key: string, fd: Late): Call {
  return { name: "fsconfig", args: [fs, FSCONFIG_SET_FD, key, 0, fd] };
}

/** fsconfig(2), FSCONFIG_CMD_CREATE: makes the superblock. */
export function fsconfigCreate(fs: Late): Call {
  return { name: "fsconfig", args: [fs, FSCONFIG_CMD_CREATE, 0, 0, 0] };
}

/** fsmount(2): a mount, attached nowhere yet, with MOUNT_ATTR_* attributes. */
export function fsmount(fs: Late, attributes = 0): Call {
  return { name: "fsmount", args: [fs, FSMOUNT_CLOEXEC, attributes] };
}

/** open_tree(2) with OPEN_TREE_CLONE: a copy of the mount at a path (AT_RECURSIVE in flags: and of those below). */
export function cloneTree(dir: Late, path: string, flags = 0): Call {
  return { name: "open_tree", args: [dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags] };
}

/** move_mount(2): attaches a mount to what `target` has open. */
export function moveMount(mount: Late, target: Late): Call {
  return { name: "move_mount", args: [mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH] };
}

/** mount_setattr(2) on the mount that `mount` has open (AT_RECURSIVE in flags: and those below). */
export function mountSetattr(mount: Late, attr: MountAttr, flags = 0): Call {
  const bytes = mountAttr(attr);
  return { name: "mount_setattr", args: [mount, "", AT_EMPTY_PATH | flags, bytes, bytes.length] };
}

/** mkdirat(2). */
export function mkdirat(dir: Late, name: string, mode: number): Call {
  return { name: "mkdirat", args: [dir, name, mode] };
}
