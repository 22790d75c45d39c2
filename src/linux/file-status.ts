// What a file is: statx(2), statfs(2). Only what is asked here is decoded.

import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "./abi/fcntl.ts";
import {
  makedev,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  STATX_ATIME,
  STATX_BASIC_STATS,
  STATX_GID,
  STATX_INO,
  STATX_MODE,
  STATX_MTIME,
  STATX_RDEV_MAJOR,
  STATX_RDEV_MINOR,
  STATX_SIZE,
  STATX_SIZE_OF_FILE,
  STATX_UID,
} from "./abi/stat.ts";
import { syscallNumber } from "./abi/syscalls.ts";
import { FileError, fileCall, pathBytes } from "./files.ts";
import { syscall } from "./libc.ts";

/** A kind of file. */
export type FileKind =
  | "file"
  | "directory"
  | "fifo"
  | "socket"
  | "link"
  | "character device"
  | "block device"
  | "other";

/** What is known of a file. */
export interface FileStatus {
  readonly kind: FileKind;
  /** Permission bits, with set-user-ID, set-group-ID and sticky. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: number;
  readonly inode: number;
  /** When it was last read, in milliseconds since 1970. */
  readonly accessed: number;
  /** When its content last changed. */
  readonly modified: number;
  /** Of a device file: what makedev gives. */
  readonly device: number;
}

const KINDS: Readonly<Record<number, FileKind>> = {
  [S_IFREG]: "file",
  [S_IFDIR]: "directory",
  [S_IFIFO]: "fifo",
  [S_IFLNK]: "link",
  [S_IFSOCK]: "socket",
  [S_IFCHR]: "character device",
  [S_IFBLK]: "block device",
};

/** struct statfs of 64-bit architectures; f_type is its first word of 8. */
const STATFS_SIZE = 120;

const ENOENT = 2;
const ENOTDIR = 20;

/** Of a path, links followed; undefined where nothing is. @throws FileError for what cannot be looked at */
export function statusOf(path: string): FileStatus | undefined {
  return statusAt(path, 0);
}

/** Of a path itself, which may be a link. */
export function linkStatusOf(path: string): FileStatus | undefined {
  return statusAt(path, AT_SYMLINK_NOFOLLOW);
}

/** Of an open file. @throws FileError (EBADF) for a number that is none */
export function descriptorStatus(fd: number): FileStatus {
  const bytes = new Uint8Array(STATX_SIZE);
  fileCall("statx", `descriptor ${fd}`, fd, pathBytes(""), AT_EMPTY_PATH, STATX_BASIC_STATS, bytes);
  return decode(bytes);
}

/** Whether a path leads to something that can be seen: access(2) with F_OK, links followed. */
export function exists(path: string): boolean {
  return syscall(syscallNumber("faccessat"), AT_FDCWD, pathBytes(path), 0) === 0;
}

/** The magic number of the file system at a path, <linux/magic.h>; undefined where nothing is. */
export function fileSystemType(path: string): number | undefined {
  const bytes = new Uint8Array(STATFS_SIZE);
  const result = syscall(syscallNumber("statfs"), pathBytes(path), bytes);
  return result < 0 ? undefined : new DataView(bytes.buffer).getUint32(0, true);
}

function statusAt(path: string, flags: number): FileStatus | undefined {
  const bytes = new Uint8Array(STATX_SIZE);
  const result = syscall(syscallNumber("statx"), AT_FDCWD, pathBytes(path), flags, STATX_BASIC_STATS, bytes);
  if (result === -ENOENT || result === -ENOTDIR) return undefined;
  if (result < 0) throw new FileError("statx", -result, path);
  return decode(bytes);
}

function decode(bytes: Uint8Array): FileStatus {
  const view = new DataView(bytes.buffer);
  const mode = view.getUint16(STATX_MODE, true);
  return {
    kind: KINDS[mode & S_IFMT] ?? "other",
    mode: mode & ~S_IFMT,
    uid: view.getUint32(STATX_UID, true),
    gid: view.getUint32(STATX_GID, true),
    size: word(view, STATX_SIZE_OF_FILE),
    inode: word(view, STATX_INO),
    accessed: time(view, STATX_ATIME),
    modified: time(view, STATX_MTIME),
    device: makedev(view.getUint32(STATX_RDEV_MAJOR, true), view.getUint32(STATX_RDEV_MINOR, true)),
  };
}

/** Of s64 seconds, u32 nanoseconds. */
function time(view: DataView, at: number): number {
  return Number(view.getBigInt64(at, true)) * 1000 + view.getUint32(at + 8, true) / 1e6;
}

/** A u64, exact up to 2^53. */
function word(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x1_0000_0000;
}
