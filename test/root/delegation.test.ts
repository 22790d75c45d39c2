// A container that has its cgroup to itself: config-linux.md#cgroup-ownership, cgroups(7) "Cgroup delegation". What a service manager
// does in one, and what the runtime's commands do then. Cgroup v2, as in cgroup-v2.test.ts.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, vi } from "vitest";
import { type Json, mounts, sh } from "./harness/config.ts";
import { cgroupsOf } from "./harness/leftovers.ts";
import { except, fileSystem, needs } from "./harness/needs.ts";

// Before the harness is loaded, which reads it once. The wrapper runs what was to be run.
vi.hoisted(() => {
  process.env.ON_CGROUP_V2 = process.env.RUNTIME || `${import.meta.dirname}/../../dist/tsrun`;
  process.env.RUNTIME = `${import.meta.dirname}/on-cgroup-v2.sh`;
});

const v2 = fileSystem("cgroup2") ?? except({ crun: "1.8 wants CAP_SYS_RESOURCE, for its check of devices" });

const ROOT = 100_000;
const map = [{ containerID: 0, hostID: ROOT, size: 65_536 }];
const types = (...names: string[]): Json => ({ linux: { namespaces: names.map((type) => ({ type })) } });
const OWN = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
const USER: Json = { linux: { uidMappings: map, gidMappings: map } };
const cgroup = (...options: string[]): Json =>
  mounts({ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "nodev", ...options] });

/** All that a container with a service manager asks for. */
const DELEGATED: Json[] = [cgroup("rw"), types(...OWN, "user"), USER];

/** Puts itself aside, hands a controller out, and has a service in a cgroup of its own. */
const MANAGER = sh(
  [
    "cd /sys/fs/cgroup && mkdir manager service && echo $$ >manager/cgroup.procs || exit 9",
    "controller=$(cut -d' ' -f1 cgroup.controllers)",
    '[ -z "$controller" ] || echo "+$controller" >cgroup.subtree_control',
    "sleep 1000 & echo $! >service/cgroup.procs",
    "grep ^0:: /proc/self/cgroup; cat cgroup.controllers cgroup.subtree_control; echo ready; wait",
  ].join("\n"),
);

/** A container's directory in the v2 hierarchy, wherever this machine mounts that. */
function directoryOf(id: string): string {
  return cgroupsOf(id).find((path) => existsSync(join(path, "cgroup.events"))) ?? `no cgroup of ${id}`;
}

/** Who owns a container's cgroup and files of it. */
function owners(id: string, ...files: string[]): number[] {
  return ["", ...files].map((file) => statSync(join(directoryOf(id), file)).uid);
}

const GIVEN = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];
const KEPT = ["cgroup.freeze", "cgroup.max.descendants"];

describe("the cgroup of a container", () => {
  needs(v2, except({ runc: "1.1 does not give it away" }))(
    "with a namespace and a writable mount of it is its user's, but for its limits",
    async ({ box }) => {
      box.makeReachable();
      const container = box.container(...DELEGATED, { process: { args: ["sleep", "1000"] } });
      expect(await container.create()).toMatchObject({ code: 0, stderr: "" });
      expect(owners(container.id, ...GIVEN)).toEqual([ROOT, ROOT, ROOT, ROOT]);
      expect(owners(container.id, ...KEPT)).toEqual([ROOT, 0, 0]);
      const other = box.container(...DELEGATED, { process: { user: { uid: 7, gid: 8 } } });
      await other.create();
      expect(owners(other.id, ...GIVEN)).toEqual([7, 7, 7, 7].map((id) => ROOT + id));
      expect(statSync(directoryOf(other.id)).gid).toBe(0);
    },
  );

  needs(v2, except({ runc: "1.1 does not give it away" }))(
    "is that of a user without a user namespace, too",
    async ({ box }) => {
      const container = box.container(cgroup(), types(...OWN), { process: { user: { uid: 1000, gid: 1000 } } });
      await container.create();
      expect(owners(container.id, ...GIVEN)).toEqual([1000, 1000, 1000, 1000]);
    },
  );

  needs(v2)("that has become its user's takes what is executed and its hooks, all the same", async ({ box }) => {
    box.makeReachable();
    const seen = { path: "/bin/sh", args: ["sh", "-c", "grep ^0:: /proc/self/cgroup >/seen"] };
    const container = box.container(...DELEGATED, {
      process: { args: ["sleep", "1000"] },
      hooks: { startContainer: [seen] },
    });
    execFileSync("chown", [`${ROOT}:${ROOT}`, container.rootfs]);
    expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
    expect(container.readFile("seen")).toBe("0::/\n");
    expect(await container.exec(["grep", "^0::", "/proc/self/cgroup"])).toMatchObject({ stdout: "0::/\n", stderr: "" });
    expect(await container.exec(["id", "-u"], ["--user", "7"])).toMatchObject({ stdout: "7\n", stderr: "" });
  });

  const NOT: readonly [string, Json[]][] = [
    ["read-only", [cgroup("ro"), types(...OWN, "user"), USER]],
    ["not mounted", [types(...OWN, "user"), USER]],
    ["the caller's namespace's", [cgroup("rw"), types(...OWN.filter((type) => type !== "cgroup"), "user"), USER]],
  ];
  for (const [name, overrides] of NOT) {
    needs(v2)(`stays the caller's where it is ${name}`, async ({ box }) => {
      box.makeReachable();
      const container = box.container(...overrides, { process: { args: ["sleep", "1000"] } });
      expect(await container.create()).toMatchObject({ code: 0, stderr: "" });
      expect(owners(container.id, ...GIVEN, ...KEPT)).toEqual([0, 0, 0, 0, 0, 0]);
    });
  }
});

describe("a service manager", () => {
  needs(v2, except({ runc: "1.1 does not give it away" }))(
    "makes cgroups, puts processes there, and hands controllers out",
    async ({ box }) => {
      box.makeReachable();
      const container = box.container(...DELEGATED, MANAGER);
      expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
      const [place, available = "", handed = ""] = (await container.untilOutput("ready")).split("\n");
      expect(container.errors()).toBe("");
      expect(place).toBe("0::/manager");
      expect(handed).toBe(available.split(" ")[0]);
      expect(readFileSync(join(directoryOf(container.id), "service/cgroup.procs"), "utf8")).toMatch(/^\d+\n$/);
    },
  );

  needs(v2)("can do nothing of it in a cgroup that it was not given", async ({ box }) => {
    box.makeReachable();
    const result = await box.container(...DELEGATED, cgroup("ro"), MANAGER).run();
    expect(result.code).toBe(9);
    // Not for the mount alone: the files are another's.
    const again = sh("mount -o remount,rw /sys/fs/cgroup 2>/dev/null; mkdir /sys/fs/cgroup/manager");
    expect((await box.container(...DELEGATED, cgroup("ro"), again).run()).code).toBe(1);
  });

  needs(v2, except({ runc: "1.1 does not give it away" }))(
    "is joined by exec, listed, paused, and goes with all its cgroups",
    async ({ box }) => {
      box.makeReachable();
      const container = box.container(...DELEGATED, MANAGER);
      await container.runDetached();
      const [, available = ""] = (await container.untilOutput("ready")).split("\n");
      const exec = await container.exec(["grep", "^0::", "/proc/self/cgroup"]);
      expect(exec).toMatchObject({ code: 0, stdout: available === "" ? "0::/\n" : "0::/manager\n" });
      expect(
        (
          await container.exec([
            "sh",
            "-c",
            "mkdir /sys/fs/cgroup/service/more; cat /sys/fs/cgroup/service/cgroup.procs",
          ])
        ).code,
      ).toBe(0);
      const { pid } = await container.state();
      const pids: number[] = JSON.parse((await box.call(["ps", "--format", "json", container.id])).stdout);
      expect(pids).toHaveLength(2);
      expect(pids).toContain(pid);
      const directory = directoryOf(container.id);
      expect(await box.call(["pause", container.id])).toMatchObject({ code: 0, stderr: "" });
      expect(readFileSync(join(directory, "service/cgroup.events"), "utf8")).toContain("frozen 1");
      expect((await container.state()).status).toBe("paused");
      expect(await box.call(["resume", container.id])).toMatchObject({ code: 0, stderr: "" });
      expect(await box.call(["update", "--resources", "-", container.id], { input: "{}" })).toMatchObject({ code: 0 });
      expect(await container.kill("--all", "KILL")).toMatchObject({ code: 0 });
      await container.until("stopped");
      expect(await container.delete()).toMatchObject({ code: 0, stderr: "" });
      expect(existsSync(directory)).toBe(false);
    },
  );

  needs(v2, except({ runc: "1.1 does not give it away" }))(
    "is deleted by force, paused and with all its cgroups",
    async ({ box }) => {
      box.makeReachable();
      const container = box.container(...DELEGATED, MANAGER);
      await container.runDetached();
      await container.untilOutput("ready");
      const directory = directoryOf(container.id);
      await box.call(["pause", container.id]);
      expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
      expect(existsSync(directory)).toBe(false);
    },
  );
});
