// Docker's checkpoints on the runtime: `docker checkpoint` of a daemon with experimental features, by containerd's shim.
// [qemu]: CRIU, and a kernel for it, are in the guest under QEMU.

import { existsSync, writeFileSync } from "node:fs";
import { expect, vi } from "vitest";
import { criu, pause } from "../../test/root/harness/criu.ts";
import { needs, program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import {
  cgroupDriver,
  cgroupParent,
  client,
  DOCKER_CLIENT,
  removeCheckpoints,
  removeIfNew,
  removeParentCgroups,
  rootfsTar,
  runtimeProgram,
  socketPath,
  startDaemon,
  untilAnswers,
} from "./engine.ts";

const COUNT = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done";

// An emulated machine is slow.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

/** A Docker with a container `box` that counts. */
async function started(box: Sandbox) {
  removeIfNew(box, "/run/containerd", "/run/docker", "/var/lib/docker");
  removeCheckpoints(box);
  removeParentCgroups(box);
  const settings = { experimental: true, iptables: false, ip6tables: false, "ip-forward": false, bridge: "none" };
  writeFileSync(box.path("daemon.json"), JSON.stringify(settings));
  const host = `unix://${socketPath(box)}`;
  startDaemon(box, "dockerd", [
    ...["--config-file", box.path("daemon.json"), "--data-root", box.path("data"), "--exec-root", box.path("exec")],
    ...["--pidfile", box.path("docker.pid"), "--host", host, "--storage-driver", "vfs"],
    ...["--cgroup-parent", cgroupParent(box), "--exec-opt", `native.cgroupdriver=${cgroupDriver}`],
    ...["--add-runtime", `tested=${runtimeProgram(box)}`, "--default-runtime", "tested"],
  ]);
  const call = client(box, DOCKER_CLIENT, ["--host", host, "--config", box.path("client")]);
  await untilAnswers(box, "dockerd", () => call("version"));
  expect(await call("import", rootfsTar(box), "busybox")).toMatchObject({ code: 0 });
  box.defer(async () => void (await call("rm", "--force", "box")));
  const run = await call("run", "--detach", "--name", "box", "--network=none", "busybox", "sh", "-c", COUNT);
  expect(run).toMatchObject({ code: 0, stderr: "" });
  const logs = async () => (await call("logs", "box")).stdout.trim().split("\n").map(Number);
  const status = async () => (await call("inspect", "--format", "{{.State.Status}}", "box")).stdout.trim();
  /** Waits until it has counted to a number. */
  const reached = async (number: number): Promise<void> => {
    while (!(await logs()).includes(number)) await pause(100);
  };
  await reached(3);
  return { call, logs, status, reached };
}

const needsDocker = needs(...criu, program("dockerd"), program("docker"), program("containerd"));

needsDocker("docker: checkpoint create and start --checkpoint [qemu]", async ({ box }) => {
  const { call, logs, status, reached } = await started(box);
  expect(await call("checkpoint", "create", "box", "one")).toMatchObject({ code: 0, stdout: "one\n", stderr: "" });
  for (let tries = 0; (await status()) !== "exited" && tries < 100; tries += 1) await pause(100);
  expect(await status()).toBe("exited");
  expect((await call("checkpoint", "ls", "box")).stdout).toContain("one");
  const before = (await logs()).at(-1) ?? 0;
  const start = () => call("start", "--checkpoint", "one", "box");
  let restored = await start();
  // dockerd stumbles over the copy that `create` has left in containerd's store, until that is collected.
  for (let tries = 0; restored.stderr.includes("failed to upload checkpoint") && tries < 10; tries += 1) {
    await pause(1000);
    restored = await start();
  }
  expect(restored).toMatchObject({ code: 0, stderr: "" });
  await reached(before + 3);
  const all = await logs();
  expect(all.slice(all.indexOf(before), all.indexOf(before) + 2)).toEqual([before, before + 1]);
  expect((await call("exec", "box", "cat", "/proc/1/comm")).stdout).toBe("sh\n");
  expect((await call("stop", "--time=1", "box")).code).toBe(0);
  expect(await call("checkpoint", "rm", "box", "one")).toMatchObject({ code: 0 });
});

needsDocker("docker: checkpoint create --leave-running --checkpoint-dir [qemu]", async ({ box }) => {
  const { call, logs, status, reached } = await started(box);
  const directory = ["--checkpoint-dir", box.makeDirectory("checkpoints")];
  const create = await call("checkpoint", "create", "--leave-running", ...directory, "box", "two");
  expect(create).toMatchObject({ code: 0, stderr: "" });
  expect(await status()).toBe("running");
  await reached(((await logs()).at(-1) ?? 0) + 2);
  expect(existsSync(box.path("checkpoints/two"))).toBe(true);
});
