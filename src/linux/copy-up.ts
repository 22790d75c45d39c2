// The mount option tmpcopyup: a tmpfs starts with a copy of the directory that it covers. runtime-spec
// config.md#linux-mount-options.
//
// tsrun copies, by descriptors taken from init with pidfd_getfd(2): both trees are walked from there, one component at a
// time, links are copied and never followed.

import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  copyFileSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  type Stats,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { O_DIRECTORY } from "./abi/fcntl.ts";
import { close, openat } from "./calls.ts";
import type { Result } from "./plan.ts";
import type { RootBuilder } from "./rootfs.ts";

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
      closeSync(from);
      closeSync(onto);
    }
  });
  plan.add(close(source));
  plan.add(close(target));
}

/** Copies what the directory `from` holds into the directory `onto`, both open. */
export function copyTree(from: number, onto: number): void {
  for (const name of readdirSync(`/proc/self/fd/${from}`)) copyEntry(from, onto, name);
}

function copyEntry(from: number, onto: number, name: string): void {
  const source = `/proc/self/fd/${from}/${name}`;
  const target = `/proc/self/fd/${onto}/${name}`;
  const stats = lstatSync(source);
  if (stats.isDirectory()) copyDirectory(source, target);
  else if (stats.isSymbolicLink()) symlinkSync(readlinkSync(source), target);
  else if (stats.isFile()) copyFile(source, target);
  else return; // Sockets, fifos and devices are not content.
  copyAttributes(target, stats);
}

function copyDirectory(source: string, target: string): void {
  mkdirSync(target);
  const from = openSync(source, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const onto = openSync(target, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    copyTree(from, onto);
  } finally {
    closeSync(from);
    closeSync(onto);
  }
}

/** By descriptor, since a name could be a link by now. */
function copyFile(source: string, target: string): void {
  const from = openSync(source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    copyFileSync(`/proc/self/fd/${from}`, target, constants.COPYFILE_EXCL);
  } finally {
    closeSync(from);
  }
}

function copyAttributes(target: string, stats: Stats): void {
  if (stats.isSymbolicLink()) {
    lchownSync(target, stats.uid, stats.gid);
    return;
  }
  chownSync(target, stats.uid, stats.gid);
  chmodSync(target, stats.mode & 0o7777);
  utimesSync(target, stats.atime, stats.mtime);
}
