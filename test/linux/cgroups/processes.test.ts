// The processes of a cgroup, as its files list them: a directory stands for it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { killV1, processesBelow, signalBelow } from "../../../src/linux/cgroups/processes.ts";
import { mkfifo } from "../../../src/linux/local.ts";

const SIGTERM = 15;

function cgroup(): string {
  const path = mkdtempSync(join(tmpdir(), "tsrun-processes-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

function sleeper(): { pid: number; ended: Promise<unknown>; isThere: () => boolean } {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const isThere = () => child.exitCode === null && child.signalCode === null;
  return { pid: child.pid ?? 0, ended: once(child, "exit"), isThere };
}

test("there may be more of them than a call takes arguments", () => {
  const path = cgroup();
  const pids = Array.from({ length: 200_000 }, (_, i) => i + 1);
  writeFileSync(`${path}/cgroup.procs`, pids.join("\n"));
  expect(processesBelow(path)).toEqual(pids);
});

test("those that are still there when they are looked for again are signalled", async () => {
  const path = cgroup();
  const { pid, ended } = sleeper();
  writeFileSync(`${path}/cgroup.procs`, `${pid}\n`);
  signalBelow(path, [pid], SIGTERM);
  expect(await ended).toEqual([null, "SIGTERM"]);
});

for (const [what, signal] of [
  ["a signal", (path: string) => signalBelow(path, processesBelow(path), SIGTERM)],
  ["SIGKILL on cgroup v1", (path: string) => killV1(path, undefined)],
] as const)
  test(`who has the number of one that ended meanwhile gets none: ${what}`, async () => {
    const path = cgroup();
    const { pid, isThere } = sleeper();
    // The first who reads it sees the number, and no later one.
    mkfifo(`${path}/cgroup.procs`, 0o600);
    const lists = `cd ${path}; echo ${pid} >cgroup.procs; while :; do : >cgroup.procs; done`;
    const lister = spawn("sh", ["-c", lists], { stdio: "ignore" });
    onTestFinished(() => void lister.kill("SIGKILL"));
    signal(path);
    await sleep(100);
    expect(isThere()).toBe(true);
  });
