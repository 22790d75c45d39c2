// The mount option tmpcopyup: a tmpfs starts with a copy of the directory that it covers. runtime-spec
// config.md#linux-mount-options.
//
// tsrun copies, by descriptors taken from init with pidfd_getfd(2): both trees are walked from there, one component at a
// time, links are copied and never followed.

import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_WRONLY,
} from "./abi/fcntl.ts";
import { close, openat } from "./calls.ts";
import { list, makeDirectory } from "./directories.ts";
import { type FileStatus, linkStatusOf } from "./file-status.ts";
import { chmod, close as closeOurs, fileCall, OpenFile, readLink, symlink } from "./files.ts";
import type { Result } from "./plan.ts";
import type { RootBuilder } from "./rootfs.ts";

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
      copyTree(from, onto);
    } finally {
      closeOurs(from);
      closeOurs(onto);
    }
  });
  plan.add(close(source));
  plan.add(close(target));
}

/** Copies what the directory `from` holds into the directory `onto`, both open. */
export function copyTree(from: number, onto: number): void {
  for (const { name } of list(`/proc/self/fd/${from}`)) copyEntry(from, onto, name);
}

function copyEntry(from: number, onto: number, name: string): void {
  const source = `/proc/self/fd/${from}/${name}`;
  const target = `/proc/self/fd/${onto}/${name}`;
  const status = linkStatusOf(source);
  if (status?.kind === "directory") copyDirectory(source, target);
  else if (status?.kind === "link") symlink(readLink(source), target);
  else if (status?.kind === "file") copyFile(source, target);
  else return; // Sockets, fifos and devices are not content.
  copyAttributes(target, status);
}

function copyDirectory(source: string, target: string): void {
  makeDirectory(target);
  using from = new OpenFile(source, O_DIRECTORY | O_NOFOLLOW);
  using onto = new OpenFile(target, O_DIRECTORY | O_NOFOLLOW);
  copyTree(from.fd, onto.fd);
}

/** By descriptor, since a name could be a link by now. */
function copyFile(source: string, target: string): void {
  using from = new OpenFile(source, O_NOFOLLOW | O_NONBLOCK);
  using onto = new OpenFile(target, O_WRONLY | O_CREAT | O_EXCL, 0o600);
  while (fileCall("sendfile", target, onto.fd, from.fd, 0, SENDFILE_MOST) > 0);
}

function copyAttributes(target: string, { kind, mode, uid, gid, accessed, modified }: FileStatus): void {
  fileCall("fchownat", target, AT_FDCWD, target, uid, gid, AT_SYMLINK_NOFOLLOW);
  if (kind === "link") return;
  chmod(target, mode);
  fileCall("utimensat", target, AT_FDCWD, target, timespecs(accessed, modified), 0);
}

/** `struct timespec[2]`, of milliseconds. */
function timespecs(...times: number[]): Uint8Array {
  const words = times.flatMap((time) => {
    const seconds = Math.floor(time / 1000);
    return [BigInt(seconds), BigInt(Math.floor((time - seconds * 1000) * 1e6))];
  });
  return new Uint8Array(BigInt64Array.from(words).buffer);
}
