// Tests that need something say so, and where it is missing they are skipped with the reason, which the summary of
// `npm test` prints. `needs(program("criu"))("a sentence", async ({ box }) => …)`. What neither this machine nor User Mode Linux
// has (cpuset or hugetlb of cgroup v2, a real-time budget) has [qemu] in its name: npm test runs those in a guest under QEMU.

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { test } from "./fixture.ts";
import { bySystemd, type RuntimeKind, runtimeKind, SYSTEMD_SOCKET } from "./runtime.ts";
import type { Sandbox } from "./sandbox.ts";

/** Undefined when what is needed is there, else why not. */
export type Missing = string | undefined;

/** What every test of the systemd driver needs. */
const driver: Missing = bySystemd && !existsSync(SYSTEMD_SOCKET) ? "systemd does not run here" : undefined;

/** Declares a test that runs only where nothing is missing. */
export function needs(...missing: readonly Missing[]) {
  const reasons = [driver, ...missing].filter((reason) => reason !== undefined);
  return (name: string, body: (context: { box: Sandbox }) => Promise<void>): void => {
    if (reasons.length === 0) test(name, ({ box }) => body({ box }));
    else test(name, ({ skip }) => skip(reasons.join("; ")));
  };
}

/** Needs a program on the PATH. */
export function program(name: string): Missing {
  const directories = (process.env.PATH ?? "").split(":").concat("/usr/sbin", "/sbin");
  return directories.some((directory) => isExecutable(join(directory, name))) ? undefined : `${name} is not installed`;
}

/** Needs a file that the kernel has only with a certain feature. */
export function kernelFile(path: string): Missing {
  try {
    accessSync(path);
    return undefined;
  } catch {
    return `this kernel has no ${path}`;
  }
}

/** Needs a kernel that is no older. */
export function kernel(major: number, minor: number): Missing {
  const [ours = 0, less = 0] = release().split(".").map(Number);
  return ours > major || (ours === major && less >= minor) ? undefined : `needs Linux ${major}.${minor}`;
}

/** Has the kernel load a module, where it is a module. Where there is none, what needs it finds out. */
export function loadModule(name: string): void {
  spawnSync("modprobe", ["--quiet", name]);
}

/** Needs a file system type that the kernel knows. */
export function fileSystem(type: string): Missing {
  const known = readFileSync("/proc/filesystems", "utf8").split("\n");
  return known.some((line) => line.split("\t")[1] === type) ? undefined : `this kernel has no ${type} file system`;
}

/** What peers do instead, by peer. */
export type Peers = Partial<Record<Exclude<RuntimeKind, "tsrun">, string>>;

/**
 * Excepts peers that do otherwise: the test is tsrun's, and the reason says what they do. EXCEPT_NOBODY has them try nevertheless: to see
 * that reasons are still true (conformance/peers/tests.ts).
 */
export function except(peers: Peers): Missing {
  if (process.env.EXCEPT_NOBODY !== undefined) return undefined;
  const reason = runtimeKind === "tsrun" ? undefined : peers[runtimeKind];
  return reason === undefined ? undefined : `${runtimeKind}: ${reason}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
