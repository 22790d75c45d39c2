// update, events and the end for want of memory where cgroup v2 has the controllers: in the virtual machine, and on most
// machines of others. (cgroup-v2.test.ts has what needs no controller.)

import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { describe, expect } from "vitest";
import { readCgroup } from "./harness/cgroup-files.ts";
import { idle, type Json } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { except, type Missing, needs } from "./harness/needs.ts";
import { tellOfOom } from "./harness/oom-event.ts";
import { bySystemd } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";

const v2 = controllers("cpu", "memory", "pids");

function controllers(...names: readonly string[]): Missing {
  try {
    const there = readFileSync("/sys/fs/cgroup/cgroup.controllers", "utf8").trim().split(" ");
    const missing = names.filter((name) => !there.includes(name));
    return missing.length === 0 ? undefined : `cgroup v2 has no ${missing.join(", ")} here`;
  } catch {
    return "this machine has cgroup v1";
  }
}

/** systemd removes an empty cgroup at once: with one processor it has mostly done so before tsrun can ask. */
const alone: Missing = bySystemd && cpus().length < 2 ? "needs a second processor under systemd" : undefined;

const MIB = 1048576;

const START: Json = {
  linux: {
    resources: {
      devices: [{ allow: false, access: "rwm" }],
      memory: { limit: 64 * MIB, reservation: 32 * MIB },
      cpu: { shares: 512, quota: 50000, period: 100000 },
      pids: { limit: 100 },
    },
  },
};

function limitOf({ id }: Container, file: string): string {
  return readCgroup(id, file);
}

async function running(box: Sandbox, ...overrides: Json[]): Promise<Container> {
  const container = box.container(idle(), START, ...overrides);
  expect(await container.runDetached()).toMatchObject({ code: 0 });
  return container;
}

const CASES: readonly (readonly [flags: string[], values: Record<string, string>])[] = [
  [["--memory", "96m"], { "memory.max": String(96 * MIB), "memory.low": String(32 * MIB), "pids.max": "100" }],
  [["--memory=-1"], { "memory.max": "max" }],
  [["--memory-reservation", "16m"], { "memory.low": String(16 * MIB) }],
  [["--cpu-quota", "20000"], { "cpu.max": "20000 100000" }],
  [["--cpu-period", "200000"], { "cpu.max": "50000 200000" }],
  [["--cpu-quota", "-1"], { "cpu.max": "max 100000" }],
  [["--cpu-share", "2048"], { "cpu.max": "50000 100000" }],
  [["--pids-limit", "33"], { "pids.max": "33" }],
  [["--pids-limit", "-1"], { "pids.max": "max" }],
];

describe("update on cgroup v2", () => {
  for (const [flags, values] of CASES)
    needs(v2)(`${flags.join(" ")} changes that and leaves the rest`, async ({ box }) => {
      const container = await running(box);
      expect(await box.call(["update", ...flags, container.id])).toMatchObject({ code: 0, stdout: "", stderr: "" });
      for (const [file, value] of Object.entries(values)) expect(limitOf(container, file), file).toBe(value);
    });

  needs(v2, except({ runc: "leaves some changed", crun: "leaves some changed" }))(
    "one that cannot be changes nothing",
    async ({ box }) => {
      const container = await running(box);
      // No more can be saved up than the quota is, which the change does not name: only the kernel knows.
      const change = { pids: { limit: 5 }, memory: { limit: 80 * MIB }, cpu: { burst: 90000 } };
      const result = await box.call(["update", "--resources=-", container.id], { input: JSON.stringify(change) });
      expect(result.code).toBe(1);
      expect(result.stderr).toContain("linux.resources.cpu.burst: write");
      const files = ["pids.max", "memory.max", "cpu.max"];
      expect(files.map((file) => limitOf(container, file))).toEqual(["100", String(64 * MIB), "50000 100000"]);
    },
  );
});

describe("memory that runs out on cgroup v2", () => {
  const SMALL: Json = { linux: { resources: { memory: { limit: 16 * MIB, swap: 16 * MIB } } } };

  needs(v2, except({ crun: "has no events" }))("is an event", async ({ box }) => {
    const { exitCode, id, first } = await tellOfOom(box, SMALL);
    expect(exitCode).toBe(0);
    expect(first).toBe(`{"type":"oom","id":"${id}"}`);
  });

  needs(
    v2,
    alone,
    except({ runc: "says nothing", crun: "says nothing" }),
  )("is told of by run [qemu]", async ({ box }) => {
    const told = /its memory had run out: 1 OOM-killed, memory limit 16777216, peak \d+"\n$/;
    // systemd, which removes the cgroup as soon as it is empty, can be quicker than the kernel, which tells of a kill up to 10 ms late.
    const tries = bySystemd ? 3 : 1;
    const said: string[] = [];
    for (let i = 0; i < tries && !told.test(said.at(-1) ?? ""); i += 1) {
      const result = await box.container({ process: { args: ["tail", "/dev/zero"] } }, SMALL).run();
      expect(result.code).toBe(137);
      said.push(result.stderr);
    }
    expect(said.at(-1)).toMatch(told);
    for (const earlier of said.slice(0, -1)) expect(earlier).toBe("");
  });

  needs(v2, except({ crun: "has no events" }))("statistics have v1's names", async ({ box }) => {
    const container = await running(box);
    const { stdout, stderr } = await box.call(["events", "--stats", container.id]);
    expect(stderr).toBe("");
    const { data } = JSON.parse(stdout);
    expect(data).toMatchObject({ pids: { limit: 100 }, memory: { usage: { limit: 64 * MIB } }, hugetlb: {} });
    expect(data.cpu.usage.total).toBeGreaterThan(0);
    expect(data.memory.raw.anon).toBeGreaterThan(0);
  });
});
