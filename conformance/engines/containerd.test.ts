// containerd on the runtime, through its runc shim and `ctr --runc-binary`: import an image, run, exec, kill, remove.

import { writeFileSync } from "node:fs";
import { arch } from "node:os";
import { expect } from "vitest";
import { needs, program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import {
  cgroupDriver,
  cgroupParent,
  client,
  imageTar,
  removeIfNew,
  removeParentCgroups,
  runtimeProgram,
  socketPath,
  startDaemon,
  untilAnswers,
} from "./engine.ts";

const IMAGE = "localhost/busybox:latest";
/** Plug-ins that this test has no use for and that want things which may be missing. */
const DISABLED = [
  "grpc.v1.cri",
  "snapshotter.v1.devmapper",
  "snapshotter.v1.zfs",
  "snapshotter.v1.btrfs",
  "snapshotter.v1.aufs",
  "internal.v1.opt",
];

async function containerd(box: Sandbox) {
  removeIfNew(box, "/run/containerd");
  removeParentCgroups(box);
  const socket = socketPath(box);
  const disabled = DISABLED.map((name) => `"io.containerd.${name}"`).join(", ");
  const configuration = [
    "version = 2",
    `root = "${box.path("root")}"`,
    `state = "${box.path("run")}"`,
    `disabled_plugins = [${disabled}]`,
    `[grpc]\naddress = "${socket}"`,
    // containerd 2 unpacks images itself, for snapshotters that are named here.
    `[[plugins."io.containerd.transfer.v1.local".unpack_config]]`,
    `platform = "linux/${arch() === "arm64" ? "arm64" : "amd64"}"\nsnapshotter = "native"`,
  ];
  writeFileSync(box.path("containerd.toml"), configuration.join("\n"));
  startDaemon(box, "containerd", ["--config", box.path("containerd.toml")]);
  // The namespace is the parent cgroup's name too: the sandbox's word.
  const call = client(box, "ctr", ["--address", socket, "--namespace", box.word]);
  await untilAnswers(box, "containerd", () => call("version"));
  expect(await call("image", "import", "--snapshotter", "native", imageTar(box, IMAGE))).toMatchObject({ code: 0 });
  const bySystemd = ["--runc-systemd-cgroup", "--cgroup", `${cgroupParent(box)}:ctr:${box.word}`];
  const run = (...args: string[]) =>
    call(
      "run",
      "--snapshotter",
      "native",
      "--fifo-dir",
      box.path("fifo"),
      "--runc-binary",
      runtimeProgram(box),
      ...(cgroupDriver === "systemd" ? bySystemd : []),
      ...args,
    );
  return { call, run };
}

const needsContainerd = needs(program("containerd"), program("ctr"), program("containerd-shim-runc-v2"));

needsContainerd("containerd runs a container to its end and takes its status and output", async ({ box }) => {
  const { run } = await containerd(box);
  expect(await run("--rm", IMAGE, "one", "sh", "-c", "echo out; exit 5")).toMatchObject({ code: 5, stdout: "out\n" });
  const missing = await run("--rm", IMAGE, "two", "no-such-program");
  expect(missing.code).not.toBe(0);
  expect(missing.stderr).toMatch(/executable file not found/);
});

needsContainerd("containerd execs into a container, kills and removes it", async ({ box }) => {
  const { call, run } = await containerd(box);
  expect((await run("--detach", IMAGE, "c", "sh", "-c", "while :; do sleep 0.05; done")).code).toBe(0);
  expect(
    await call("task", "exec", "--fifo-dir", box.path("fifo"), "--exec-id", "e", "c", "sh", "-c", "echo in; exit 3"),
  ).toMatchObject({
    code: 3,
    stdout: "in\n",
  });
  expect((await call("task", "ps", "c")).stdout).toMatch(/\d/);
  expect((await call("task", "ls")).stdout).toMatch(/c +\d+ +RUNNING/);
  expect((await call("task", "kill", "--signal", "SIGKILL", "c")).code).toBe(0);
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await call("task", "ls")).stdout.includes("STOPPED")) break;
  }
  await call("task", "rm", "c"); // its status is the task's: 137
  expect((await call("container", "rm", "c")).code).toBe(0);
  expect((await call("container", "ls", "--quiet")).stdout).toBe("");
});

needsContainerd("containerd pauses and resumes a container", async ({ box }) => {
  const { call, run } = await containerd(box);
  expect((await run("--detach", IMAGE, "c", "sh", "-c", "while :; do sleep 0.05; done")).code).toBe(0);
  expect(await call("task", "pause", "c")).toMatchObject({ code: 0, stderr: "" });
  expect((await call("task", "ls")).stdout).toMatch(/c +\d+ +PAUSED/);
  expect(await call("task", "resume", "c")).toMatchObject({ code: 0, stderr: "" });
  expect((await call("task", "ls")).stdout).toMatch(/c +\d+ +RUNNING/);
  await call("task", "pause", "c");
  await call("task", "rm", "--force", "c");
  expect((await call("container", "rm", "c")).code).toBe(0);
});
