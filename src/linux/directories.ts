// Directories: mkdir(2), getdents64(2), and removing a tree.

import { EEXIST, EISDIR, ENOENT, EPERM } from "./abi/errno.ts";
import { AT_FDCWD, AT_REMOVEDIR, O_CLOEXEC, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "./abi/fcntl.ts";
import { syscallNumber } from "./abi/syscalls.ts";
import { linkStatusOf, statusOf } from "./file-status.ts";
import { close, FileError, fileCall, OpenFile } from "./files.ts";
import { syscall, type Word } from "./libc.ts";
import { dirname } from "./paths.ts";

/** `struct linux_dirent64`: u64 inode, u64 offset, u16 length of the record, u8 type, NUL-terminated name. */
const DIRENT = { length: 16, type: 18, name: 19 } as const;
const DT_UNKNOWN = 0;
const DT_DIR = 4;
const BUFFER = 16 * 1024;

/** What a directory has under a name. */
export interface Entry {
  /** For people, and for paths of tsrun's own: what is no UTF-8 in it has become U+FFFD. */
  readonly name: string;
  /** For calls: the name as it is, and a NUL. Whoever may make files may call them anything. */
  readonly raw: Uint8Array;
  readonly isDirectory: boolean;
}

/** An entry of an open directory, opened; closed at the end of a scope. @throws FileError */
export class OpenEntry implements Disposable {
  readonly fd: number;

  constructor(directory: number, { raw, name }: Entry, flags: number, mode = 0) {
    this.fd = fileCall("openat", name, directory, raw, flags | O_CLOEXEC, mode);
  }

  [Symbol.dispose](): void {
    close(this.fd);
  }
}

/** Makes a directory; `mode` less the umask. Returns -errno or 0: what to make of EEXIST is the caller's to know. */
export function tryMakeDirectory(path: string, mode: number): number {
  return syscall(syscallNumber("mkdirat"), AT_FDCWD, path, mode);
}

/** Makes a directory. @throws FileError */
export function makeDirectory(path: string, mode = 0o777): void {
  const result = tryMakeDirectory(path, mode);
  if (result < 0) throw new FileError("mkdirat", -result, path);
}

/** Makes a directory and its missing parents. Returns false when it was there. @throws FileError */
export function makeDirectories(path: string, mode = 0o777): boolean {
  let result = tryMakeDirectory(path, mode);
  if (result === -ENOENT && dirname(path) !== path) {
    makeDirectories(dirname(path), mode);
    result = tryMakeDirectory(path, mode);
  }
  if (result === -EEXIST && statusOf(path)?.kind === "directory") return false;
  if (result < 0) throw new FileError("mkdirat", -result, path);
  return true;
}

/** What is in a directory, in the kernel's order. @throws FileError */
export function list(path: string): Entry[] {
  using directory = new OpenFile(path, O_RDONLY | O_DIRECTORY);
  return entriesOf(directory.fd, path);
}

/** The same of an open directory that nobody has read yet. @throws FileError */
export function listOpen(directory: number): Entry[] {
  return entriesOf(directory, `descriptor ${directory}`);
}

/** Removes a file, or a directory and all in it, links not followed. No error when there is nothing. @throws FileError */
export function removeTree(path: string): void {
  removeBelow(AT_FDCWD, path, path);
}

function removeBelow(parent: number, raw: Word, name: string): void {
  const remove = (flags: number): number => syscall(syscallNumber("unlinkat"), parent, raw, flags);
  const result = remove(0);
  if (result === 0 || result === -ENOENT) return;
  // POSIX lets unlink(2) of a directory be EPERM.
  if (result !== -EISDIR && result !== -EPERM) throw new FileError("unlinkat", -result, name);
  empty(parent, raw, name);
  const last = remove(AT_REMOVEDIR);
  if (last < 0 && last !== -ENOENT) throw new FileError("unlinkat", -last, name);
}

function empty(parent: number, raw: Word, name: string): void {
  const flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
  const fd = fileCall("openat", name, parent, raw, flags | O_CLOEXEC, 0);
  try {
    for (const entry of entriesOf(fd, name)) removeBelow(fd, entry.raw, entry.name);
  } finally {
    close(fd);
  }
}

function entriesOf(fd: number, path: string): Entry[] {
  const entries: Entry[] = [];
  const bytes = new Uint8Array(BUFFER);
  for (;;) {
    const length = fileCall("getdents64", path, fd, bytes, bytes.length);
    if (length === 0) return entries;
    decode(bytes.subarray(0, length), fd, entries);
  }
}

function decode(bytes: Uint8Array, fd: number, entries: Entry[]): void {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  for (let at = 0; at < bytes.length; ) {
    const start = at + DIRENT.name;
    const end = bytes.indexOf(0, start);
    const name = decoder.decode(bytes.subarray(start, end));
    const raw = bytes.slice(start, end + 1);
    const type = bytes[at + DIRENT.type] ?? DT_UNKNOWN;
    if (name !== "." && name !== "..") entries.push({ name, raw, isDirectory: isDirectory(type, fd, raw) });
    at += (bytes[at + DIRENT.length] ?? 0) + (bytes[at + DIRENT.length + 1] ?? 0) * 256;
  }
}

/** Some file systems do not tell. */
function isDirectory(type: number, parent: number, raw: Uint8Array): boolean {
  return type === DT_UNKNOWN ? linkStatusOf(raw, parent)?.kind === "directory" : type === DT_DIR;
}
