// What pause, resume and a paused container do, on either version of cgroups.

import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { scaled } from "../../conformance/engines/patience.ts";
import { cgroupVersion } from "./harness/cgroup-files.ts";
import { idle, sh } from "./harness/config.ts";
import { except, type Missing, needs } from "./harness/needs.ts";

/** Counts up in its output, and would end at TERM. */
const counting = () => sh("trap 'exit 0' TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.01; done");

/** Declares the tests. */
export function pauseCases(...missing: readonly Missing[]): void {
  needs(...missing)("stops it until it is resumed; state and list say so", async ({ box }) => {
    const container = box.container(counting());
    await container.runDetached();
    await container.untilOutput("2");
    expect(await box.call(["pause", container.id])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    const before = container.output();
    expect((await container.state()).status).toBe("paused");
    const list = JSON.parse((await box.call(["list", "--format", "json"])).stdout);
    expect(list).toMatchObject([{ id: container.id, status: "paused" }]);
    await sleep(60);
    expect(container.output()).toBe(before);
    expect(await box.call(["resume", container.id])).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect((await container.state()).status).toBe("running");
    await container.untilOutput(String(before.trim().split("\n").length + 1));
  });

  needs(...missing, except({ crun: "1.8 says that it is created" }))(
    "a created container can be paused, and started once it is resumed",
    async ({ box }) => {
      const container = box.container(idle());
      await container.create();
      expect(await box.call(["pause", container.id])).toMatchObject({ code: 0, stderr: "" });
      expect((await container.state()).status).toBe("paused");
      expect((await container.start()).code).toBe(1);
      await box.call(["resume", container.id]);
      expect((await container.state()).status).toBe("created");
      expect(await container.start()).toMatchObject({ code: 0, stderr: "" });
    },
  );

  needs(...missing, except({ crun: "has words of its own" }))("in the wrong state it is an error", async ({ box }) => {
    const container = box.container(idle());
    const words = async (...args: string[]) => (await box.call([...args, container.id])).stderr;
    expect(await words("pause")).toContain("container does not exist");
    await container.runDetached();
    expect(await words("resume")).toContain("container not paused");
    await box.call(["pause", container.id]);
    expect(await words("pause")).toContain("container not running");
    expect(await words("delete")).toContain("that is not stopped: paused");
    expect((await container.exec(["true"])).stderr).toContain("cannot exec in a paused container");
    await box.call(["resume", container.id]);
    await container.kill("KILL");
    await container.until("stopped");
    expect(await words("pause")).toContain("container not running");
    expect(await words("resume")).toContain("container not paused");
  });

  needs(...missing, except({ crun: "1.8 does not thaw it for KILL" }))(
    "TERM waits for the resume, KILL does not",
    async ({ box }) => {
      const [first, second] = [box.container(idle()), box.container(idle())];
      for (const container of [first, second]) {
        await container.runDetached();
        await container.untilOutput("ready");
        await box.call(["pause", container.id]);
      }
      expect((await first.kill("TERM")).code).toBe(0);
      expect((await first.state()).status).toBe("paused");
      expect((await second.kill("KILL")).code).toBe(0);
      await second.until("stopped");
      expect((await second.delete()).code).toBe(0);
      await box.call(["resume", first.id]);
      await first.until("stopped");
    },
  );

  const busy = cgroupVersion === "v2" ? except({ runc: "1.1 may find the cgroup busy, and leave it" }) : undefined;
  for (const own of [true, false])
    needs(...missing, own ? undefined : busy)(
      `delete --force ends a paused one ${own ? "" : "without a pid namespace "}at once`,
      async ({ box }) => {
        const types = ["network", "ipc", "uts", "mount", ...(own ? ["pid"] : [])];
        const container = box.container(sh("sleep 1000 & echo ready; wait"), {
          linux: { namespaces: types.map((type) => ({ type })) },
        });
        await container.runDetached();
        await container.untilOutput("ready");
        await box.call(["pause", container.id]);
        const start = performance.now();
        expect((await container.delete("--force")).code).toBe(0);
        expect(performance.now() - start).toBeLessThan(scaled(5000));
      },
    );

  needs(...missing, except({ crun: "has no such flag" }))(
    "exec --ignore-paused goes in, and runs when all is resumed",
    async ({ box }) => {
      const container = box.container(idle());
      await container.runDetached();
      await container.untilOutput("ready");
      await box.call(["pause", container.id]);
      const running = box.begin(["exec", "--ignore-paused", container.id, "echo", "hello"]);
      await sleep(50);
      await box.call(["resume", container.id]);
      expect(await running).toMatchObject({ exitCode: 0, stdout: "hello\n" });
    },
  );
}
