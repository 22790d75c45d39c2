// The mount option tmpcopyup: a tmpfs starts with a copy of the directory that it covers. runtime-spec
// config.md#linux-mount-options.
//
// tsrun copies, by descriptors taken from init with pidfd_getfd(2): both trees are walked from there, one component at a
// time, links are copied and never followed, names are bytes. What it takes of memory is not charged to the container, so there is
// no more of it than the container may have. The tmpfs of a user namespace knows no ids but those that are mapped there, so
// files are made as the owner of its root, whom the kernel must not deny anything: setfsuid(2).

import { CAP_DATA_SIZE, capHeader } from "./abi/capability.ts";
import { ENXIO } from "./abi/errno.ts";
import {
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  SEEK_DATA,
  SEEK_HOLE,
  SEEK_SET,
} from "./abi/fcntl.ts";
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK } from "./abi/stat.ts";
import { syscallNumber } from "./abi/syscalls.ts";
import { close, openat } from "./calls.ts";
import { type Entry, listOpen, OpenEntry } from "./directories.ts";
import { ConfigError } from "./errors.ts";
import { descriptorStatus, type FileKind, type FileStatus, linkStatusOf } from "./file-status.ts";
import { close as closeOurs, FileError, fileCall, OpenFile } from "./files.ts";
import { syscall } from "./libc.ts";
import { call } from "./local.ts";
import type { Result } from "./plan.ts";
import type { RootBuilder } from "./rootfs.ts";

/** Names of a file's extended attributes, and one's value, are no longer. */
const XATTR_MOST = 65536;
/** As much as one call copies. sendfile(2). */
const SENDFILE_MOST = 0x7fff_f000;
/** As much as is copied at once of what is of no known size. */
const PIECE = 1 << 20;
/** As long as a link can be, with its NUL. */
const PATH_MAX = 4096;

/** Has tsrun fill the tmpfs `made` with what is at `destination`. */
export function planCopyUp(to: RootBuilder, made: Result, destination: string): void {
  const { plan, config } = to;
  const bounds = new Bounds(`mounts (${destination})`, config.linux?.resources?.memory?.limit);
  const source = to.inRoot.open(plan, destination, O_DIRECTORY);
  const target = plan.add(openat(made, ".", O_DIRECTORY));
  plan.pause(`copy ${destination} up`, (answers) => {
    const from = to.takeDescriptor(answers.value(source));
    const onto = to.takeDescriptor(answers.value(target));
    try {
      asOwnerOf(onto, () => copyTree(from, onto, bounds));
    } finally {
      closeOurs(from);
      closeOurs(onto);
    }
  });
  plan.add(close(source));
  plan.add(close(target));
}

/** Does something with the file system ids of a directory's owner, and with root's capabilities still. */
function asOwnerOf(directory: number, action: () => void): void {
  const { uid, gid } = descriptorStatus(directory);
  if (uid === 0 && gid === 0) {
    action();
    return;
  }
  const capabilities = new Uint8Array(CAP_DATA_SIZE);
  call("tmpcopyup", "capget", capHeader(), capabilities);
  call("tmpcopyup", "setfsgid", gid);
  call("tmpcopyup", "setfsuid", uid); // drops capabilities that go with files
  call("tmpcopyup", "capset", capHeader(), capabilities);
  try {
    action();
  } finally {
    call("tmpcopyup", "setfsuid", 0);
    call("tmpcopyup", "setfsgid", 0);
  }
}

/** What may be copied. */
class Bounds {
  readonly field: string;
  #left: number;

  /** `memory`: of the container's; tsrun's own takes what is copied, and an image could have any amount of it. */
  constructor(field: string, memory: number | bigint | undefined) {
    this.field = field;
    this.#left = Number(memory ?? 0) > 0 ? Number(memory) : Number.POSITIVE_INFINITY;
  }

  /** @throws ConfigError where that is too much */
  take(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw new ConfigError(this.field, "tmpcopyup: it is more than linux.resources.memory.limit");
  }

  /** @throws ConfigError where a directory is nested so deeply */
  enter(depth: number): void {
    if (depth > DEEPEST)
      throw new ConfigError(this.field, `tmpcopyup: directories are nested more than ${DEEPEST} deep`);
  }
}

/** Each takes two descriptors. */
const DEEPEST = 256;

/** Copies what the directory `from` holds into the directory `onto`, both open. */
function copyTree(from: number, onto: number, bounds: Bounds, depth = 0): void {
  bounds.enter(depth);
  for (const entry of listOpen(from)) copyEntry(from, onto, entry, bounds, depth);
}

const NODES: Partial<Record<FileKind, number>> = {
  fifo: S_IFIFO,
  socket: S_IFSOCK,
  "character device": S_IFCHR,
  "block device": S_IFBLK,
};

function copyEntry(from: number, onto: number, entry: Entry, bounds: Bounds, depth: number): void {
  const { raw, name } = entry;
  const status = linkStatusOf(raw, from);
  if (status === undefined) return;
  const node = NODES[status.kind];
  if (status.kind === "file") copyFile(from, onto, entry, bounds);
  else if (status.kind === "directory") copyDirectory(from, onto, entry, bounds, depth);
  else if (status.kind === "link") fileCall("symlinkat", name, linkText(from, entry), onto, raw);
  else if (node !== undefined) fileCall("mknodat", name, onto, raw, node | status.mode, status.device);
  else return;
  if (status.kind !== "file") copyAttributes(onto, entry, status);
}

function copyDirectory(from: number, onto: number, entry: Entry, bounds: Bounds, depth: number): void {
  fileCall("mkdirat", entry.name, onto, entry.raw, 0o777);
  using source = new OpenEntry(from, entry, O_DIRECTORY | O_NOFOLLOW);
  using target = new OpenEntry(onto, entry, O_DIRECTORY | O_NOFOLLOW);
  copyTree(source.fd, target.fd, bounds, depth + 1);
}

/** What a link holds, which need be no text, and a NUL. */
function linkText(from: number, { raw, name }: Entry): Uint8Array {
  const text = new Uint8Array(PATH_MAX);
  fileCall("readlinkat", name, from, raw, text, text.length - 1);
  return text;
}

/** By descriptor, and looked at before it is opened to read: the name could be a link by now, or a device's. */
function copyFile(from: number, onto: number, entry: Entry, bounds: Bounds): void {
  using held = new OpenEntry(from, entry, O_PATH | O_NOFOLLOW);
  const status = descriptorStatus(held.fd);
  if (status.kind !== "file") return;
  using source = new OpenFile(`/proc/self/fd/${held.fd}`, O_RDONLY);
  using target = new OpenEntry(onto, entry, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  copyData(source.fd, target.fd, status.size, bounds);
  copyAttributes(onto, entry, status);
  copyExtendedAttributes(source.fd, target.fd); // behind a change of owner, which takes capabilities away
}

/** The data of a file, and none for its holes, which cost nothing to make; then what is behind its size: procfs says 0. */
function copyData(from: number, onto: number, size: number, bounds: Bounds): void {
  const done = copyRanges(from, onto, size, bounds);
  seek(from, done, SEEK_SET);
  seek(onto, done, SEEK_SET);
  for (let count = 1; count > 0; bounds.take(count)) count = sendfile(onto, from, PIECE);
}

/** Returns how much of the file is there: all, or nothing where the file system does not tell of holes. lseek(2) */
function copyRanges(from: number, onto: number, size: number, bounds: Bounds): number {
  let at = seek(from, 0, SEEK_DATA);
  if (at < 0 && at !== -ENXIO) return 0;
  for (let end = 0; at >= 0 && at < size; at = seek(from, end, SEEK_DATA)) {
    end = Math.min(seek(from, at, SEEK_HOLE), size);
    if (end <= at) break; // it has become shorter
    bounds.take(end - at);
    seek(from, at, SEEK_SET);
    seek(onto, at, SEEK_SET);
    for (let left = end - at, count = 1; left > 0 && count > 0; left -= count) count = sendfile(onto, from, left);
  }
  fileCall("ftruncate", "tmpcopyup", onto, size);
  return size;
}

/** A position, or -errno. */
function seek(fd: number, offset: number, whence: number): number {
  return syscall(syscallNumber("lseek"), fd, offset, whence);
}

function sendfile(onto: number, from: number, count: number): number {
  return fileCall("sendfile", "tmpcopyup", onto, from, 0, Math.min(count, SENDFILE_MOST));
}

function copyAttributes(onto: number, entry: Entry, { kind, mode, uid, gid, accessed, modified }: FileStatus): void {
  const { raw, name } = entry;
  giveTo(onto, entry, uid, gid);
  if (kind === "link") return;
  fileCall("fchmodat", name, onto, raw, mode);
  fileCall("utimensat", name, onto, raw, timespecs(accessed, modified), 0);
}

/** An owner that the user namespace does not know leaves the file to its root. */
function giveTo(onto: number, { raw, name }: Entry, uid: number, gid: number): void {
  try {
    fileCall("fchownat", name, onto, raw, uid, gid, AT_SYMLINK_NOFOLLOW);
  } catch (error) {
    if (!(error instanceof FileError) || !UNKNOWN_OWNER.has(error.code)) throw error;
  }
}

const UNKNOWN_OWNER: ReadonlySet<string> = new Set(["EOVERFLOW", "EINVAL"]);

/** As far as a tmpfs has them: the capabilities of programs, user.*. xattr(7). */
function copyExtendedAttributes(from: number, onto: number): void {
  const names = new Uint8Array(XATTR_MOST);
  const length = syscall(syscallNumber("flistxattr"), from, names, names.length);
  if (length <= 0) return;
  const list = new TextDecoder().decode(names.subarray(0, length)).split("\0").filter(Boolean);
  for (const name of list) {
    const value = new Uint8Array(XATTR_MOST);
    const size = syscall(syscallNumber("fgetxattr"), from, name, value, value.length);
    if (size >= 0) syscall(syscallNumber("fsetxattr"), onto, name, value, size, 0);
  }
}

/** `struct timespec[2]`, of milliseconds. */
function timespecs(...times: number[]): Uint8Array {
  const words = times.flatMap((time) => {
    const seconds = Math.floor(time / 1000);
    return [BigInt(seconds), BigInt(Math.floor((time - seconds * 1000) * 1e6))];
  });
  return new Uint8Array(BigInt64Array.from(words).buffer);
}
