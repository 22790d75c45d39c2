// Attacks on cgroups: out of the container by release_agent (CVE-2022-0492), into cgroups that are not its own
// (CVE-2023-19809), and cgroups made inside so that the runtime cannot end or remove the container.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { type Json, linux, mounts, namespaces, sh } from "../harness/config.ts";
import type { Container } from "../harness/container.ts";
import { test } from "../harness/fixture.ts";
import { except, needs } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";
import { until } from "../harness/until.ts";

const v1 = existsSync("/sys/fs/cgroup/freezer/tasks") ? undefined : "there is no freezer of cgroup v1 here";
const CGROUPS: Json = mounts({ destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup" });
const own = namespaces("pid", "mount", "ipc", "uts", "network", "cgroup");

const THAW = '[ ! -d "$1" ] || find "$1" -name freezer.state | while read f; do echo THAWED >$f; done';

async function begun(box: Sandbox, script: string, ...overrides: Json[]): Promise<Container> {
  const container = box.container(sh(`${script}; echo ready; while :; do sleep 0.1; done`), CGROUPS, ...overrides);
  // What fails here must not stay on the machine for good.
  box.defer(() => void execFileSync("sh", ["-c", THAW, "sh", `/sys/fs/cgroup/freezer/${container.id}`]));
  expect((await container.runDetached()).code).toBe(0);
  await container.untilOutput("ready");
  return container;
}

describe("a writable cgroup mount", () => {
  for (const [name, more] of [
    ["with a cgroup namespace", own],
    ["without one", {}],
  ] as const) {
    test(`shows the container's own cgroup and no release_agent, ${name} (CVE-2022-0492)`, async ({ box }) => {
      const script =
        "find /sys/fs/cgroup -name release_agent; find /sys/fs/cgroup -name cgroup.procs | xargs cat | sort -un";
      const container = await begun(box, script, more);
      expect(container.output()).not.toContain("release_agent");
      // Processes of others would be 0 or not there at all.
      expect(container.output().split("\n")[0]).toBe("1");
    });
  }

  needs(except({ runc: "has no such manager", crun: "shows the host's, writable" }))(
    "shows none where there are none of the container's own (CVE-2023-19809)",
    async ({ box }) => {
      const script = "find /sys/fs/cgroup -name 'cgroup.procs' -o -name tasks; echo end";
      const container = box.container(sh(script), CGROUPS, linux({ cgroupsPath: undefined, resources: undefined }));
      const result = await box.call([
        ...["--cgroup-manager", "disabled", "run", "--bundle", container.bundle, container.id],
      ]);
      expect(result).toMatchObject({ code: 0, stdout: "end\n" });
    },
  );
});

describe("cgroups that the container made", () => {
  needs(v1, except({ runc: "1.1 waits in vain for its end", crun: "1.8 leaves them" }))(
    "frozen with a process in them do not keep it from being deleted",
    async ({ box }) => {
      const script =
        "mkdir -p /sys/fs/cgroup/freezer/a/b; sleep 1000 & echo $! >/sys/fs/cgroup/freezer/a/b/tasks; echo FROZEN >/sys/fs/cgroup/freezer/a/b/freezer.state; until grep -q FROZEN /sys/fs/cgroup/freezer/a/b/freezer.state; do sleep 0.01; done";
      const container = await begun(box, script);
      expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
    },
  );

  needs(v1, except({ runc: "1.1 waits in vain for its end", crun: "1.8 leaves them" }))(
    "frozen with init itself in them do not either",
    async ({ box }) => {
      const script =
        "mkdir /sys/fs/cgroup/freezer/a; echo 1 >/sys/fs/cgroup/freezer/a/tasks; echo ready; echo FROZEN >/sys/fs/cgroup/freezer/a/freezer.state";
      const container = await begun(box, script);
      const state = `/sys/fs/cgroup/freezer/${container.id}/a/freezer.state`;
      await until(() => readFileSync(state, "utf8") === "FROZEN\n", "init to be frozen");
      expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
    },
  );

  // Only by its bytes can it be opened: as text it would be another name, which nothing has.
  needs(except({ runc: "says that it kills what is left, on stderr" }))(
    "named what is no text hide no process, and do not keep it from being deleted either",
    async ({ box }) => {
      const script =
        "a=$(printf 'a\\377'); sleep 1000 & for f in $(find /sys/fs/cgroup -name cgroup.procs); do d=$(dirname $f)/$a; mkdir $d; echo $! >$d/cgroup.procs; done 2>/dev/null; echo $!";
      const container = await begun(box, script, namespaces("mount", "ipc", "uts", "network"));
      const hidden = Number(container.output().split("\n")[0]);
      expect(readFileSync(`/proc/${hidden}/cgroup`, "latin1")).toContain("/a\xff\n");
      expect(JSON.parse((await box.call(["ps", "--format", "json", container.id])).stdout)).toContain(hidden);
      expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
      expect(stateOf(hidden)).toMatch(/^[ZX-]$/);
    },
  );

  needs(except({ runc: "1.1 leaves them" }))(
    "nested more deeply than a path is long do not either",
    async ({ box }) => {
      const directory = existsSync("/sys/fs/cgroup/pids") ? "/sys/fs/cgroup/pids" : "/sys/fs/cgroup";
      const name = "x".repeat(250);
      const script = `cd ${directory}; i=0; while [ $i -lt 40 ]; do mkdir ${name} && cd -P ${name} || break; i=$((i+1)); done; echo $i deep`;
      const container = await begun(box, script);
      expect(container.output()).toContain("40 deep");
      expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
      expect(readFileSync("/proc/self/mountinfo", "utf8")).toContain("cgroup");
      expect(
        execFileSync("sh", ["-c", `ls -d /sys/fs/cgroup/*/${container.id} 2>/dev/null || echo none`], {
          encoding: "utf8",
        }),
      ).toBe("none\n");
    },
  );
});

/** The letter that proc_pid_stat(5) has; "-" of a process that is gone. */
function stateOf(pid: number): string {
  try {
    return /\) (.)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1] ?? "?";
  } catch {
    return "-";
  }
}
