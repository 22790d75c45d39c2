// What a file is: statx(2), statfs(2).

import { EACCES, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR } from "./abi/errno.ts";
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
  STATFS_SIZE,
  STATX_ATIME,
  STATX_BASIC_STATS,
  STATX_DEV_MAJOR,
  STATX_DEV_MINOR,
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
import { FileError, fileCall } from "./files.ts";
import { syscall, type Word } from "./libc.ts";

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

const KINDS: Readonly<Record<number, FileKind>> = {
  [S_IFREG]: "file",
  [S_IFDIR]: "directory",
  [S_IFIFO]: "fifo",
  [S_IFLNK]: "link",
  [S_IFSOCK]: "socket",
  [S_IFCHR]: "character device",
  [S_IFBLK]: "block device",
};

/** What is known of a file. Each thing is decoded when it is asked for: most are asked for one of them. */
export class FileStatus {
  readonly #statx: DataView;

  constructor(statx: Uint8Array) {
    this.#statx = new DataView(statx.buffer);
  }

  get kind(): FileKind {
    return KINDS[this.#modeAndType & S_IFMT] ?? "other";
  }
  /** Permission bits, with set-user-ID, set-group-ID and sticky. */
  get mode(): number {
    return this.#modeAndType & ~S_IFMT;
  }
  get uid(): number {
    return this.#statx.getUint32(STATX_UID, true);
  }
  get gid(): number {
    return this.#statx.getUint32(STATX_GID, true);
  }
  /** Bytes. */
  get size(): number {
    return this.#word(STATX_SIZE_OF_FILE);
  }
  get inode(): number {
    return this.#word(STATX_INO);
  }
  /** When it was last read, in milliseconds since 1970. */
  get accessed(): number {
    return this.#time(STATX_ATIME);
  }
  /** When its content last changed. */
  get modified(): number {
    return this.#time(STATX_MTIME);
  }
  /** Of a device file: what makedev gives. */
  get device(): number {
    const view = this.#statx;
    return makedev(view.getUint32(STATX_RDEV_MAJOR, true), view.getUint32(STATX_RDEV_MINOR, true));
  }
  /** The device that it lies on. */
  get fileSystem(): number {
    const view = this.#statx;
    return makedev(view.getUint32(STATX_DEV_MAJOR, true), view.getUint32(STATX_DEV_MINOR, true));
  }

  get #modeAndType(): number {
    return this.#statx.getUint16(STATX_MODE, true);
  }
  /** A u64, exact up to 2^53. */
  #word(at: number): number {
    return Number(this.#statx.getBigUint64(at, true));
  }
  /** Of s64 seconds, u32 nanoseconds. */
  #time(at: number): number {
    return Number(this.#statx.getBigInt64(at, true)) * 1000 + this.#statx.getUint32(at + 8, true) / 1e6;
  }
}

/** <linux/magic.h> */
export const PROC_SUPER_MAGIC = 0x9fa0;
/** <linux/proc_ns.h> */
const PROC_ROOT_INO = 1;

/** What the kernel says of a path that leads to nothing, or to nothing that the caller may see. */
const UNSEEN = new Set<number>([ENOENT, EACCES, ENOTDIR, ENAMETOOLONG, ELOOP]);

/** Of a path, links followed; undefined where nothing is. @throws FileError for what cannot be looked at */
export function statusOf(path: string): FileStatus | undefined {
  return statusAt(AT_FDCWD, path, 0);
}

/** Of a path itself, which may be a link; from an open directory, if one is given. */
export function linkStatusOf(path: Word, directory = AT_FDCWD): FileStatus | undefined {
  return statusAt(directory, path, AT_SYMLINK_NOFOLLOW);
}

/** Of an open file. @throws FileError (EBADF) for a number that is none */
export function descriptorStatus(fd: number): FileStatus {
  const bytes = new Uint8Array(STATX_SIZE);
  fileCall("statx", `descriptor ${fd}`, fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, bytes);
  return new FileStatus(bytes);
}

/**
 * Whether a path leads to something that can be seen: access(2) with F_OK, links followed.
 * @throws FileError where that cannot be told (ENOMEM, EIO): what is there must not pass for gone
 */
export function exists(path: string): boolean {
  const result = syscall(syscallNumber("faccessat"), AT_FDCWD, path, 0);
  if (result < 0 && !UNSEEN.has(-result)) throw new FileError("faccessat", -result, path);
  return result === 0;
}

/** The magic number, <linux/magic.h>, that a `struct statfs` begins with. */
export function typeIn(statfs: Uint8Array): number {
  return new DataView(statfs.buffer, statfs.byteOffset).getUint32(0, true);
}

/** The magic number of the file system at a path, <linux/magic.h>; undefined where nothing is. @throws FileError as `exists` does */
export function fileSystemType(path: string): number | undefined {
  const bytes = new Uint8Array(STATFS_SIZE);
  const result = syscall(syscallNumber("statfs"), path, bytes);
  if (result < 0 && !UNSEEN.has(-result)) throw new FileError("statfs", -result, path);
  return result < 0 ? undefined : typeIn(bytes);
}

/** Whether an open directory is the root of a procfs, and not one below it, which may show another process. */
export function isRootOfProcfs(fd: number): boolean {
  const bytes = new Uint8Array(STATFS_SIZE);
  fileCall("fstatfs", `descriptor ${fd}`, fd, bytes);
  return typeIn(bytes) === PROC_SUPER_MAGIC && descriptorStatus(fd).inode === PROC_ROOT_INO;
}

function statusAt(directory: number, path: Word, flags: number): FileStatus | undefined {
  const bytes = new Uint8Array(STATX_SIZE);
  const result = syscall(syscallNumber("statx"), directory, path, flags, STATX_BASIC_STATS, bytes);
  if (result === -ENOENT || result === -ENOTDIR) return undefined;
  if (result < 0) throw new FileError("statx", -result, typeof path === "string" ? path : "an entry of a directory");
  return new FileStatus(bytes);
}
