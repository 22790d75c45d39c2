// Podman on the runtime: import an image, run, exec, stop, remove. Everything that it keeps lies in the sandbox.

import { expect } from "vitest";
import { kernelFile, needs, program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { client, limitOf, removeIfNew, removeParentCgroups, rootfsTar, runtimeProgram } from "./engine.ts";

const LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];

function podman(box: Sandbox) {
  removeIfNew(box, "/dev/shm/libpod_lock", "/run/libpod", "/run/containers", "/var/lib/containers");
  removeParentCgroups(box);
  return client(box, "podman", [
    ...["--root", box.path("storage"), "--runroot", box.path("run"), "--tmpdir", box.path("tmp")],
    ...["--storage-driver", "vfs", "--events-backend", "none", "--cgroup-manager", "cgroupfs"],
    ...["--runtime", runtimeProgram(box)],
  ]);
}

const needsPodman = needs(program("podman"), program("conmon"));

needsPodman("podman runs a container to its end and takes its status and output", async ({ box }) => {
  const call = podman(box);
  const run = ["run", "--rm", "--network=none", `--cgroup-parent=/${box.word}`, ...LIMITS];
  expect(await call("import", rootfsTar(box), "busybox")).toMatchObject({ code: 0 });
  expect(await call(...run, "busybox", "sh", "-c", "echo out; echo err >&2; exit 5")).toMatchObject({
    code: 5,
    stdout: "out\n",
    stderr: "err\n",
  });
  expect((await call(...run, "--user", "1000:1000", "--memory", "32m", "busybox", "id", "-u")).stdout).toBe("1000\n");
  const missing = await call(...run, "busybox", "no-such-program");
  expect(missing.code).toBe(127);
});

needsPodman("podman execs into a container, stops and removes it", async ({ box }) => {
  const call = podman(box);
  await call("import", rootfsTar(box), "busybox");
  const script = "trap 'echo bye; exit 0' TERM; echo hi; while :; do sleep 0.05; done";
  const started = await call(
    "run",
    "-d",
    "--name",
    "c",
    "--network=none",
    `--cgroup-parent=/${box.word}`,
    ...LIMITS,
    "busybox",
    "sh",
    "-c",
    script,
  );
  expect(started).toMatchObject({ code: 0, stderr: "" });
  expect(await call("exec", "c", "sh", "-c", "echo in $(cat /proc/1/comm); exit 3")).toMatchObject({
    code: 3,
    stdout: "in sh\n",
  });
  expect((await call("inspect", "--format", "{{.State.Status}}", "c")).stdout).toBe("running\n");
  expect((await call("stop", "c")).code).toBe(0);
  expect((await call("logs", "c")).stdout).toBe("hi\nbye\n");
  expect((await call("inspect", "--format", "{{.State.ExitCode}}", "c")).stdout).toBe("0\n");
  expect((await call("rm", "c")).code).toBe(0);
  expect((await call("ps", "-aq")).stdout).toBe("");
});

needsPodman("podman pauses a container, changes its limits and removes it while it is paused", async ({ box }) => {
  const call = podman(box);
  await call("import", rootfsTar(box), "busybox");
  const where = ["--network=none", `--cgroup-parent=/${box.word}`, ...LIMITS];
  await call("run", "-d", "--name", "c", ...where, "busybox", "sh", "-c", "while :; do sleep 0.05; done");
  expect(await call("update", "--memory", "96m", "--cpu-shares", "300", "c")).toMatchObject({ code: 0 });
  const pid = Number((await call("inspect", "--format", "{{.State.Pid}}", "c")).stdout);
  expect(limitOf(pid, "memory.limit_in_bytes", "memory.max")).toBe("100663296");
  expect(await call("pause", "c")).toMatchObject({ code: 0 });
  expect((await call("inspect", "--format", "{{.State.Status}}", "c")).stdout).toBe("paused\n");
  expect(await call("unpause", "c")).toMatchObject({ code: 0 });
  expect((await call("exec", "c", "true")).code).toBe(0);
  await call("pause", "c");
  expect((await call("rm", "--force", "--time", "0", "c")).code).toBe(0);
});

needs(
  kernelFile("/sys/kernel/security/apparmor"),
  program("podman"),
  program("conmon"),
)("podman has its containers, and what it runs in them, confined by AppArmor", async ({ box }) => {
  const call = podman(box);
  await call("import", rootfsTar(box), "busybox");
  const who = ["cat", "/proc/self/attr/current"];
  const run = ["run", "--network=none", `--cgroup-parent=/${box.word}`, ...LIMITS];
  expect((await call(...run, "--rm", "busybox", ...who)).stdout).toMatch(/^containers-default-\S+ \(enforce\)\n$/);
  expect((await call(...run, "--rm", "--privileged", "busybox", ...who)).stdout).toBe("unconfined\n");
  await call(...run, "--detach", "--name", "c", "busybox", "sleep", "60");
  expect((await call("exec", "c", ...who)).stdout).toMatch(/^containers-default-\S+ \(enforce\)\n$/);
  expect((await call("rm", "--force", "--time=0", "c")).code).toBe(0);
});
