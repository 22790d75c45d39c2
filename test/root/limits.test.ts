// That the limits bite: memory, processes, processor time, bytes from a disk, devices. What the kernel's files say is in
// resources.test.ts; here a container runs into each limit, and the kernel's own counters, read from outside, tell.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect } from "vitest";
import { cgroupVersion, count, readCgroup } from "./harness/cgroup-files.ts";
import { type Json, sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { LOOP, loopDevice } from "./harness/loop.ts";
import { kernelFile, type Missing, needs } from "./harness/needs.ts";
import type { Sandbox } from "./harness/sandbox.ts";
import { until } from "./harness/until.ts";

const MB = 1 << 20;
const resources = (fields: Json): Json => ({ linux: { resources: fields } });
const onVersion = <Value>(v1: Value, v2: Value): Value => (cgroupVersion === "v1" ? v1 : v2);

/** Needs a controller, in whatever hierarchy. */
function controller(v1: string, v2 = v1): Missing {
  if (cgroupVersion === "v1") return kernelFile(`/sys/fs/cgroup/${v1}/tasks`);
  const known = readFileSync("/sys/fs/cgroup/cgroup.controllers", "utf8").trim().split(" ");
  return known.includes(v2) ? undefined : `cgroup v2 has no ${v2} controller here`;
}

/** A container whose init only waits: it forks nothing, and leaves no zombies. */
async function waiting(box: Sandbox, fields: Json, before = ""): Promise<Container> {
  const container = box.container(sh(`trap '' CHLD; ${before} echo ready; exec sleep 1000`), resources(fields));
  expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
  await container.untilOutput("ready");
  return container;
}

describe("memory", () => {
  needs(controller("memory"))("a process that wants more than the limit is killed, and only it", async ({ box }) => {
    const container = await waiting(box, { memory: { limit: 24 * MB, swap: 24 * MB } });
    // tail keeps a line until its end comes.
    expect((await container.exec(["tail", "/dev/zero"])).code).toBe(137);
    expect(count(container.id, onVersion("memory.oom_control", "memory.events"), "oom_kill")).toBe(1);
    const peak = Number(readCgroup(container.id, onVersion("memory.max_usage_in_bytes", "memory.peak")));
    expect(peak).toBeLessThanOrEqual(24 * MB);
    expect(peak).toBeGreaterThan(20 * MB);
    expect((await container.state()).status).toBe("running");
    expect((await container.exec(["true"])).code).toBe(0);
  });

  needs(controller("memory"))("a process that wants less is not", async ({ box }) => {
    const container = await waiting(box, { memory: { limit: 64 * MB, swap: 64 * MB } });
    const result = await container.exec(["sh", "-c", "head -c 16777216 /dev/zero | tail | wc -c"]);
    expect(result).toMatchObject({ code: 0, stdout: "16777216\n" });
  });
});

describe("processes", () => {
  needs(controller("pids"))("a fork bomb is stopped at the limit, and goes with the container", async ({ box }) => {
    const container = await waiting(box, { pids: { limit: 30 } }, "f() { while :; do f & done; }; f 2>/dev/null &");
    // A shell that may not fork ends, and makes room for another.
    const refused = () => count(container.id, "pids.events", "max");
    await until(() => {
      expect(Number(readCgroup(container.id, "pids.current"))).toBeLessThanOrEqual(30);
      return refused() >= 10;
    }, "ten refusals");
    expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("processor time", () => {
  /** Microseconds that the container has used. */
  const used = (id: string) =>
    cgroupVersion === "v1" ? Number(readCgroup(id, "cpuacct.usage")) / 1000 : count(id, "cpu.stat", "usage_usec");

  needs(controller("cpu"), controller("cpuacct", "cpu"))(
    "a quota of 20 % is 20 %, of two that want all",
    async ({ box }) => {
      const script = "(while :; do :; done) & echo ready; while :; do :; done";
      const container = box.container(sh(script), resources({ cpu: { quota: 20_000, period: 100_000 } }));
      await container.runDetached();
      await container.untilOutput("ready");
      await sleep(300); // what of the first period was left
      // Where others want the processors, too, it may get less for a while, and at no time more.
      await until(async () => {
        const [time, usage] = [performance.now(), used(container.id)];
        await sleep(2000);
        const share = (used(container.id) - usage) / ((performance.now() - time) * 1000);
        expect(share).toBeLessThan(0.24);
        return share > 0.16;
      }, "its share");
    },
  );
});

describe("a disk", () => {
  const SIZE = 4 * MB;

  /** A container that reads all of a device and says how many seconds that took. */
  async function secondsToRead(box: Sandbox, throttle: (device: Json) => Json): Promise<number> {
    const device = { ...loopDevice(box, SIZE), type: "b" };
    const nodes = { linux: { devices: [{ ...device, path: "/dev/disk", fileMode: 0o600 }] } };
    const rules = [
      { allow: false, access: "rwm" },
      { ...device, allow: true, access: "r" },
    ];
    const container = box.container(
      sh("cut -d' ' -f1 /proc/uptime; dd if=/dev/disk bs=64k | wc -c; cut -d' ' -f1 /proc/uptime"),
      nodes,
      resources({ devices: rules, blockIO: throttle(device) }),
    );
    const result = await container.run();
    const [from, bytes, to] = result.stdout.trim().split("\n").map(Number);
    expect(bytes, result.stderr).toBe(SIZE);
    return (to ?? Number.NaN) - (from ?? Number.NaN);
  }

  needs(controller("blkio", "io"), ...LOOP)(
    "is read at the rate of its throttle, and quickly without one",
    async ({ box }) => {
      const rate = 2 * MB;
      const slow = ({ major, minor }: Json): Json => ({ throttleReadBpsDevice: [{ major, minor, rate }] });
      // Longer than by the limit alone it may take where others want the machine.
      await until(async () => {
        const throttled = await secondsToRead(box, slow);
        expect(throttled).toBeGreaterThan((SIZE / rate) * 0.75);
        return throttled < (SIZE / rate) * 1.5;
      }, "a read at the rate");
      await until(async () => (await secondsToRead(box, () => ({}))) < SIZE / rate / 4, "a quick read");
    },
  );
});

describe("devices", () => {
  needs(...LOOP)("one is denied, and another allowed, to be read only", async ({ box }) => {
    const [allowed, denied] = [loopDevice(box, MB, "allowed"), loopDevice(box, MB, "denied")];
    const nodes = [
      { ...allowed, type: "b", path: "/dev/allowed" },
      { ...denied, type: "b", path: "/dev/denied" },
    ];
    const rules = [
      { allow: false, access: "rwm" },
      { ...allowed, type: "b", allow: true, access: "r" },
    ];
    const script = "head -c 7 /dev/allowed; (true >>/dev/allowed); (true </dev/denied); (true >>/dev/denied)";
    const result = await box.container(sh(script), { linux: { devices: nodes } }, resources({ devices: rules })).run();
    expect(result.stdout).toBe("allowed");
    expect(result.stderr.trim().split("\n")).toEqual(
      ["/dev/allowed", "/dev/denied", "/dev/denied"].map((path) =>
        expect.stringContaining(`${path}: Operation not permitted`),
      ),
    );
  });
});
