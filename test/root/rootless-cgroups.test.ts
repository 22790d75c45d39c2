// An ordinary user who was given a part of the cgroups (v2), as the service manager of his session has it: limits work, and a container
// may have its part in turn. On this machine's own v2 hierarchy, or mounted for the test as in cgroup-v2.test.ts.

import { execFileSync } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, vi } from "vitest";
import { HIERARCHY } from "./harness/cgroup-files.ts";
import { type Json, MOUNTS, sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { cgroupsOf } from "./harness/leftovers.ts";
import { except, fileSystem, needs } from "./harness/needs.ts";
import type { CallOptions } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";

// Before the harness is loaded, which reads it once. Each wrapper runs what was to be run.
vi.hoisted(() => {
  process.env.AS_USER = process.env.RUNTIME || `${import.meta.dirname}/../../dist/tsrun`;
  process.env.ON_CGROUP_V2 = `${import.meta.dirname}/as-user.sh`;
  process.env.RUNTIME = `${import.meta.dirname}/on-cgroup-v2.sh`;
});

const v2 = fileSystem("cgroup2");
const USER = 20_000;
const PLACE = "/sys/fs/cgroup";
const map = [{ containerID: 0, hostID: USER, size: 1 }];
const options = (list: unknown) => (list as string[] | undefined)?.filter((option) => !option.startsWith("gid="));
const CGROUP = { destination: PLACE, type: "cgroup", source: "cgroup", options: ["nosuid", "nodev"] };

const PLAIN: Json = {
  mounts: [...MOUNTS, CGROUP].map((mount: Json) => ({ ...mount, options: options(mount.options) ?? [] })),
  linux: {
    cgroupsPath: undefined,
    namespaces: ["pid", "network", "ipc", "uts", "mount", "user", "cgroup"].map((type) => ({ type })),
    uidMappings: map,
    gidMappings: map,
  },
};

const words = (file: string): string[] => readFileSync(file, "utf8").trim().split(" ").filter(Boolean);

/** A part of the hierarchy that is the user's, with this controller alone; the runtime is called from a cgroup in it. */
function given(box: Sandbox, controller: string): { directory: string; inside: CallOptions } {
  const top = join(HIERARCHY, `${box.word}-top`);
  const directory = join(top, "user");
  if (!words(join(HIERARCHY, "cgroup.subtree_control")).includes(controller))
    writeFileSync(join(HIERARCHY, "cgroup.subtree_control"), `+${controller}`);
  mkdirSync(top);
  writeFileSync(join(top, "cgroup.subtree_control"), `+${controller}`);
  for (const path of [directory, join(directory, "caller")]) {
    mkdirSync(path);
    for (const file of ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"])
      chownSync(join(path, file), USER, USER);
  }
  box.defer(() => {
    for (const path of [join(directory, "caller"), directory, top]) rmdirSync(path);
  });
  return { directory, inside: { env: { AS_USER_CGROUP: `${PLACE}/${box.word}-top/user/caller` } } };
}

/** A limit that this kernel's v2 can have, and the file that shows it. */
const available = existsSync(join(HIERARCHY, "cgroup.controllers")) ? words(join(HIERARCHY, "cgroup.controllers")) : [];
const PIDS = { controller: "pids", resources: { pids: { limit: 30 } }, file: "pids.max", value: "30\n" };
const PAGES = {
  controller: "hugetlb",
  resources: { hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }] },
  file: "hugetlb.2MB.max",
  value: "4194304\n",
};
const LIMIT = available.includes("pids") ? PIDS : PAGES;
const limited = available.includes(LIMIT.controller)
  ? undefined
  : "no controller of cgroup v2 that a limit could be tried with";

function container(box: Sandbox, ...overrides: readonly Json[]): Container {
  const made = box.container(PLAIN, ...overrides);
  execFileSync("chown", ["-hR", `${USER}:${USER}`, box.directory]);
  return made;
}

describe("a container of a user who was given cgroups", () => {
  needs(
    v2,
    limited,
    except({ runc: "1.1 warns of them", crun: "1.8 asks systemd for one" }),
  )("has one beside its caller's, with its limits, for as long as it lives", async ({ box }) => {
    const { directory, inside } = given(box, LIMIT.controller);
    const script = `grep ^0:: /proc/self/cgroup; cat ${PLACE}/${LIMIT.file}; echo ready; sleep 1000`;
    const made = container(box, sh(script), { linux: { resources: LIMIT.resources } });
    expect(await made.runDetached([], inside)).toMatchObject({ code: 0, stderr: "" });
    expect(await made.untilOutput("ready")).toBe(`0::/\n${LIMIT.value}ready\n`);
    const own = join(directory, made.id);
    const { pid } = await made.state();
    expect(readFileSync(join(own, "cgroup.procs"), "utf8")).toContain(`${pid}\n`);
    expect(await made.exec(["grep", "^0::", "/proc/self/cgroup"], [], inside)).toMatchObject({ stdout: "0::/\n" });
    expect(JSON.parse((await box.call(["ps", "--format", "json", made.id], inside)).stdout)).toContain(pid);
    expect(await box.call(["pause", made.id], inside)).toMatchObject({ code: 0, stderr: "" });
    expect(readFileSync(join(own, "cgroup.events"), "utf8")).toContain("frozen 1");
    expect(await box.call(["resume", made.id], inside)).toMatchObject({ code: 0, stderr: "" });
    expect(await box.call(["kill", made.id, "KILL"], inside)).toMatchObject({ code: 0, stderr: "" });
    await made.until("stopped");
    expect(await box.call(["delete", made.id], inside)).toMatchObject({ code: 0, stderr: "" });
    expect(existsSync(own)).toBe(false);
  });

  needs(
    v2,
    limited,
    except({ runc: "1.1 takes exec to where init was", crun: "1.8 asks systemd for a cgroup" }),
  )("may have a service manager", async ({ box }) => {
    const { inside } = given(box, LIMIT.controller);
    const manager = [
      `cd ${PLACE} && mkdir manager service && echo $$ >manager/cgroup.procs && echo +${LIMIT.controller} >cgroup.subtree_control`,
      `sleep 1000 & echo $! >service/cgroup.procs && echo 4194304 >service/${LIMIT.file} && cat service/${LIMIT.file}`,
      "echo ready; wait",
    ].join("\n");
    const made = container(box, sh(manager));
    expect(await made.runDetached([], inside)).toMatchObject({ code: 0, stderr: "" });
    expect(await made.untilOutput("ready")).toMatch(/^\d+\nready\n$/);
    expect(made.errors()).toBe("");
    expect(await made.exec(["grep", "^0::", "/proc/self/cgroup"], [], inside)).toMatchObject({
      stdout: "0::/manager\n",
    });
    expect(await box.call(["delete", "--force", made.id], inside)).toMatchObject({ code: 0, stderr: "" });
  });

  needs(
    v2,
    limited,
    except({ runc: "has words of its own", crun: "1.8 goes without" }),
  )("is refused a limit whose controller he was not given, by its name", async ({ box }) => {
    const { inside } = given(box, LIMIT.controller);
    const rdma = { rdma: { mlx: { hcaHandles: 3 } } };
    const result = await container(box, { linux: { resources: rdma } }).create([], inside);
    expect(result.stderr).toMatch(/linux\.resources\.rdma.*: controller rdma is not enabled in .*-top\/user/);
    expect(cgroupsOf(`${box.word}-0`)).toEqual([]);
  });

  needs(
    v2,
    limited,
    except({ runc: "has words of its own", crun: "has words of its own" }),
  )("is refused a place that its caller cannot come to", async ({ box }) => {
    given(box, LIMIT.controller);
    const made = container(box, { linux: { cgroupsPath: `/${box.word}-top/user/place` } });
    const result = await made.create();
    expect(result.code).toBe(1);
    expect(result.stderr).toContain("linux.cgroupsPath: tsrun may not put processes there from its own cgroup");
    expect(cgroupsOf("place")).toEqual([]);
  });
});
