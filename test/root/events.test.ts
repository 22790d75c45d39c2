// events: statistics by and by or once, and the kernel's killing for want of memory, until the container ends.

import { readdirSync, readlinkSync } from "node:fs";
import { describe, expect } from "vitest";
import { idle, type Json } from "./harness/config.ts";
import { except, kernelFile, needs } from "./harness/needs.ts";
import { tellOfOom } from "./harness/oom-event.ts";
import { until } from "./harness/until.ts";

const v1 = kernelFile("/sys/fs/cgroup/memory/tasks");

const LIMIT: Json = { linux: { resources: { memory: { limit: 16777216, swap: 16777216 }, pids: { limit: 20 } } } };

function parsed(lines: unknown): { type: string; id: string; data?: Json }[] {
  return String(lines)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

describe("events", () => {
  needs(v1, except({ crun: "has no such command" }))("--stats tells once what is used", async ({ box }) => {
    const container = box.container(idle(), LIMIT);
    await container.runDetached();
    const result = await box.call(["events", "--stats", container.id]);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout.endsWith("}}\n")).toBe(true);
    expect(parsed(result.stdout)).toMatchObject([
      {
        type: "stats",
        id: container.id,
        data: { pids: { limit: 20 }, memory: { usage: { limit: 16777216, failcnt: 0 } }, network_interfaces: null },
      },
    ]);
  });

  needs(v1, except({ crun: "has no such command" }))(
    "tells again and again, and ends with the container",
    async ({ box }) => {
      const container = box.container(idle());
      await container.runDetached();
      const running = box.begin(["events", "--interval", "100ms", container.id]);
      let said = "";
      running.stdout?.on("data", (chunk) => (said += String(chunk)));
      await expect.poll(() => parsed(said).length).toBeGreaterThanOrEqual(3);
      await container.kill("KILL");
      await container.until("stopped");
      await container.delete();
      const { exitCode, stdout } = await running;
      expect(exitCode).toBe(0);
      expect(parsed(stdout).every(({ type, id }) => type === "stats" && id === container.id)).toBe(true);
    },
  );

  needs(v1, except({ crun: "has no such command" }))(
    "tells of a process that is killed for want of memory",
    async ({ box }) => {
      const { exitCode, id, first } = await tellOfOom(box, LIMIT);
      expect(exitCode).toBe(0);
      expect(first).toBe(`{"type":"oom","id":"${id}"}`);
    },
  );

  needs(v1, except({ runc: "ends when the cgroup is removed", crun: "has no such command" }))(
    "ends with init, deleted or not",
    async ({ box }) => {
      const container = box.container(idle(), LIMIT);
      await container.runDetached();
      const running = box.begin(["events", container.id]);
      await until(() => holdsPidfd(Number(running.pid)), "events to follow init");
      await container.kill("KILL");
      expect(await running).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    },
  );

  needs(v1, except({ crun: "has no events" }))(
    "of what does not run is an error, as a wrong interval",
    async ({ box }) => {
      const container = box.container(idle());
      const words = async (...args: string[]) => (await box.call(["events", ...args, container.id])).stderr;
      expect(await words()).toContain("does not exist");
      await container.runDetached();
      expect(await words("--interval", "0s")).toContain("duration interval must be greater than 0");
      expect((await box.call(["events", "--interval", "soon", container.id])).code).toBe(1);
      await container.kill("KILL");
      await container.until("stopped");
      expect(await words("--stats")).toContain(`container with id ${container.id} is not running`);
    },
  );
});

function holdsPidfd(pid: number): boolean {
  const directory = `/proc/${pid}/fd`;
  try {
    return readdirSync(directory).some((fd) => readlinkSync(`${directory}/${fd}`).includes("pidfd"));
  } catch {
    return false; // one that was closed while they were read
  }
}
