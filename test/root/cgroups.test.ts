// Cgroups of version 1 on this machine: where the container is put, limits that are too low, and that all of it is gone
// afterwards (config-linux.md "Control groups"). Which limits there are: resources.test.ts; that they bite: limits.test.ts.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect } from "vitest";
import { idle, type Json, namespaces, sh } from "./harness/config.ts";
import { cgroupsOf } from "./harness/leftovers.ts";
import { except, kernelFile, needs } from "./harness/needs.ts";

const v1 = kernelFile("/sys/fs/cgroup/memory/tasks");
const resources = (fields: Json): Json => ({ linux: { resources: fields } });

describe("limits", () => {
  needs(v1)("a program that wants more memory than the limit is killed", async ({ box }) => {
    const limit = resources({ memory: { limit: 16777216, swap: 16777216 } });
    const result = await box.container(sh("head -c 100m /dev/zero | tail | wc -c"), limit).run();
    expect(result.stdout.trim()).not.toBe("104857600");
  });

  needs(v1, except({ runc: "is larger itself", crun: "has words of its own" }))(
    "a limit that is too low for the container to be made is said to be",
    async ({ box }) => {
      const container = box.container(resources({ memory: { limit: 4096 } }));
      const result = await container.create();
      expect(result).toMatchObject({ code: 1 });
      expect(result.stderr).toMatch(
        /container init was OOM-killed \(memory limit too low\?\): \d+ OOM-killed, memory limit 4096, peak \d+/,
      );
    },
  );

  needs(v1, except({ runc: "says nothing", crun: "has no run --keep" }))(
    "a foreground run whose init is OOM-killed says so, with limit and peak",
    async ({ box }) => {
      const limit = resources({ memory: { limit: 16777216, swap: 16777216 } });
      const container = box.container({ process: { args: ["tail", "/dev/zero"] } }, limit);
      const result = await container.run(["--keep"]);
      expect(result.code).toBe(137);
      expect(result.stderr).toMatch(
        /level=error msg="the container was killed, and its memory had run out: 1 OOM-killed, memory limit 16777216, peak 16777216"\n$/,
      );
      expect(await container.state()).toMatchObject({ status: "stopped", pid: 0 });
      expect((await container.start()).stderr).toContain("cannot start a container that has stopped: 1 OOM-killed");
    },
  );

  needs(v1)("a foreground run that is killed by a signal says nothing of memory", async ({ box }) => {
    const container = box.container(idle(), resources({ memory: { limit: 16777216 } }));
    const running = container.beginRun();
    await container.untilRunning();
    await container.kill("KILL");
    expect(await running).toMatchObject({ exitCode: 137, stderr: "" });
  });

  needs(v1)("a program that forks more than the limit is refused", async ({ box }) => {
    const result = await box
      .container(sh("for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done"), resources({ pids: { limit: 5 } }))
      .run();
    expect(result.stderr).toMatch(/can't fork/);
  });

  needs(v1, except({ crun: "leaves cgroups behind when a limit fails" }))(
    "an invalid limit is refused",
    async ({ box }) => {
      const container = box.container(resources({ memory: { limit: 67108864, swap: 1048576 } }));
      expect((await container.create()).code).toBe(1);
    },
  );
});

describe("the place", () => {
  needs(v1)("is the path given, in every hierarchy, before create returns", async ({ box }) => {
    const container = box.container(idle(), { linux: { cgroupsPath: `/${box.word}-parent/child` } });
    box.defer(() => {
      for (const path of cgroupsOf(box.word).reverse()) rmdirSync(path);
    });
    expect((await container.create()).code).toBe(0);
    const { pid } = await container.state();
    const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").trim().split("\n");
    for (const line of lines.filter((text) => !text.startsWith("0:")))
      expect(line).toContain(`/${box.word}-parent/child`);
    await container.delete("--force");
    expect(cgroupsOf(`${box.word}-parent/child`)).toEqual([]);
  });

  needs(v1)("is removed together with what the container made below it", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    for (const name of ["a", "a/b"]) mkdirSync(`/sys/fs/cgroup/pids/${container.id}/${name}`);
    expect((await container.delete("--force")).code).toBe(0);
    expect(cgroupsOf(container.id)).toEqual([]);
  });

  needs(v1)("two containers may not share one that is in use", async ({ box }) => {
    const shared = { linux: { cgroupsPath: `/${box.word}-shared` } };
    const first = box.container(idle(), shared);
    await first.create();
    const before = readFileSync(`/sys/fs/cgroup/pids/${box.word}-shared/tasks`, "utf8");
    const second = box.container(idle(), shared);
    const { runtimeKind } = await import("./harness/runtime.ts");
    if (runtimeKind === "tsrun") expect((await second.create()).stderr).toMatch(/cgroup/);
    expect(readFileSync(`/sys/fs/cgroup/pids/${box.word}-shared/tasks`, "utf8")).toBe(before);
  });

  needs(v1)("a failed create leaves none", async ({ box }) => {
    const container = box.container({ process: { args: ["/nope"] } });
    expect((await container.create()).code).not.toBe(0);
    expect(cgroupsOf(container.id)).toEqual([]);
  });
});

describe("exec --cgroup", () => {
  const place = (text: string, controller: string) => new RegExp(`^\\d+:${controller}:(.*)$`, "m").exec(text)?.[1];

  needs(v1, except({ crun: "1.8 knows no controllers there" }))(
    "runs below the container's cgroup, in some hierarchies or in all",
    async ({ box }) => {
      const container = box.container(idle());
      await container.runDetached();
      for (const path of cgroupsOf(container.id)) mkdirSync(`${path}/sub`);
      const cpuset = `/sys/fs/cgroup/cpuset/${container.id}`; // a new one has no processors, and takes no process
      for (const file of ["cpuset.cpus", "cpuset.mems"])
        writeFileSync(`${cpuset}/sub/${file}`, readFileSync(`${cpuset}/${file}`));
      const inAll = await container.exec(["cat", "/proc/self/cgroup"], ["--cgroup", "sub"]);
      expect(inAll).toMatchObject({ code: 0, stderr: "" });
      expect(place(inAll.stdout, "pids")).toBe(`/${container.id}/sub`);
      expect(place(inAll.stdout, "memory")).toBe(`/${container.id}/sub`);
      const inOne = await container.exec(["cat", "/proc/self/cgroup"], ["--cgroup", "pids:sub"]);
      expect(place(inOne.stdout, "pids")).toBe(`/${container.id}/sub`);
      expect(place(inOne.stdout, "memory")).toBe(`/${container.id}`);
    },
  );

  needs(v1, except({ crun: "1.8 makes it" }))(
    "of a cgroup that is not there, or not below, is refused",
    async ({ box }) => {
      const container = box.container(idle());
      await container.runDetached();
      for (const words of ["nowhere", "pids:nowhere", "pids:../x", "nothing:/"]) {
        const result = await container.exec(["true"], ["--cgroup", words]);
        expect(result.code, words).toBe(255);
      }
      expect((await container.exec(["true"], ["--cgroup", "pids:../x"])).stderr).toContain("is not a sub cgroup path");
    },
  );
});

describe("processes that outlive init", () => {
  needs(v1)("without a pid namespace are killed by delete --force", async ({ box }) => {
    const list = ["network", "ipc", "uts", "mount"].map((type) => ({ type }));
    const container = box.container(sh("sleep 300 & sleep 300 & echo ready; wait"), { linux: { namespaces: list } });
    await container.create();
    await container.start();
    await container.untilOutput("ready");
    const tasks = () => readdirSync("/sys/fs/cgroup/pids").includes(container.id);
    expect(tasks()).toBe(true);
    expect((await container.delete("--force")).code).toBe(0);
    expect(tasks()).toBe(false);
    expect(existsSync(`/sys/fs/cgroup/memory/${container.id}`)).toBe(false);
  });

  needs(v1, except({ runc: "1.1 waits for less", crun: "1.8 leaves them" }))(
    "and do not die at once are waited for",
    async ({ box }) => {
      const parent = `${box.word}-parent`;
      const freezer = `/sys/fs/cgroup/freezer/${parent}/freezer.state`;
      const container = box.container(sh("sleep 1000 & :"), namespaces("network", "ipc", "uts", "mount"), {
        linux: { cgroupsPath: `/${parent}/child` },
      });
      box.defer(() => {
        for (const path of cgroupsOf(parent).reverse()) rmdirSync(path);
      });
      box.defer(() => writeFileSync(freezer, "THAWED"));
      await container.runDetached();
      await container.until("stopped");
      writeFileSync(freezer, "FROZEN");
      const deleted = container.delete();
      await sleep(3000);
      expect(cgroupsOf(`${parent}/child`), "it is frozen from above").not.toEqual([]);
      writeFileSync(freezer, "THAWED");
      expect(await deleted).toMatchObject({ code: 0, stderr: "" });
    },
  );
});
