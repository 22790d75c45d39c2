// Two thousand containers in a row: none hangs, fails, or leaves a process, mount, cgroup or state behind.

import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import { test } from "./harness/fixture.ts";
import { commandWords } from "./harness/runtime.ts";

const RUNS = 2000;
/** No run takes this long unless it hangs. */
const PATIENCE_SECONDS = 20;

test(`${RUNS} runs of true end well and leave nothing`, { timeout: 600_000 }, ({ box }) => {
  const container = box.container({ process: { args: ["true"] } });
  const mounts = mountCount();
  const cgroups = cgroupCount();
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
  expect(mountCount()).toBe(mounts);
  expect(cgroupCount()).toBe(cgroups);
});

function mountCount(): number {
  return readFileSync("/proc/self/mountinfo", "utf8").split("\n").length;
}

/** How many cgroups the kernel has, by hierarchy: the third column of /proc/cgroups. */
function cgroupCount(): string {
  const lines = readFileSync("/proc/cgroups", "utf8").trim().split("\n");
  return lines.map((line) => line.split("\t").slice(0, 3).join(" ")).join("\n");
}
