// Files by their system calls: open(2), read(2), write(2), readlink(2), rename(2) … through libc.ts: the built program's
// engine has no others. Directories are directories.ts's, what a file is file-status.ts's.
//
// Descriptors are close-on-exec. A call that fails throws a FileError, with `code` as node's errors have it.

import { EINTR, ENOENT, type ErrnoName, errnoName, errnoText } from "./abi/errno.ts";
import {
  AT_FDCWD,
  AT_REMOVEDIR,
  O_APPEND,
  O_CLOEXEC,
  O_CREAT,
  O_PATH,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
} from "./abi/fcntl.ts";
import { type SyscallName, syscallNumber } from "./abi/syscalls.ts";
import { syscall, type Word } from "./libc.ts";

/** Room for what most files hold; a longer one takes more reads. */
const READ_SIZE = 8192;
/** Room for a link: none is longer than PATH_MAX. */
const LINK = new Uint8Array(4096);

/** A call on a file that failed. */
export class FileError extends Error {
  override readonly name = "FileError";
  /** By name, `ENOENT`. */
  readonly code: ErrnoName;
  readonly errno: number;
  readonly syscall: SyscallName;
  readonly path: string;

  constructor(call: SyscallName, errno: number, path: string) {
    const code = errnoName(errno);
    const text = errnoText(errno);
    super(`${code}: ${text.charAt(0).toLowerCase()}${text.slice(1)}, ${call} '${path}'`);
    this.code = code as ErrnoName;
    this.errno = errno;
    this.syscall = call;
    this.path = path;
  }
}

/**
 * Makes a call on `path` (which is for the error's words; `a` to `e`, the arguments, hold it too). They are named one by one
 * because the engine takes longer for a list of them than the kernel for most calls. @throws FileError
 */
export function fileCall(
  name: SyscallName,
  path: string,
  a: Word = 0,
  b: Word = 0,
  c: Word = 0,
  d: Word = 0,
  e: Word = 0,
): number {
  for (;;) {
    const result = syscall(syscallNumber(name), a, b, c, d, e);
    if (result >= 0) return result;
    if (result !== -EINTR) throw new FileError(name, -result, path);
  }
}

/** Opens a file. `flags` are open(2)'s; `mode` is for O_CREAT, and the umask is taken from it. */
export function open(path: string, flags: number, mode = 0): number {
  return fileCall("openat", path, AT_FDCWD, path, flags | O_CLOEXEC, mode);
}

/** Closes a descriptor. Linux has closed it even where it reports an error. */
export function close(fd: number): void {
  syscall(syscallNumber("close"), fd);
}

/** A file that is closed at the end of a scope. @throws FileError */
export class OpenFile implements Disposable {
  readonly fd: number;

  constructor(path: string, flags: number, mode = 0) {
    this.fd = open(path, flags, mode);
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}

/** Reads once. The number of bytes; 0 at the end of the file. */
export function read(fd: number, buffer: Uint8Array): number {
  return fileCall("read", `descriptor ${fd}`, fd, buffer, buffer.length);
}

/** Writes once. How many of the bytes were taken. */
export function write(fd: number, bytes: Uint8Array): number {
  return fileCall("write", `descriptor ${fd}`, fd, bytes, bytes.length);
}

/** Reads an open file from where it is to its end. */
export function readAll(fd: number): Uint8Array {
  let bytes = new Uint8Array(READ_SIZE);
  for (let length = 0; ; ) {
    const count = read(fd, bytes.subarray(length));
    if (count === 0) return bytes.subarray(0, length);
    length += count;
    if (length === bytes.length) {
      const larger = new Uint8Array(length * 4);
      larger.set(bytes);
      bytes = larger;
    }
  }
}

/** The text of a file. What is not UTF-8 in it becomes U+FFFD; a byte order mark stays. */
export function readText(path: string): string {
  using file = new OpenFile(path, O_RDONLY);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(readAll(file.fd));
}

/** Makes a file, or empties the one that is there, and writes a text to it. */
export function writeText(path: string, text: string, mode = 0o666, flags = O_CREAT | O_TRUNC): void {
  writeFile(path, new TextEncoder().encode(text), mode, flags);
}

/** As writeText, of bytes. */
export function writeFile(path: string, bytes: Uint8Array, mode = 0o666, flags = O_CREAT | O_TRUNC): void {
  using file = new OpenFile(path, O_WRONLY | flags, mode);
  writeTo(file.fd, path, bytes);
}

/** Writes all of the bytes; `path` is what errors call the descriptor. @throws FileError */
export function writeTo(fd: number, path: string, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) {
    const rest = bytes.subarray(done);
    done += fileCall("write", path, fd, rest, rest.length);
  }
}

/** Adds a text to the end of a file, which is made where it is missing. */
export function appendText(path: string, text: string, mode = 0o666, flags = 0): void {
  writeText(path, text, mode, O_CREAT | O_APPEND | flags);
}

/** Writes to a file of /proc, which is there, with one write(2). */
export function writeExisting(path: string, text: string): void {
  writeText(path, text, 0, 0);
}

/** Renames a file or directory, over what has the new name. */
export function rename(from: string, to: string): void {
  fileCall("renameat2", from, AT_FDCWD, from, AT_FDCWD, to, 0);
}

/** Removes a name of a file. Returns false where there is none. */
export function unlink(path: string): boolean {
  return removeName(path, 0);
}

/** Removes an empty directory. Returns false where there is none. */
export function removeDirectory(path: string): boolean {
  return removeName(path, AT_REMOVEDIR);
}

function removeName(path: string, flags: number): boolean {
  const result = syscall(syscallNumber("unlinkat"), AT_FDCWD, path, flags);
  if (result < 0 && result !== -ENOENT) throw new FileError("unlinkat", -result, path);
  return result === 0;
}

/** Makes a symbolic link that holds `target`. */
export function symlink(target: string, path: string): void {
  fileCall("symlinkat", path, target, AT_FDCWD, path);
}

/** What a symbolic link holds. */
export function readLink(path: string): string {
  return linkText(fileCall("readlinkat", path, AT_FDCWD, path, LINK, LINK.length));
}

/** The same; undefined where no link can be read, be there something else or nothing. */
export function linkTarget(path: string): string | undefined {
  const length = syscall(syscallNumber("readlinkat"), AT_FDCWD, path, LINK, LINK.length);
  return length < 0 ? undefined : linkText(length);
}

function linkText(length: number): string {
  return new TextDecoder().decode(LINK.subarray(0, length));
}

/** The path by which the kernel knows an existing file: no links in it. @throws FileError */
export function realPath(path: string): string {
  using file = new OpenFile(path, O_PATH);
  return readLink(`/proc/self/fd/${file.fd}`);
}

/** Sets the mode of a file, links followed. */
export function chmod(path: string, mode: number): void {
  fileCall("fchmodat", path, AT_FDCWD, path, mode);
}

/** Gives an open file to a user and a group. */
export function chownDescriptor(fd: number, uid: number, gid: number): void {
  fileCall("fchown", `descriptor ${fd}`, fd, uid, gid);
}
