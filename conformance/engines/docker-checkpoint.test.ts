// Docker's checkpoints on the runtime: `docker checkpoint` of a daemon with experimental features, by containerd's shim.
// [qemu]: CRIU, and a kernel for it, are in the guest under QEMU.

import { existsSync } from "node:fs";
import { expect, vi } from "vitest";
import { criu, pause } from "../../test/root/harness/criu.ts";
import { needs, program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { COUNT, untilBeyond } from "./counting.ts";
import { startDockerd, WITHOUT_NAT } from "./dockerd.ts";
import { removeCheckpoints } from "./engine.ts";

// An emulated machine is slow.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

/** A Docker with a container `box` that counts. */
async function started(box: Sandbox) {
  removeCheckpoints(box);
  const { call } = await startDockerd(box, { file: { experimental: true, ...WITHOUT_NAT } });
  box.defer(async () => void (await call("rm", "--force", "box")));
  const run = await call("run", "--detach", "--name", "box", "--network=none", "busybox", "sh", "-c", COUNT);
  expect(run).toMatchObject({ code: 0, stderr: "" });
  const logs = async () => (await call("logs", "box")).stdout.trim().split("\n").map(Number);
  const status = async () => (await call("inspect", "--format", "{{.State.Status}}", "box")).stdout.trim();
  /** Waits until it has counted on from a number. */
  const beyond = (number: number) => untilBeyond(number, async () => (await logs()).at(-1) ?? 0);
  await beyond(2);
  return { call, logs, status, beyond };
}

const needsDocker = needs(...criu, program("dockerd"), program("docker"), program("containerd"));

needsDocker("docker: checkpoint create and start --checkpoint [qemu]", async ({ box }) => {
  const { call, logs, status, beyond } = await started(box);
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
  await beyond(before + 2);
  const all = await logs();
  expect(all.slice(all.indexOf(before), all.indexOf(before) + 2)).toEqual([before, before + 1]);
  expect((await call("exec", "box", "cat", "/proc/1/comm")).stdout).toBe("sh\n");
  expect((await call("stop", "--time=1", "box")).code).toBe(0);
  expect(await call("checkpoint", "rm", "box", "one")).toMatchObject({ code: 0 });
});

needsDocker("docker: checkpoint create --leave-running --checkpoint-dir [qemu]", async ({ box }) => {
  const { call, logs, status, beyond } = await started(box);
  const directory = ["--checkpoint-dir", box.makeDirectory("checkpoints")];
  const create = await call("checkpoint", "create", "--leave-running", ...directory, "box", "two");
  expect(create).toMatchObject({ code: 0, stderr: "" });
  expect(await status()).toBe("running");
  await beyond(((await logs()).at(-1) ?? 0) + 1);
  expect(existsSync(box.path("checkpoints/two"))).toBe(true);
});
