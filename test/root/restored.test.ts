// What a restored container is: one like any other, in the namespaces that it was in; and what is left where there is none.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, readlinkSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { cgroupFile, OWN_CGROUP, readCgroup } from "./harness/cgroup-files.ts";
import { type Json, merge, mounts, namespaces } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { checkpoint, counting, criu, lastCount, mapped, pause, restore, SLOW } from "./harness/criu.ts";
import { except, kernelFile, needs } from "./harness/needs.ts";
import { runtimePath } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";

/** As the first of a pid namespace it waits for all that die in it: a pid of a dead one would not be free. */
const REAPER = ["sh", "-c", "sleep 1000 & wait"];

const ofTsrun = except({ runc: "refuses output in a file", crun: "too" });

describe("a restored container [qemu]", { timeout: 180_000 }, () => {
  needs(...criu, ofTsrun)("does what every container does", async ({ box }) => {
    const container = await counted(box, { linux: { resources: { pids: { limit: 50 } } } });
    expect((await container.exec(["true"], ["--detach"])).code).toBe(0);
    await moved(box, container);
    const { pid } = await container.state();
    expect((await box.call(["ps", "--format", "json", container.id])).stdout).toContain(String(pid));
    expect((await box.call(["list", "--quiet"])).stdout.trim()).toBe(container.id);
    expect(await box.call(["update", "--pids-limit", "77", container.id])).toMatchObject({ code: 0 });
    expect(readCgroup(container.id, "pids.max")).toBe("77");
    expect(JSON.parse((await box.call(["events", "--stats", container.id])).stdout)).toMatchObject({ type: "stats" });
    expect(await box.call(["pause", container.id])).toMatchObject({ code: 0 });
    expect((await container.state()).status).toBe("paused");
    expect(await box.call(["resume", container.id])).toMatchObject({ code: 0 });
    expect((await container.exec(["sh", "-c", "tty; exit 4"])).code).toBe(4);
    expect(await container.kill("KILL")).toMatchObject({ code: 0 });
    await container.until("stopped");
    expect(await container.delete()).toMatchObject({ code: 0 });
    expect(existsSync(cgroupFile(container.id, "pids.max"))).toBe(false);
  });

  needs(...criu, ofTsrun)("comes of one that was paused, and runs", async ({ box }) => {
    const container = await counted(box);
    expect(await box.call(["pause", container.id])).toMatchObject({ code: 0 });
    await moved(box, container);
    expect((await container.state()).status).toBe("running");
  });

  needs(...criu, ofTsrun)("is restored again and again", async ({ box }) => {
    const container = await counted(box);
    for (const round of ["one", "two", "three"]) await moved(box, container, round);
  });

  needs(...criu, ofTsrun)("has its own cgroup namespace, and sees the cgroup that it is in now", async ({ box }) => {
    const container = await counted(box, OWN_CGROUP);
    await moved(box, container);
    const seen = (await container.exec(["cat", "/proc/1/cgroup"])).stdout.trim().split("\n");
    for (const line of seen) expect(line).toMatch(/:\/$/);
  });

  needs(...criu, ofTsrun)("shares the pid, ipc and uts namespaces of another", async ({ box }) => {
    const holder = spawn("unshare", ["--pid", "--ipc", "--uts", "--fork", ...REAPER], { stdio: "ignore" });
    box.defer(() => void holder.kill("SIGKILL"));
    const first = await childOf(holder.pid ?? 0);
    box.defer(() => void process.kill(first, "SIGKILL"));
    const path = (name: string) => `/proc/${first}/ns/${name}`;
    const joined = namespaces(`pid=${path("pid")}`, `ipc=${path("ipc")}`, `uts=${path("uts")}`, "network", "mount");
    const container = await counted(box, { hostname: undefined }, joined);
    const before = (await container.state()).pid;
    // Its pid is free there once the first process has waited for it.
    await moved(box, container, "moved", async () => {
      while (existsSync(`/proc/${before}`)) await pause();
    });
    const { pid } = await container.state();
    for (const name of ["pid", "ipc", "uts"])
      expect(readlinkSync(`/proc/${pid}/ns/${name}`)).toBe(readlinkSync(path(name)));
  });

  needs(
    ...criu,
    ofTsrun,
    kernelFile("/proc/self/ns/time"),
  )("has clocks that go on, with their offsets", async ({ box }) => {
    const offsets: Json = { linux: { timeOffsets: { boottime: { secs: 100_000, nanosecs: 0 } } } };
    const container = await counted(box, namespaces("pid", "network", "ipc", "uts", "mount", "time"), offsets);
    const uptime = async () => Number((await container.exec(["cat", "/proc/uptime"])).stdout.split(" ")[0]);
    const before = await uptime();
    expect(before).toBeGreaterThan(100_000);
    await moved(box, container);
    const after = await uptime();
    expect(after).toBeGreaterThanOrEqual(before);
    expect(after).toBeLessThan(before + 120);
  });

  needs(...criu, ofTsrun)("has a user namespace, a volume and masks", async ({ box }) => {
    const source = box.makeDirectory("volume");
    const container = mapped(box, mounts({ type: "bind", source, destination: "/v", options: ["bind", "ro"] }), {
      linux: { maskedPaths: ["/proc/keys", "/proc/timer_list"], readonlyPaths: ["/proc/sys"] },
    });
    expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
    await container.untilOutput("3\n");
    await moved(box, container);
    expect((await container.exec(["sh", "-c", "echo x >/v/x"])).stderr).toContain("Read-only");
    expect((await container.exec(["sh", "-c", "cat /proc/timer_list"])).stdout).toBe("");
  });

  needs(...criu, ofTsrun)(
    "--tcp-close, --network-lock: connections are not there, packets are not kept away",
    async ({ box }) => {
      const container = await counted(box);
      const flags = ["--tcp-close", "--network-lock", "skip"];
      expect(await checkpoint(box, container, "--network-lock", "skip")).toMatchObject({ code: 0, stderr: "" });
      expect(await restore(box, container, ...flags)).toMatchObject({ code: 0, stderr: "" });
    },
  );
});

describe("where nothing could be restored [qemu]", { timeout: 120_000 }, () => {
  needs(...criu, ofTsrun)("nothing is checkpointed: in a user namespace that another has made", async ({ box }) => {
    const holder = spawn("unshare", ["--user", "sleep", "1000"], { stdio: "ignore" });
    box.defer(() => void holder.kill("SIGKILL"));
    const path = `/proc/${holder.pid}/ns/user`;
    while (readlinkSync(path) === readlinkSync("/proc/self/ns/user")) await pause();
    for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${holder.pid}/${map}`, "0 100000 65536\n");
    const container = mapped(box, namespaces("pid", "network", "ipc", "uts", "mount", `user=${path}`));
    expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
    const { code, stderr } = await checkpoint(box, container);
    expect([code, stderr]).toEqual([1, expect.stringContaining("linux.namespaces: CRIU cannot join a user namespace")]);
    expect((await container.state()).status).toBe("running");
  });
});

describe("where nothing can be restored nothing is left [qemu]", { timeout: 120_000 }, () => {
  needs(...criu, ofTsrun)("a volume, an image, a root or the id is not as it should be", async ({ box }) => {
    const source = box.makeDirectory("volume");
    const container = await counted(box, mounts({ type: "bind", source, destination: "/v", options: ["bind"] }));
    expect(await checkpoint(box, container, "--leave-running")).toMatchObject({ code: 0, stderr: "" });
    expect((await restore(box, container)).stderr).toContain("already exists");
    expect((await container.state()).status).toBe("running");
    expect(await container.delete("--force")).toMatchObject({ code: 0 });
    rmSync(source, { recursive: true });
    const words = async () => {
      const { code, stderr } = await restore(box, container, "--pid-file", box.path("pid"));
      await expect(container.state()).rejects.toThrow("does not exist");
      expect([code, existsSync(box.path("pid"))]).toEqual([1, false]);
      return stderr;
    };
    expect(await words()).toMatch(/volume/);
    box.makeDirectory("volume");
    unlinkSync(box.path("images/core-1.img"));
    expect(await words()).toMatch(/criu failed: restore: .*image/);
    rmSync(container.rootfs, { recursive: true });
    expect(await words()).toMatch(/rootfs.*no such file/);
  });

  needs(...criu, ofTsrun)(
    "tsrun is ended meanwhile, by a signal that it can see and one that it cannot",
    async ({ box }) => {
      const hook = { path: "/bin/sh", args: ["sh", "-c", "exec sleep 3"] }; // ends with tsrun, as a child of its own would not
      const container = await counted(box);
      expect(await checkpoint(box, container)).toMatchObject({ code: 0, stderr: "" });
      container.configure(merge(counting(), { hooks: { createRuntime: [hook] } }));
      const args = ["restore", "--bundle", container.bundle, "--image-path", box.path("images"), container.id];
      for (const signal of ["SIGTERM", "SIGKILL"] as const) {
        const restoring = spawn(runtimePath, ["--root", box.root, ...args], { stdio: "ignore" });
        while (!existsSync(box.path("images/restore.log"))) await pause();
        await pause(700);
        restoring.kill(signal);
        await once(restoring, "exit");
        if (signal === "SIGKILL") expect(await container.delete("--force")).toMatchObject({ code: 0 });
        await expect(container.state()).rejects.toThrow("does not exist");
        rmSync(box.path("images/restore.log"));
      }
      container.configure(counting());
      expect(await restore(box, container)).toMatchObject({ code: 0, stderr: "" });
    },
  );
});

/** A container that has counted to 3. */
async function counted(box: Sandbox, ...overrides: readonly Json[]): Promise<Container> {
  const container = box.container(counting(), ...overrides);
  expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
  await container.untilOutput("3\n");
  return container;
}

/** Checkpoints and restores it, and sees it count on. */
async function moved(box: Sandbox, container: Container, name = "moved", between = async () => {}): Promise<void> {
  const images = ["--image-path", box.path(`images-${name}`)];
  expect(await box.call(["checkpoint", ...images, container.id], SLOW)).toMatchObject({
    code: 0,
    stderr: "",
  });
  await between();
  const args = ["restore", "--detach", "--bundle", container.bundle, ...images, container.id];
  expect(await box.callDetached(args, box.path(name), SLOW)).toMatchObject({ code: 0, stderr: "" });
  const output = () => readFileSync(box.path(`${name}.out`), "utf8");
  while (output().split("\n").length < 4) await pause();
  const [first = "", second = ""] = output().split("\n");
  expect(Number(second)).toBe(Number(first) + 1);
  if (name === "moved") expect(Number(first)).toBe(lastCount(container.output()) + 1);
}

/** The first process of a new pid namespace. */
async function childOf(pid: number): Promise<number> {
  const path = `/proc/${pid}/task/${pid}/children`;
  while (readFileSync(path, "utf8").trim() === "") await pause();
  return Number(readFileSync(path, "utf8"));
}
