// Docker on the runtime, `dockerd --add-runtime`: import an image, run, exec, top, stop, remove, each with Docker's default
// seccomp filter, masked paths, capabilities and libnetwork hook.

import { existsSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { kernelFile, needs, program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import {
  client,
  limitOf,
  removeIfNew,
  removeParentCgroups,
  rootfsTar,
  runtimeProgram,
  socketPath,
  startDaemon,
  untilAnswers,
} from "./engine.ts";

async function docker(box: Sandbox) {
  removeIfNew(box, "/run/containerd", "/run/docker", "/var/lib/docker");
  removeParentCgroups(box);
  writeFileSync(box.path("daemon.json"), "{}");
  const host = `unix://${socketPath(box)}`;
  startDaemon(box, "dockerd", [
    ...["--config-file", box.path("daemon.json"), "--data-root", box.path("data"), "--exec-root", box.path("exec")],
    ...[
      "--pidfile",
      box.path("docker.pid"),
      "--host",
      host,
      "--storage-driver",
      "vfs",
      "--cgroup-parent",
      `/${box.word}`,
    ],
    ...[
      "--iptables=false",
      "--ip6tables=false",
      "--ip-forward=false",
      "--bridge=none",
      "--exec-opt",
      "native.cgroupdriver=cgroupfs",
    ],
    ...["--add-runtime", `tested=${runtimeProgram(box)}`, "--default-runtime", "tested"],
  ]);
  // Debian's client, by path where it is: another on the PATH may be newer than this daemon.
  const program = existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker";
  const call = client(box, program, ["--host", host, "--config", box.path("client")]);
  await untilAnswers(box, "dockerd", () => call("version"));
  expect(await call("import", rootfsTar(box), "busybox")).toMatchObject({ code: 0 });
  return call;
}

const needsDocker = needs(program("dockerd"), program("docker"), program("containerd"));

needsDocker("docker runs a container to its end and takes its status and output", async ({ box }) => {
  const call = await docker(box);
  const run = ["run", "--rm", "--network=none"];
  expect(await call(...run, "busybox", "sh", "-c", "echo out; echo err >&2; exit 5")).toMatchObject({
    code: 5,
    stdout: "out\n",
    stderr: "err\n",
  });
  expect(
    (await call(...run, "--user", "1000", "--memory", "32m", "--pids-limit", "20", "busybox", "id", "-u")).stdout,
  ).toBe("1000\n");
  expect((await call(...run, "busybox", "no-such-program")).code).toBe(127);
  expect((await call(...run, "busybox", "/etc/passwd")).code).toBe(126);
  expect((await call(...run, "busybox", "unshare", "-n", "true")).code, "seccomp and capabilities hold").not.toBe(0);
});

needsDocker("docker execs into a container, stops and removes it", async ({ box }) => {
  const call = await docker(box);
  const script = "trap 'echo bye; exit 0' TERM; echo hi; while :; do sleep 0.05; done";
  const started = await call("run", "--detach", "--name", "box", "--network=none", "busybox", "sh", "-c", script);
  expect(started).toMatchObject({ code: 0, stderr: "" });
  expect(await call("exec", "box", "sh", "-c", "echo in; exit 3")).toMatchObject({ code: 3, stdout: "in\n" });
  expect((await call("exec", "--user", "1000", "box", "id", "-u")).stdout).toBe("1000\n");
  expect((await call("top", "box")).stdout).toMatch(/while :/);
  expect((await call("stop", "box")).code).toBe(0);
  expect((await call("logs", "box")).stdout).toBe("hi\nbye\n");
  expect((await call("inspect", "--format", "{{.State.ExitCode}}", "box")).stdout).toBe("0\n");
  expect((await call("rm", "box")).code).toBe(0);
  expect((await call("ps", "-aq")).stdout).toBe("");
});

needsDocker("docker pauses a container, changes its limits and removes it while it is paused", async ({ box }) => {
  const call = await docker(box);
  const script = "while :; do sleep 0.05; done";
  box.defer(async () => void (await call("rm", "--force", "box"))); // dockerd leaves its mounts otherwise
  await call("run", "--detach", "--name", "box", "--network=none", "--memory", "64m", "busybox", "sh", "-c", script);
  const update = await call(
    "update",
    "--memory",
    "96m",
    "--memory-swap",
    "128m",
    "--cpu-shares",
    "300",
    "--pids-limit",
    "77",
    "box",
  );
  expect(update).toMatchObject({ code: 0 });
  const pid = Number((await call("inspect", "--format", "{{.State.Pid}}", "box")).stdout);
  expect(limitOf(pid, "memory.limit_in_bytes", "memory.max")).toBe("100663296");
  expect(limitOf(pid, "pids.max", "pids.max")).toBe("77");
  expect(await call("pause", "box")).toMatchObject({ code: 0 });
  expect((await call("inspect", "--format", "{{.State.Status}}", "box")).stdout).toBe("paused\n");
  expect((await call("exec", "box", "true")).code).not.toBe(0);
  expect(await call("unpause", "box")).toMatchObject({ code: 0 });
  expect((await call("exec", "box", "true")).code).toBe(0);
  await call("pause", "box");
  expect(await call("rm", "--force", "box")).toMatchObject({ code: 0 });
});

needs(
  kernelFile("/sys/kernel/security/apparmor"),
  program("dockerd"),
  program("docker"),
  program("containerd"),
)("docker has its containers, and what it runs in them, confined by AppArmor", async ({ box }) => {
  const call = await docker(box);
  const who = ["cat", "/proc/self/attr/current"];
  const run = ["run", "--rm", "--network=none"];
  expect((await call(...run, "busybox", ...who)).stdout).toBe("docker-default (enforce)\n");
  expect((await call(...run, "--security-opt", "apparmor=unconfined", "busybox", ...who)).stdout).toBe("unconfined\n");
  const missing = await call(...run, "--security-opt", `apparmor=${box.word}`, "busybox", "true");
  expect(missing).toMatchObject({ code: 125, stderr: expect.stringContaining(box.word) });
  await call("run", "--detach", "--name", "box", "--network=none", "busybox", "sleep", "60");
  expect((await call("exec", "--user", "1000", "box", ...who)).stdout).toBe("docker-default (enforce)\n");
  expect((await call("rm", "--force", "box")).code).toBe(0);
});
