// Attacks by who owns a cgroup (v2) that a container's is in, or that was made to be it, by a container that has its own to itself
// (delegation.test.ts), and by who has a pid namespace between. As delegation.test.ts, on this machine's own v2 hierarchy or on one that
// is mounted for the test.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { chownSync, existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, vi } from "vitest";
import { HIERARCHY } from "../harness/cgroup-files.ts";
import { idle, type Json, linux, mounts, namespaces, sh } from "../harness/config.ts";
import { except, fileSystem, needs } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";
import { until } from "../harness/until.ts";

// Before the harness is loaded, which reads it once. The wrapper runs what was to be run.
vi.hoisted(() => {
  process.env.ON_CGROUP_V2 = process.env.RUNTIME || `${import.meta.dirname}/../../../dist/tsrun`;
  process.env.RUNTIME = `${import.meta.dirname}/../on-cgroup-v2.sh`;
});

const v2 = fileSystem("cgroup2") ?? except({ crun: "1.8 wants CAP_SYS_RESOURCE, for its check of devices" });
const PLACE = "/sys/fs/cgroup";
const USER = 20_000;
/** For setpriv(1), before a command. */
const AS_USER = [`--reuid=${USER}`, `--regid=${USER}`, "--clear-groups"];
const OWN = ["pid", "network", "ipc", "uts", "mount", "cgroup"];
const CGROUP: Json = mounts({ destination: PLACE, type: "cgroup", source: "cgroup", options: ["nosuid", "nodev"] });

/** A cgroup that is the user's, as a service manager gives it to him. */
function given(box: Sandbox): string {
  const directory = join(HIERARCHY, `${box.word}-user`);
  mkdirSync(directory);
  for (const file of ["", "cgroup.procs", "cgroup.threads", "cgroup.subtree_control"])
    chownSync(join(directory, file), USER, USER);
  box.defer(() => rmdirSync(directory));
  return directory;
}

/** Runs a script as the user. */
function asUser(script: string): ChildProcess {
  return spawn("setpriv", [...AS_USER, "sh", "-c", script], {
    stdio: "ignore",
  });
}

function ended(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  return until(() => child.exitCode !== null || child.signalCode !== null, "the user's process to end");
}

describe("in a cgroup of another user's", () => {
  const within = (box: Sandbox): Json => linux({ cgroupsPath: `/${box.word}-user/container` });

  needs(v2, except({ runc: "1.1 leaves him its limits" }))(
    "one that he has made by the container's name is made anew, and its limits are not his",
    async ({ box }) => {
      const directory = join(given(box), "container");
      execFileSync("setpriv", [...AS_USER, "mkdir", "-p", `${directory}/in`]);
      const container = box.container(idle(), within(box));
      expect(await container.create()).toMatchObject({ code: 0, stderr: "" });
      const owners = ["", "cgroup.procs", "cgroup.kill", "cgroup.freeze"].map(
        (file) => statSync(join(directory, file)).uid,
      );
      expect(owners).toEqual([0, 0, 0, 0]);
      expect(existsSync(`${directory}/in`)).toBe(false);
      expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
    },
  );

  needs(v2, except({ runc: "1.1 waits for ever" }))(
    "that he has frozen no container is made, instead of waiting for its first process",
    async ({ box }) => {
      const directory = given(box);
      writeFileSync(join(directory, "cgroup.freeze"), "1");
      box.defer(() => writeFileSync(join(directory, "cgroup.freeze"), "0"));
      const container = box.container(idle(), within(box));
      const words = `container's cgroup unexpectedly frozen: ${PLACE}/${box.word}-user/container`;
      expect(await container.create()).toMatchObject({ code: 1, stderr: expect.stringContaining(words) });
      expect(existsSync(join(directory, "container"))).toBe(false);
    },
  );

  needs(v2, except({ runc: "1.1 joins it" }))(
    "one with a process that tsrun's pid namespace has no number for is in use, and the process lives",
    async ({ box }) => {
      const directory = given(box);
      const sleeper = spawn("sleep", ["1000"], { stdio: "ignore" });
      box.defer(() => {
        rmdirSync(join(directory, "container"));
      });
      box.defer(() => ended(sleeper));
      mkdirSync(join(directory, "container"));
      writeFileSync(join(directory, "container/cgroup.procs"), String(sleeper.pid));
      const container = box.container(idle(), within(box));
      const inside = { under: ["unshare", "--pid", "--fork", "--mount-proc"] };
      const words = "container's cgroup is not empty: 1 process(es) found";
      expect(await container.create([], inside)).toMatchObject({ code: 1, stderr: expect.stringContaining(words) });
      await box.call(["delete", "--force", container.id], inside);
      expect(readFileSync(`/proc/${sleeper.pid}/cgroup`, "utf8")).toContain(`/${box.word}-user/container\n`);
      expect(sleeper.signalCode).toBeNull();
    },
  );
});

describe("a container with its cgroup to itself", () => {
  const frozen = (): Json =>
    sh(
      `cd ${PLACE}; mkdir in; sleep 1000 & echo $! >in/cgroup.procs; echo 1 >in/cgroup.freeze; echo ready; while :; do sleep 0.1; done`,
    );

  needs(v2, except({ runc: "1.1 waits for ever" }))(
    "that freezes whoever comes in keeps exec no longer than a silence",
    async ({ box }) => {
      const container = box.container(CGROUP, namespaces(...OWN), frozen());
      expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
      await container.untilOutput("ready");
      expect(await container.exec(["true"], ["--cgroup", "in"])).toMatchObject({
        code: 255,
        stderr: expect.stringContaining("was frozen by the container before its program ran"),
      });
      const pids: number[] = JSON.parse((await box.call(["ps", "--format", "json", container.id])).stdout);
      expect(pids.filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").includes("tsrun"))).toEqual([]);
    },
  );

  needs(v2, except({ runc: "1.1 does not give it away" }))(
    "that makes cgroups while it is deleted, by somebody outside who is its user, does not keep delete",
    async ({ box }) => {
      const container = box.container(CGROUP, namespaces(...OWN), idle(), {
        process: { user: { uid: USER, gid: USER } },
      });
      expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
      const directory = join(HIERARCHY, container.id);
      const maker = asUser(`cd ${directory}; while :; do mkdir -p a/b c/d; done`);
      box.defer(() => ended(maker));
      await until(() => existsSync(join(directory, "c/d")), "a cgroup of his");
      const { code, stderr } = await container.delete("--force");
      if (code !== 0) expect(stderr).toMatch(/cannot remove the cgroup|somebody makes cgroups/);
      await ended(maker);
      expect(await container.delete("--force")).toMatchObject({ code: 0 });
      expect(existsSync(directory)).toBe(false);
    },
  );
});
