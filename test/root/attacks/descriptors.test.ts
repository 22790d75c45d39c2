// Attacks through descriptors: of the host's that are open in a process on its way into the container, by /proc/self/fd/N as
// its working directory, its program, or a file that it reads. CVE-2024-21626, CVE-2016-9962.

import { closeSync, openSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { idle, type Json, namespaces, sh } from "../harness/config.ts";
import type { Container } from "../harness/container.ts";
import { test } from "../harness/fixture.ts";
import { except, type Missing, needs } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";

const crunLeads = except({ crun: "1.8 predates the fix" });

/** Directories of the host's that a careless caller leaves open in the runtime. */
function leak(box: Sandbox): number[] {
  const open = ["/", "/etc", "/sys/fs/cgroup"].map((path) => openSync(path, "r"));
  box.defer(() => {
    for (const fd of open) closeSync(fd);
  });
  return open;
}

async function running(box: Sandbox, ...overrides: Json[]): Promise<Container> {
  const container = box.container(idle(), ...overrides);
  expect((await container.create()).code).toBe(0);
  expect((await container.start()).code).toBe(0);
  await container.untilOutput("ready");
  return container;
}

const LIST = "ls /proc/self/fd; ls -l /proc/self/fd | grep -c ' -> /\\(etc\\|sys\\)'";

describe("what the caller has left open", () => {
  test("is not open in the program of run", async ({ box }) => {
    const result = await box.container(sh(LIST)).run([], { descriptors: leak(box) });
    expect(result.stdout).toBe("0\n1\n2\n3\n0\n"); // 3: ls reads the directory by it
  });

  test("is not open in the program of exec", async ({ box }) => {
    const container = await running(box);
    const result = await container.exec(["sh", "-c", LIST], [], { descriptors: leak(box) });
    expect(result.stdout).toBe("0\n1\n2\n3\n0\n");
  });

  test("is not open in a hook", async ({ box }) => {
    const out = box.path("hook");
    const hook = { path: "/bin/sh", args: ["sh", "-c", `ls /proc/self/fd >${out}`] };
    const container = box.container({ hooks: { createRuntime: [hook] } });
    await container.run([], { descriptors: leak(box) });

    expect(readFileSync(out, "utf8")).toBe("0\n1\n2\n3\n");
  });
});

describe("a path through a descriptor", () => {
  // As many as a process on its way in may have, and the numbers that agents use for their sockets.
  const numbers = [...Array.from({ length: 24 }, (_, i) => i), 60, 61];

  needs(crunLeads)(
    "is no working directory of run's, and none of its programs, whatever its number",
    async ({ box }) => {
      const descriptors = leak(box);
      for (const number of numbers) {
        const cwd = box.container({
          process: { args: ["cat", "etc/shadow", "shadow"], cwd: `/proc/self/fd/${number}` },
        });
        const byCwd = await cwd.run([], { descriptors });
        expect([byCwd.code === 0, byCwd.stdout], `cwd ${number}`).toEqual([false, ""]);
        const path = `/proc/self/fd/${number}/bin/ls`;
        const byPath = await box.container({ process: { args: [path, "/proc/self/exe"] } }).run([], { descriptors });
        expect([byPath.code === 0, byPath.stdout], `program ${number}`).toEqual([false, ""]);
      }
    },
  );

  needs(crunLeads)("is none of exec's either", async ({ box }) => {
    const descriptors = leak(box);
    const container = await running(box);
    for (const number of numbers) {
      const process = { args: ["cat", "etc/shadow", "shadow"], cwd: `/proc/self/fd/${number}` };
      const byCwd = await container.execProcess(process, [], { descriptors });
      expect([byCwd.code === 0, byCwd.stdout], `cwd ${number}`).toEqual([false, ""]);
      const byPath = await container.exec([`/proc/self/fd/${number}/bin/ls`, "/"], [], { descriptors });
      expect([byPath.code === 0, byPath.stdout], `program ${number}`).toEqual([false, ""]);
    }
  });

  const home = except({ runc: "1.1 refuses to run then", crun: "1.8 sets an empty one, or refuses to run" });
  const targets: [target: string, missing?: Missing][] = [
    ["/proc/self/fd/60"],
    ["/proc/self/fd/3"],
    ["/proc/self/mem", home],
    ["/dev/zero", home],
    ["/proc/self/exe", home],
  ];
  for (const [target, missing] of targets) {
    needs(missing)(`gives no HOME: /etc/passwd -> ${target}, and does no harm`, async ({ box }) => {
      const container = box.container(sh("echo $HOME"), { process: { env: ["PATH=/bin"] } });

      rmSync(join(container.rootfs, "etc/passwd"));
      symlinkSync(target, join(container.rootfs, "etc/passwd"));
      expect(await container.run()).toMatchObject({ code: 0, stdout: "/\n" });
    });
  }
});

describe("a working directory outside the root", () => {
  // In the host's pid namespace there is a process whose root is the host's: as root, the way to it is open.
  const hostPid = namespaces("mount", "ipc", "uts", "network");
  for (const name of ["root", "root/etc", "cwd"]) {
    needs(crunLeads)(
      `is refused to run and to exec: /proc/PID/${name} of the host's pid namespace`,
      async ({ box }) => {
        const cwd = `/proc/${process.pid}/${name}`;
        const leaking = { process: { args: ["cat", "etc/shadow", "shadow"], cwd } };
        const run = await box.container(hostPid, leaking).run();
        expect([run.code === 0, run.stdout]).toEqual([false, ""]);
        const container = await running(box, hostPid);
        const exec = await container.execProcess({ args: ["cat", "etc/shadow", "shadow"], cwd });
        expect([exec.code === 0, exec.stdout]).toEqual([false, ""]);
        expect(exec.stderr).toMatch(/outside (the|of) container/);
      },
    );
  }
});
