// pause and resume: nothing runs between them, every command knows, and a paused container can be ended. The same cases on
// cgroup v2 are in cgroup-v2.test.ts.

import { readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { idle, sh } from "./harness/config.ts";
import { except, kernelFile, needs } from "./harness/needs.ts";
import { pauseCases } from "./pause-cases.ts";

const freezer = kernelFile("/sys/fs/cgroup/freezer/tasks");

describe("pause on cgroup v1", () => {
  pauseCases(freezer);

  needs(freezer, except({ crun: "says something else" }))(
    "a container below a frozen cgroup is not paused: resume could not help it",
    async ({ box }) => {
      const container = box.container(idle());
      await container.runDetached();
      const directory = `/sys/fs/cgroup/freezer/${container.id}`;
      expect(readFileSync(`${directory}/freezer.self_freezing`, "utf8")).toBe("0\n");
      expect((await box.call(["resume", container.id])).stderr).toContain("container not paused");
    },
  );

  needs(freezer)("one that forks all the time is paused too", async ({ box }) => {
    const container = box.container(sh("echo ready; while :; do true & true & wait; done"));
    await container.runDetached();
    await container.untilOutput("ready");
    for (let i = 0; i < 3; i++) {
      expect(await box.call(["pause", container.id])).toMatchObject({ code: 0, stderr: "" });
      expect(readFileSync(`/sys/fs/cgroup/freezer/${container.id}/freezer.state`, "utf8")).toBe("FROZEN\n");
      expect(await box.call(["resume", container.id])).toMatchObject({ code: 0, stderr: "" });
    }
  });
});
