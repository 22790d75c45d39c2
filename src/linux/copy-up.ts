// The mount option tmpcopyup: a tmpfs starts with a copy of the directory that it covers. runtime-spec
// config.md#linux-mount-options.
//
// tsrun copies, by descriptors taken from init with pidfd_getfd(2): both trees are walked from there, one component at a
// time, links are copied and never followed. The tmpfs of a user namespace knows no ids but those that are mapped there, so
// files are made as the owner of its root, whom the kernel must not deny anything: setfsuid(2).

import { CAP_DATA_SIZE, capHeader } from "./abi/capability.ts";
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
} from "./abi/fcntl.ts";
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFSOCK } from "./abi/stat.ts";
import { syscallNumber } from "./abi/syscalls.ts";
import { close, openat } from "./calls.ts";
import { list, makeDirectory } from "./directories.ts";
import { descriptorStatus, type FileKind, type FileStatus, linkStatusOf } from "./file-status.ts";
import { chmod, close as closeOurs, FileError, fileCall, OpenFile, readLink, symlink } from "./files.ts";
import { syscall } from "./libc.ts";
import { call } from "./local.ts";
import type { Result } from "./plan.ts";
import type { RootBuilder } from "./rootfs.ts";

/** Names of a file's extended attributes, and one's value, are no longer. */
const XATTR_MOST = 65536;
/** As much as one call copies. sendfile(2). */
const SENDFILE_MOST = 0x7fff_f000;

/** Has tsrun fill the tmpfs `made` with what is at `destination`. */
export function planCopyUp(to: RootBuilder, made: Result, destination: string): void {
  const { plan } = to;
  const source = to.inRoot.open(plan, destination, O_DIRECTORY);
  const target = plan.add(openat(made, ".", O_DIRECTORY));
  plan.pause(`copy ${destination} up`, (answers) => {
    const from = to.takeDescriptor(answers.value(source));
    const onto = to.takeDescriptor(answers.value(target));
    try {
      asOwnerOf(onto, () => copyTree(from, onto));
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

/** Copies what the directory `from` holds into the directory `onto`, both open. */
function copyTree(from: number, onto: number): void {
  for (const { name } of list(`/proc/self/fd/${from}`)) copyEntry(from, onto, name);
}

const NODES: Partial<Record<FileKind, number>> = {
  fifo: S_IFIFO,
  socket: S_IFSOCK,
  "character device": S_IFCHR,
  "block device": S_IFBLK,
};

function copyEntry(from: number, onto: number, name: string): void {
  const source = `/proc/self/fd/${from}/${name}`;
  const target = `/proc/self/fd/${onto}/${name}`;
  const status = linkStatusOf(source);
  if (status === undefined) return;
  const node = NODES[status.kind];
  if (status.kind === "file") copyFile(source, target);
  else if (status.kind === "directory") copyDirectory(source, target);
  else if (status.kind === "link") symlink(readLink(source), target);
  else if (node !== undefined) fileCall("mknodat", target, AT_FDCWD, target, node | status.mode, status.device);
  else return;
  if (status.kind !== "file") copyAttributes(target, status);
}

function copyDirectory(source: string, target: string): void {
  makeDirectory(target);
  using from = new OpenFile(source, O_DIRECTORY | O_NOFOLLOW);
  using onto = new OpenFile(target, O_DIRECTORY | O_NOFOLLOW);
  copyTree(from.fd, onto.fd);
}

/** By descriptor, and looked at before it is opened to read: the name could be a link by now, or a device's. */
function copyFile(source: string, target: string): void {
  using held = new OpenFile(source, O_PATH | O_NOFOLLOW);
  const status = descriptorStatus(held.fd);
  if (status.kind !== "file") return;
  using from = new OpenFile(`/proc/self/fd/${held.fd}`, O_RDONLY);
  using onto = new OpenFile(target, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  while (fileCall("sendfile", target, onto.fd, from.fd, 0, SENDFILE_MOST) > 0);
  copyAttributes(target, status);
  copyExtendedAttributes(from.fd, onto.fd); // behind a change of owner, which takes capabilities away
}

function copyAttributes(target: string, { kind, mode, uid, gid, accessed, modified }: FileStatus): void {
  giveTo(target, uid, gid);
  if (kind === "link") return;
  chmod(target, mode);
  fileCall("utimensat", target, AT_FDCWD, target, timespecs(accessed, modified), 0);
}

/** An owner that the user namespace does not know leaves the file to its root. */
function giveTo(target: string, uid: number, gid: number): void {
  try {
    fileCall("fchownat", target, AT_FDCWD, target, uid, gid, AT_SYMLINK_NOFOLLOW);
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
