// The same cgroups, paused, as runc's `events --stats` tells them and as we do: byte for byte.

import { existsSync, readFileSync } from "node:fs";
import { execa } from "execa";
import { describe, expect } from "vitest";
import { exactJson } from "../../../src/lifecycle/exact-json.ts";
import { Cgroup } from "../../../src/linux/cgroups/cgroup.ts";
import { statsOf } from "../../../src/linux/cgroups/stats.ts";
import { count } from "../../root/harness/cgroup-files.ts";
import { sh } from "../../root/harness/config.ts";
import { Container } from "../../root/harness/container.ts";
import { kernelFile, needs, program } from "../../root/harness/needs.ts";
import { until } from "../../root/harness/until.ts";

/** runc's container's cgroups, from /proc/PID/cgroup. */
function cgroupOf(pid: number): Cgroup {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
  const paths = lines
    .map((line) => line.split(":"))
    .map(([, name = "", path = ""]): [string, string] => [
      name,
      `/sys/fs/cgroup/${name === "" ? "unified" : name.replace("name=", "")}${path}`,
    ]);
  return new Cgroup("v1", new Map(paths.filter(([, path]) => existsSync(path))));
}

describe("statistics", () => {
  needs(program("runc"), kernelFile("/sys/fs/cgroup/freezer/tasks"))("are those of runc", async ({ box }) => {
    const limits = { memory: { limit: 67108864 }, pids: { limit: 50 }, cpu: { quota: 20000, period: 100000 } };
    const busy = sh("echo ready; head -c 5m /dev/zero >/dev/shm/x; while :; do true & wait $!; done");
    const container = new Container(box, `${box.word}-peer`, [busy, { linux: { resources: limits } }]);
    const runc = (...args: string[]) => execa("runc", ["--root", box.path("peer"), ...args], { stdin: "ignore" });
    box.defer(async () => void (await runc("delete", "--force", container.id)));
    await execa("runc", ["--root", box.path("peer"), "run", "-d", "-b", container.bundle, container.id], {
      stdio: "ignore",
    });
    await until(() => count(container.id, "cpu.stat", "throttled_time") > 0, "the container to be throttled");
    await runc("pause", container.id);
    const { pid } = JSON.parse((await runc("state", container.id)).stdout);
    // The kernel takes its time to give back the memory of processes that have ended.
    await expect
      .poll(async () => {
        const theirs = (await runc("events", "--stats", container.id)).stdout;
        expect(theirs).toContain('"throttledTime"');
        expect(exactJson({ type: "stats", id: container.id, data: statsOf(cgroupOf(pid)) })).toBe(theirs);
        return true;
      })
      .toBe(true);
  });
});
