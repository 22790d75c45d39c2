// containerd's checkpoints on the runtime, by its shim: to a directory, and in an image that another container is made of.
// [qemu]: CRIU, and a kernel for it, are in the guest under QEMU.

import { existsSync, readFileSync } from "node:fs";
import { expect, vi } from "vitest";
import { criu } from "../../test/root/harness/criu.ts";
import { needs, program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { startContainerd } from "./containerd.ts";
import { COUNT, untilBeyond } from "./counting.ts";
import { cgroupDriver, cgroupParent, imageTar, removeCheckpoints, runtimeProgram } from "./engine.ts";

// An emulated machine is slow.
vi.setConfig({ testTimeout: 300_000, hookTimeout: 120_000 });

const IMAGE = "localhost/busybox:latest";
/** Plug-ins that want things which may be missing. */
const DISABLED = ["grpc.v1.cri", "snapshotter.v1.devmapper", "snapshotter.v1.zfs", "snapshotter.v1.btrfs"];

/** A containerd with a container `box` that counts. */
async function started(box: Sandbox) {
  removeCheckpoints(box);
  const { call } = await startContainerd(box, { disabled: DISABLED });
  expect(await call("image", "import", "--snapshotter", "native", imageTar(box, IMAGE))).toMatchObject({ code: 0 });
  /** Puts an end to a container. */
  const end = async (name: string): Promise<void> => {
    await call("task", "rm", "--force", name);
    await call("container", "rm", name);
  };
  box.defer(() => end("box"));
  box.defer(() => end("box2"));
  const bySystemd = ["--runc-systemd-cgroup", "--cgroup", `${cgroupParent(box)}:ctr:${box.word}`];
  const run = await call(
    ...["run", "--detach", "--snapshotter", "native", "--fifo-dir", box.path("fifo")],
    ...["--log-uri", `file://${box.path("out")}`, "--runc-binary", runtimeProgram(box)],
    ...(cgroupDriver === "systemd" ? bySystemd : []),
    ...[IMAGE, "box", "sh", "-c", COUNT],
  );
  expect(run).toMatchObject({ code: 0, stderr: "" });
  const counted = () => readFileSync(box.path("out"), "utf8").trim().split("\n").map(Number);
  /** Waits until it has counted on from a number. */
  const beyond = (number: number) => untilBeyond(number, async () => counted().at(-1) ?? 0);
  await beyond(2);
  const tasks = async () => (await call("task", "ls")).stdout;
  return { call, end, counted, beyond, tasks };
}

const needsContainerd = needs(...criu, program("containerd"), program("ctr"));

needsContainerd("containerd: task checkpoint --image-path [qemu]", async ({ box }) => {
  const { call, counted, beyond, tasks } = await started(box);
  const where = ["--image-path", box.path("images"), "--work-path", box.path("work")];
  expect(await call("task", "checkpoint", ...where, "box")).toMatchObject({ code: 0, stderr: "" });
  expect([existsSync(box.path("images/pstree.img")), existsSync(box.path("work/dump.log"))]).toEqual([true, true]);
  expect(await tasks()).toMatch(/box +\d+ +RUNNING/);
  await beyond((counted().at(-1) ?? 0) + 1);
});

needsContainerd("containerd: container checkpoint, and restore --live as another [qemu]", async ({ box }) => {
  const { call, end, counted, tasks } = await started(box);
  const what = ["--rw", "--task", "--image"];
  expect(await call("container", "checkpoint", ...what, "box", "localhost/cp:1")).toMatchObject({
    code: 0,
    stderr: "",
  });
  await end("box");
  const before = counted().length;
  expect(await call("container", "restore", "--live", "box2", "localhost/cp:1")).toMatchObject({ code: 0 });
  expect(await tasks()).toMatch(/box2 +\d+ +RUNNING/);
  expect((await call("task", "exec", "--exec-id", "e", "box2", "cat", "/proc/1/comm")).stdout).toBe("sh\n");
  // Nobody reads its output any more: that it counts on is to be seen in its memory alone.
  expect(counted().length).toBe(before);
  expect((await call("task", "kill", "--signal", "KILL", "box2")).code).toBe(0);
});
