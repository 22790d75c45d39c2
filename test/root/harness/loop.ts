// Loop devices: block devices of a test's own, on a file in its folder. losetup(8).

import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { kernelFile, loadModule, type Missing, program } from "./needs.ts";
import type { Sandbox } from "./sandbox.ts";

export interface LoopDevice {
  readonly major: number;
  readonly minor: number;
}

const CONTROL = "/dev/loop-control";

/** What tests that use one need. */
export const LOOP: readonly Missing[] = [program("losetup"), controlFile()];

function controlFile(): Missing {
  const missing = kernelFile(CONTROL);
  if (missing === undefined) return undefined;
  loadModule("loop");
  return kernelFile(CONTROL);
}

/** Makes one of `size` bytes that begins with `text`; it goes with the sandbox. */
export function loopDevice(box: Sandbox, size = 1 << 20, text = ""): LoopDevice {
  const file = join(box.makeDirectory("disks"), randomUUID());
  writeFileSync(file, text);
  truncateSync(file, size);
  const path = execFileSync("losetup", ["--find", "--show", file], { encoding: "utf8" }).trim();
  box.defer(() => {
    execFileSync("losetup", ["--detach", path]);
  });
  const { rdev } = statSync(path);
  return { major: rdev >> 8, minor: rdev & 0xff };
}

/** Gives the device the scheduler that has weights for devices. Returns false where the kernel lacks it. */
export function scheduleByWeight(box: Sandbox, { minor }: LoopDevice): boolean {
  const file = `/sys/block/loop${minor}/queue/scheduler`;
  if (!readFileSync(file, "utf8").includes("bfq")) loadModule("bfq");
  const before = readFileSync(file, "utf8");
  if (!before.includes("bfq")) return false;
  writeFileSync(file, "bfq");
  box.defer(() => writeFileSync(file, /\[(.*)\]/.exec(before)?.[1] ?? "none"));
  return true;
}
