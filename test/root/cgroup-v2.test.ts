// The whole runtime where cgroup v2 is all there is: every call of it runs in a mount namespace of its own with cgroup2 on
// /sys/fs/cgroup (test/root/on-cgroup-v2.sh), on any machine. The kernel hands v2 only the controllers that v1 does not
// have: limits of a free one (hugetlb, mostly) are made, those of others refused by name; place, devices, freezer and
// removal need none.

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, vi } from "vitest";
import { idle, type Json, mounts, sh } from "./harness/config.ts";
import { cgroupsOf } from "./harness/leftovers.ts";
import { except, fileSystem, needs } from "./harness/needs.ts";
import { resourceTests } from "./harness/resource-check.ts";
import { pauseCases } from "./pause-cases.ts";

// Before the harness is loaded, which reads it once. The wrapper runs what was to be run.
vi.hoisted(() => {
  process.env.ON_CGROUP_V2 = process.env.RUNTIME || `${import.meta.dirname}/../../dist/tsrun`;
  process.env.RUNTIME = `${import.meta.dirname}/on-cgroup-v2.sh`;
});

const v2 = fileSystem("cgroup2") ?? except({ crun: "1.8 wants CAP_SYS_RESOURCE, for its check of devices" });

/** As `runc spec` writes it, and a cgroup namespace of its own. */
const SPEC: Json = mounts({
  destination: "/sys/fs/cgroup",
  type: "cgroup",
  source: "cgroup",
  options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
});
const CGROUP_NAMESPACE: Json = {
  linux: { namespaces: ["pid", "network", "ipc", "uts", "mount", "cgroup"].map((type) => ({ type })) },
};
const devices = (...rules: Json[]): Json => ({
  linux: { resources: { devices: [{ allow: false, access: "rwm" }, ...rules] } },
});

/** The cgroup v2 of a process, as the host names it. */
function placeOf(pid: number): string | undefined {
  return /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1];
}

/** A container's directory in the v2 hierarchy, wherever this machine mounts that. */
function directoryOf(id: string): string {
  return cgroupsOf(id).find((path) => existsSync(join(path, "cgroup.events"))) ?? `no cgroup of ${id}`;
}

describe("a container on cgroup v2", () => {
  needs(v2)("goes through its whole life, and leaves nothing", async ({ box }) => {
    const container = box.container(idle(), SPEC, CGROUP_NAMESPACE);
    expect(await container.create()).toMatchObject({ code: 0, stderr: "" });
    const { pid } = await container.state();
    expect(placeOf(pid)).toBe(`/${container.id}`);
    expect(readFileSync(join(directoryOf(container.id), "cgroup.procs"), "utf8")).toBe(`${pid}\n`);
    expect(await container.start()).toMatchObject({ code: 0, stderr: "" });
    await container.untilOutput("ready");
    expect((await container.state()).status).toBe("running");
    expect(placeOf(pid)).toBe(`/${container.id}`);
    expect((await container.kill("KILL")).code).toBe(0);
    await container.until("stopped");
    expect(await container.delete()).toMatchObject({ code: 0, stderr: "" });
    expect(cgroupsOf(container.id)).toEqual([]);
  });

  needs(v2)("is in no cgroup of version 1 but the caller's", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    const { pid } = await container.state();
    const others = (text: string) => text.split("\n").filter((line) => !line.startsWith("0::"));
    const own = readFileSync("/proc/self/cgroup", "utf8");
    expect(others(readFileSync(`/proc/${pid}/cgroup`, "utf8"))).toEqual(others(own));
    expect(cgroupsOf(container.id)).toEqual([directoryOf(container.id)]);
  });

  needs(v2)("sees its own cgroup as the root, read-only", async ({ box }) => {
    const script = "grep ^0:: /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs; mkdir /sys/fs/cgroup/x";
    const result = await box.container(sh(script), SPEC, CGROUP_NAMESPACE).run();
    const [place, init] = result.stdout.split("\n");
    expect(place).toBe("0::/");
    expect(init).toBe("1");
    expect(result.stderr).toContain("Read-only file system");
  });

  needs(v2)("has its hooks in its cgroup namespace too", async ({ box }) => {
    const container = box.container(idle(), SPEC, CGROUP_NAMESPACE, {
      hooks: { startContainer: [{ path: "/bin/sh", args: ["sh", "-c", "grep ^0:: /proc/self/cgroup >/seen"] }] },
    });
    expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
    expect(container.readFile("seen")).toBe("0::/\n");
  });

  needs(v2, except({ runc: "1.1 returns before the program is there" }))(
    "has what is executed in it in its cgroup too",
    async ({ box }) => {
      // One process and no other, which could end while it is being looked at.
      const container = box.container(SPEC, CGROUP_NAMESPACE, { process: { args: ["sleep", "1000"] } });
      expect((await container.runDetached()).code).toBe(0);
      const result = await container.exec(["sh", "-c", "grep ^0:: /proc/self/cgroup; cat /sys/fs/cgroup/cgroup.procs"]);
      const [place, ...pids] = result.stdout.trim().split("\n");
      expect(result).toMatchObject({ code: 0, stderr: "" });
      expect(place).toBe("0::/");
      expect(pids.length).toBeGreaterThanOrEqual(2);
      expect(await container.execDetached(["sleep", "2000"])).toMatchObject({ code: 0 });
      const all = readFileSync(join(directoryOf(container.id), "cgroup.procs"), "utf8")
        .trim()
        .split("\n");
      expect(all.map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8"))).toContain("sleep\u00002000\u0000");
    },
  );

  needs(v2)(
    "takes what is executed into a cgroup below it, and where init is when it takes none itself",
    async ({ box }) => {
      // One process and no other, which could end while it is being moved.
      const container = box.container(SPEC, { process: { args: ["sleep", "1000"] } });
      await container.runDetached();
      const directory = directoryOf(container.id);
      const run = async (...flags: string[]) => {
        const result = await container.exec(["grep", "^0::", "/proc/self/cgroup"], flags);
        return result.code === 0 ? result.stdout.trim().replace(`0::/${container.id}`, "") : result.code;
      };
      for (const name of ["init", "other"]) mkdirSync(join(directory, name));
      expect(await run()).toBe("");
      expect(await run("--cgroup", "/other")).toBe("/other");
      expect(await run("--cgroup", "nowhere")).toBe(255);
      // As a service manager in it would: all processes go below, then controllers can be handed to them.
      const available = readFileSync(join(directory, "cgroup.controllers"), "utf8").trim().split(" ")[0] ?? "";
      if (available === "") return;
      for (const pid of readFileSync(join(directory, "cgroup.procs"), "utf8").trim().split("\n"))
        writeFileSync(join(directory, "init/cgroup.procs"), pid);
      writeFileSync(join(directory, "cgroup.subtree_control"), `+${available}`);
      expect(await run()).toBe("/init");
      expect(await run("--cgroup", "other")).toBe("/other");
      expect(await run("--cgroup", "/")).toBe(255);
    },
  );

  needs(v2)("is below a parent that it makes, by a path with several levels", async ({ box }) => {
    const container = box.container(idle(), { linux: { cgroupsPath: `/${box.word}-parent/child` } });
    await container.create();
    expect(placeOf((await container.state()).pid)).toBe(`/${box.word}-parent/child`);
    expect((await container.delete("--force")).code).toBe(0);
    const parents = cgroupsOf(`${box.word}-parent`);
    expect(parents.map((path) => path.endsWith("child"))).toEqual([false]);
    for (const path of parents) rmdirSync(path);
  });

  needs(v2, except({ runc: "1.1 leaves it" }))(
    "is removed together with what it left running below, frozen or not",
    async ({ box }) => {
      const container = box.container(sh("sleep 1000 & sleep 1000 & echo ready; wait"), {
        linux: { namespaces: ["network", "ipc", "uts", "mount"].map((type) => ({ type })) },
      });
      await container.runDetached();
      await container.untilOutput("ready");
      const directory = directoryOf(container.id);
      mkdirSync(join(directory, "below"));
      const [, second] = readFileSync(join(directory, "cgroup.procs"), "utf8").split("\n");
      writeFileSync(join(directory, "below/cgroup.procs"), second ?? "");
      writeFileSync(join(directory, "cgroup.freeze"), "1");
      expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
      expect(existsSync(directory)).toBe(false);
    },
  );
});

describe("pause on cgroup v2", () => pauseCases(v2));

describe("devices on cgroup v2", () => {
  // A number that no driver has: whoever gets past the filter is told so, and needs no right for it.
  const NONE = { type: "c", major: 1, minor: 200 };
  const nodes: Json = { linux: { devices: [{ ...NONE, path: "/dev/none", fileMode: 0o666 }] } };
  const DENIED = "Operation not permitted";
  const ALLOWED = "No such device or address";
  const READ = "true </dev/null && true </dev/none";
  const WRITE = "true >/dev/null && true >/dev/none";

  const RULES: readonly [rules: Json[], read: string, write: string][] = [
    [[], DENIED, DENIED],
    [[{ ...NONE, allow: true, access: "r" }], ALLOWED, DENIED],
    [[{ ...NONE, allow: true, access: "w" }], DENIED, ALLOWED],
    [[{ allow: true, access: "rwm" }], ALLOWED, ALLOWED],
    [
      [
        { allow: true, access: "rwm" },
        { ...NONE, allow: false, access: "w" },
      ],
      ALLOWED,
      DENIED,
    ],
  ];
  for (const [rules, read, write] of RULES) {
    needs(v2)(`are denied unless the rules allow them: ${JSON.stringify(rules)}`, async ({ box }) => {
      const container = box.container(sh(`(${READ}); ${WRITE}`), nodes, devices(...rules));
      const lines = (await container.run()).stderr.trim().split("\n");
      expect(lines).toEqual([
        expect.stringContaining(`/dev/none: ${read}`),
        expect.stringContaining(`/dev/none: ${write}`),
      ]);
    });
  }

  needs(v2)("are denied to what is executed later, too", async ({ box }) => {
    const container = box.container(idle(), nodes);
    await container.runDetached();
    expect((await container.exec(["sh", "-c", READ])).stderr).toContain(`/dev/none: ${DENIED}`);
  });

  needs(v2, except({ runc: "1.1 takes any number" }))(
    "a rule that cannot be put in force fails create, and leaves nothing",
    async ({ box }) => {
      const container = box.container(devices({ type: "c", major: 0xffff_ffff, allow: true, access: "r" }));
      const result = await container.create();
      expect(result.code).toBe(1);
      expect(result.stderr).toContain("linux.resources.devices[1]: no device has the number 4294967295");
      expect(cgroupsOf(container.id)).toEqual([]);
    },
  );
});

describe("every setting [qemu]", () => resourceTests(v2));
