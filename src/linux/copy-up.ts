// The mount option tmpcopyup: a tmpfs starts with a copy of the directory that it covers. runtime-spec
// config.md#linux-mount-options.
//
// tsrun copies, by descriptors taken from init with pidfd_getfd(2): both trees are walked from there, one component at a
// time, links are copied and never followed.

import type { Stats } from "node:fs";
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
      fs().closeSync(from);
      fs().closeSync(onto);
    }
  });
  plan.add(close(source));
  plan.add(close(target));
}

/** Copies what the directory `from` holds into the directory `onto`, both open. */
export function copyTree(from: number, onto: number): void {
  for (const name of fs().readdirSync(`/proc/self/fd/${from}`)) copyEntry(from, onto, name);
}

function copyEntry(from: number, onto: number, name: string): void {
  const source = `/proc/self/fd/${from}/${name}`;
  const target = `/proc/self/fd/${onto}/${name}`;
  const stats = fs().lstatSync(source);
  if (stats.isDirectory()) copyDirectory(source, target);
  else if (stats.isSymbolicLink()) fs().symlinkSync(fs().readlinkSync(source), target);
  else if (stats.isFile()) copyFile(source, target);
  else return; // Sockets, fifos and devices are not content.
  copyAttributes(target, stats);
}

function copyDirectory(source: string, target: string): void {
  fs().mkdirSync(target);
  const from = fs().openSync(source, fs().constants.O_RDONLY | fs().constants.O_DIRECTORY | fs().constants.O_NOFOLLOW);
  const onto = fs().openSync(target, fs().constants.O_RDONLY | fs().constants.O_DIRECTORY | fs().constants.O_NOFOLLOW);
  try {
    copyTree(from, onto);
  } finally {
    fs().closeSync(from);
    fs().closeSync(onto);
  }
}

/** By descriptor, since a name could be a link by now. */
function copyFile(source: string, target: string): void {
  const from = fs().openSync(source, fs().constants.O_RDONLY | fs().constants.O_NOFOLLOW | fs().constants.O_NONBLOCK);
  try {
    fs().copyFileSync(`/proc/self/fd/${from}`, target, fs().constants.COPYFILE_EXCL);
  } finally {
    fs().closeSync(from);
  }
}

function copyAttributes(target: string, stats: Stats): void {
  if (stats.isSymbolicLink()) {
    fs().lchownSync(target, stats.uid, stats.gid);
    return;
  }
  fs().chownSync(target, stats.uid, stats.gid);
  fs().chmodSync(target, stats.mode & 0o7777);
  fs().utimesSync(target, stats.atime, stats.mtime);
}

/** Loaded here alone: it takes a starting Bun 1.5 ms, and hardly any container has this option. */
function fs(): typeof import("node:fs") {
  return process.getBuiltinModule("node:fs");
}
