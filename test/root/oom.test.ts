// Why it died: what is told of a container in which the kernel killed for want of memory, on either version of cgroups. Of create
// and a foreground run: cgroups.test.ts, cgroup-v2-limits.test.ts.

import { readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { cgroupVersion } from "./harness/cgroup-files.ts";
import { type Json, sh } from "./harness/config.ts";
import { except, kernelFile, type Missing, needs, program } from "./harness/needs.ts";

const MIB = 1 << 20;
const MEMORY = [memory(), except({ runc: "does not say", crun: "does not say" })];

function memory(): Missing {
  if (cgroupVersion === "v1") return kernelFile("/sys/fs/cgroup/memory/tasks");
  const there = readFileSync("/sys/fs/cgroup/cgroup.controllers", "utf8").split(/\s/).includes("memory");
  return there ? undefined : "cgroup v2 has no memory controller here";
}

const limited = (limit: number): Json => ({ linux: { resources: { memory: { limit, swap: limit } } } });
describe("state and list", () => {
  needs(...MEMORY)(
    "tell of a stopped container whose init was killed: how many, the limit, the peak",
    async ({ box }) => {
      const container = box.container({ process: { args: ["tail", "/dev/zero"] } }, limited(16 * MIB));
      expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
      const state = await container.until("stopped");
      const oom = { kills: 1, limit: 16 * MIB, peak: expect.any(Number) };
      expect(state).toMatchObject({ status: "stopped", pid: 0, oom });
      const { stdout } = await box.call(["list", "--format", "json"]);
      expect(JSON.parse(stdout)).toEqual([expect.objectContaining({ id: container.id, oom })]);
      expect((await box.call(["list"])).stdout).not.toMatch(/oom/i);
    },
  );

  needs(...MEMORY)("say nothing while it lives, and afterwards that somebody in it was killed", async ({ box }) => {
    const container = box.container(sh("tail /dev/zero; echo killed; exec sleep 1000"), limited(16 * MIB));
    await container.runDetached();
    await container.untilOutput("killed");
    expect(await container.state()).not.toHaveProperty("oom");
    await container.kill("KILL");
    expect(await container.until("stopped")).toMatchObject({ oom: { kills: 1, limit: 16 * MIB } });
  });

  needs(...MEMORY)("say nothing of memory where it never ran out", async ({ box }) => {
    const container = box.container(sh("exit 1"), limited(16 * MIB));
    expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
    expect(await container.until("stopped")).not.toHaveProperty("oom");
  });
});

describe("a program that is killed in execve", () => {
  /** Init holds the arguments, and the kernel copies them for the program: for a while there is enough for the one alone. */
  const LONG: Json = { process: { args: ["true", ...Array.from({ length: 4 }, () => "x".repeat(120_000))] } };
  /** Where that begins differs between kernels. */
  const LIMITS = Array.from({ length: 32 }, (_, i) => (i + 1) * 65536);
  const words =
    /memory\.limit: the program was OOM-killed as it began .*: 1 OOM-killed, memory limit \d+, peak \d+"\n$/;

  needs(...MEMORY)(
    "fails start, with limit and peak, or state tells where its parent has waited for it",
    async ({ box }) => {
      const failed: number[] = [];
      const waitedFor: number[] = [];
      for (const limit of LIMITS) {
        const container = box.container(LONG, limited(limit));
        const created = await container.create();
        if (created.code !== 0) expect(created.stderr).toContain("container init was OOM-killed");
        if (created.code !== 0) continue;
        const { code, stderr } = await container.start();
        const state = await container.until("stopped");
        if (code === 0 && !("oom" in state)) break;
        expect(state).toMatchObject({ oom: { kills: 1, limit } });
        if (code === 0) waitedFor.push(limit);
        else if (words.test(stderr)) failed.push(limit);
        else expect(stderr).toContain("that has stopped: 1 OOM-killed"); // while it took what it is to do
      }
      expect([...failed, ...waitedFor]).not.toEqual([]);
    },
  );

  needs(...MEMORY)("fails a detached run, which leaves nothing", async ({ box }) => {
    const failed: number[] = [];
    for (const limit of LIMITS) {
      const container = box.container(LONG, limited(limit));
      const { code, stderr } = await container.runDetached();
      if (code === 0) break;
      await expect(container.state()).rejects.toThrow("does not exist");
      if (words.test(stderr)) failed.push(limit);
      else expect(stderr).toContain("container init was OOM-killed");
    }
    expect(failed).not.toEqual([]);
  });

  needs(...MEMORY)("is not one before which somebody else was killed", async ({ box }) => {
    const container = box.container(sh("exec sleep 1000"), limited(16 * MIB));
    await container.create();
    expect((await container.exec(["tail", "/dev/zero"])).code).toBe(137);
    expect(await container.start()).toMatchObject({ code: 0, stderr: "" });
    expect(await container.state()).toMatchObject({ status: "running" });
  });

  needs(...MEMORY, program("strace"))("is not one that began and was killed before start looked", async ({ box }) => {
    // start removes its fifos in between.
    const late = ["strace", "-qq", "-o", "/dev/null", "-e", "inject=unlink,unlinkat:delay_enter=200000"];
    const programs = [
      ["tail", "/dev/zero"],
      ["sh", "-c", "tail /dev/zero; exit 137"],
    ];
    for (const args of programs) {
      const container = box.container({ process: { args } }, limited(16 * MIB));
      await container.create();
      expect(await box.call(["start", container.id], { under: late })).toMatchObject({ code: 0, stderr: "" });
      expect(await container.until("stopped")).toMatchObject({ oom: { kills: 1 } });
    }
  });

  needs(...MEMORY)("is not one that ends by itself at once", async ({ box }) => {
    const container = box.container(limited(16 * MIB));
    await container.create();
    expect(await container.start()).toMatchObject({ code: 0, stderr: "" });
    expect(await box.container(limited(16 * MIB)).runDetached()).toMatchObject({ code: 0, stderr: "" });
  });
});
