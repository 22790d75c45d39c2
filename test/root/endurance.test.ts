// Two thousand containers in a row: none hangs, fails, or leaves a process, mount, cgroup or state behind.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import { test } from "./harness/fixture.ts";
import { commandWords } from "./harness/runtime.ts";

const RUNS = 2000;
/** No run takes this long unless it hangs. */
const PATIENCE_SECONDS = 20;
/** So many cgroups and mounts may be made by others on this machine meanwhile. */
const OTHERS = 5;

test(`${RUNS} runs of true end well and leave nothing`, { timeout: 600_000 }, async ({ box }) => {
  const container = box.container({ process: { args: ["true"] } });
  const mounts = mountCount();
  const cgroups = cgroupCounts();
  const call = [...commandWords(), "--root", box.root, "run", "--bundle", container.bundle, container.id];
  const failures: string[] = [];
  for (let i = 0; i < RUNS; i += 1) {
    try {
      execFileSync("timeout", [String(PATIENCE_SECONDS), ...call], { stdio: "pipe" });
    } catch (error) {
      failures.push(`run ${i}: ${String(error)}`);
    }
  }
  expect(failures).toEqual([]);
  expect(readdirSync(box.root)).toEqual([]);
  expect(mountCount() - mounts, "mounts").toBeLessThanOrEqual(OTHERS);
  await expect.poll(() => more(cgroupCounts(), cgroups), { timeout: 60_000, interval: 500 }).toEqual([]);
});

function mountCount(): number {
  return readFileSync("/proc/self/mountinfo", "utf8").split("\n").length;
}

/**
 * How many cgroups the kernel has, by hierarchy: the third column of /proc/cgroups. Those that were removed count until the
 * kernel has freed them, which takes it some seconds.
 */
function cgroupCounts(): Map<string, number> {
  const lines = readFileSync("/proc/cgroups", "utf8").trim().split("\n").slice(1);
  return new Map(lines.map((line) => line.split("\t")).map(([name = "", , count]) => [name, Number(count)]));
}

/** Where there are more than before. */
function more(now: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>): string[] {
  return [...now]
    .filter(([name, count]) => count > (before.get(name) ?? 0) + OTHERS)
    .map(([name, count]) => `${name} ${count}`);
}
