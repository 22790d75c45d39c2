// pause and resume: nothing runs between them, every command knows, and a paused container can be ended. The same cases on
// cgroup v2 are in cgroup-v2.test.ts.

import { readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { idle, sh } from "./harness/config.ts";
import { cgroupsOf } from "./harness/leftovers.ts";
import { except, kernelFile, needs } from "./harness/needs.ts";
import { pauseCases } from "./pause-cases.ts";

const freezer = kernelFile("/sys/fs/cgroup/freezer/tasks");

describe("pause on cgroup v1", () => {
  pauseCases(freezer);

  needs(freezer, except({ crun: "says something else", runc: "1.1's state waits for ever" }))(
    "a container below a frozen cgroup is not paused: resume could not help it",
    async ({ box }) => {
      const parent = `/sys/fs/cgroup/freezer/${box.word}-parent`;
      const container = box.container(idle(), { linux: { cgroupsPath: `/${box.word}-parent/child` } });
      box.defer(async () => {
        writeFileSync(`${parent}/freezer.state`, "THAWED");
        await container.dispose();
        for (const path of cgroupsOf(`${box.word}-parent`)) rmdirSync(path);
      });
      await container.runDetached();
      writeFileSync(`${parent}/freezer.state`, "FROZEN");
      expect(readFileSync(`${parent}/child/freezer.state`, "utf8")).toMatch(/^FR/);
      expect((await container.state()).status).toBe("running");
      expect((await box.call(["resume", container.id])).stderr).toContain("container not paused");
    },
  );

  needs(freezer, except({ crun: "1.8 does not wait for all to be frozen" }))(
    "one that forks all the time is paused too",
    async ({ box }) => {
      const container = box.container(sh("echo ready; while :; do true & true & wait; done"));
      await container.runDetached();
      await container.untilOutput("ready");
      for (let i = 0; i < 3; i++) {
        expect(await box.call(["pause", container.id])).toMatchObject({ code: 0, stderr: "" });
        expect(readFileSync(`/sys/fs/cgroup/freezer/${container.id}/freezer.state`, "utf8")).toBe("FROZEN\n");
        expect(await box.call(["resume", container.id])).toMatchObject({ code: 0, stderr: "" });
      }
    },
  );
});
