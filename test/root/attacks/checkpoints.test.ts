// Attacks on who checkpoints a container: traps in the directory that the images are to be written to, and a container that CRIU cannot
// come to an end with. None of these needs CRIU: tsrun is to see it before, or the CRIU is one of the test's that is killed.

import { spawnSync } from "node:child_process";
import { readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { idle, type Json, mounts, namespaces, sh } from "../harness/config.ts";
import type { Container } from "../harness/container.ts";
import { checkpoint } from "../harness/criu.ts";
import { except, needs } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";

async function running(box: Sandbox, ...overrides: Json[]): Promise<Container> {
  const container = box.container(...(overrides.length > 0 ? overrides : [idle()]));
  expect((await container.runDetached()).code).toBe(0);
  await container.untilOutput("ready");
  return container;
}

/** A program of that name that comes before all others, and dies of what it does at last. */
function criuOf(box: Sandbox, script: string): { env: Record<string, string> } {
  const directory = box.makeDirectory("programs");
  writeFileSync(`${directory}/criu`, `#!/bin/sh\n${script}\nkill -9 $$\n`, { mode: 0o755 });
  return { env: { PATH: `${directory}:${process.env.PATH}` } };
}

describe("a directory for images", () => {
  const ofTsrun = needs(
    except({ runc: "writes to where links lead, and waits at FIFOs", crun: "1.8 has no CRIU in it" }),
  );

  for (const name of ["descriptors.json", "dump.log", "stats-dump", "core-1.img"])
    for (const [what, make] of [
      ["a link", (path: string, to: string) => symlinkSync(to, path)],
      ["a FIFO", (path: string) => void spawnSync("mkfifo", [path])],
    ] as const)
      ofTsrun(`is not written to where ${name} is ${what} there already`, async ({ box }) => {
        const container = await running(box);
        const images = box.makeDirectory("images");
        writeFileSync(box.path("kept"), "kept");
        make(`${images}/${name}`, box.path("kept"));
        const { env } = criuOf(box, "");
        const result = await box.call(["checkpoint", "--image-path", images, container.id], { env });
        const words = `--image-path: ${images}/${name} is ${what}, not a regular file`;
        expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining(words) });
        expect(readFileSync(box.path("kept"), "utf8")).toBe("kept");
        expect((await container.state()).status).toBe("running");
      });

  ofTsrun("for the log has no link in the place of that either", async ({ box }) => {
    const container = await running(box);
    const work = box.makeDirectory("work");
    symlinkSync(box.path("kept"), `${work}/dump.log`);
    const result = await checkpoint(box, container, "--work-path", work);
    expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining(`${work}/dump.log is a link`) });
  });
});

describe("a container", () => {
  const ofTsrun = needs(except({ runc: "1.1 leaves it frozen, or waits for ever", crun: "1.8 has no CRIU in it" }));

  ofTsrun("whose CRIU is killed when it has frozen it goes on", async ({ box }) => {
    const container = await running(box);
    const freeze = `for f in freezer/${container.id}/freezer.state=FROZEN ${container.id}/cgroup.freeze=1; do
      [ ! -e /sys/fs/cgroup/\${f%=*} ] || { echo \${f#*=} >/sys/fs/cgroup/\${f%=*} && echo $f >>${box.path("seen")}; }
    done`;
    const call = ["checkpoint", "--image-path", box.path("images"), container.id];
    expect(await box.call(call, criuOf(box, freeze))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("criu was killed by SIGKILL before it had answered"),
    });
    expect(readFileSync(box.path("seen"), "utf8")).toMatch(/=/);
    expect((await container.state()).status).toBe("running");
    expect(await box.call(["pause", container.id])).toMatchObject({ code: 0 });
    expect((await box.call(call, criuOf(box, freeze))).code).toBe(1);
    expect((await container.state()).status).toBe("paused");
  });

  ofTsrun(
    "that has frozen a cgroup of its own is not checkpointed: CRIU would wait for it for ever",
    async ({ box }) => {
      const script = [
        "cd /sys/fs/cgroup; [ ! -d freezer ] || cd freezer; mkdir in; sleep 1000 & echo $! >in/cgroup.procs",
        "if [ -e in/cgroup.freeze ]; then echo 1 >in/cgroup.freeze; else echo FROZEN >in/freezer.state; fi",
        "echo ready; while :; do sleep 0.1; done",
      ];
      const cgroups: Json = mounts({ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup" });
      const own = namespaces("pid", "mount", "ipc", "uts", "network", "cgroup");
      const container = await running(box, sh(script.join("\n")), cgroups, own);
      const { env } = criuOf(box, "sleep 1000");
      const result = await box.call(["checkpoint", "--image-path", box.path("images"), container.id], { env });
      const words = "the container has frozen a cgroup of its own, in which CRIU can trace nothing";
      expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining(words) });
      expect((await container.state()).status).toBe("running");
      expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
    },
  );
});
