// containerd on the runtime, through its runc shim: `ctr --runc-binary`.

import { existsSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { kernelFile } from "../../test/root/harness/needs.ts";
import { makeRootfs } from "../../test/root/harness/rootfs.ts";
import { eventually, later } from "./command-line.ts";
import { containerd, containerdPrograms, ctrFlag } from "./ctr.ts";
import { limitOf, RUN_OUT_OF_MEMORY, runtimeProgram, socketPath, startDaemon } from "./engine.ts";
import { operationsOf } from "./operations.ts";
import { SIZE } from "./pty.ts";

const operation = operationsOf("containerd", containerdPrograms, containerd);
const status = "cat /proc/self/status";

operation("run", async (engine) => {
  const result = await engine.run([], "sh", "-c", "echo out; echo err >&2; sleep 0.5");
  expect(result).toMatchObject({ code: 0, stdout: "out\n", stderr: "err\n" });
});

operation("exit codes", async (engine) => {
  expect((await engine.run([], "sh", "-c", "exit 5")).code).toBe(5);
  const unknown = await engine.run([], "no-such-program");
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining("executable file not found") });
  expect((await engine.run([], "/etc/passwd")).stderr).toMatch(/permission denied/i);
});

operation("stdin", async (engine) => {
  const result = await engine.runWith(later("typed\n"), [], "sh", "-c", "read word; echo got $word");
  expect(result).toMatchObject({ code: 0, stdout: "got typed\n" });
});

operation("terminal", async (engine) => {
  const terminal = engine.runOnTerminal([], "sh");
  await terminal.until(/# /);
  terminal.type("tty; while ! stty size | grep '33 77'; do sleep 0.1; done\n");
  await terminal.until(new RegExp(`/dev/pts/0\r+\n(.*\r+\n)*${SIZE}\r+\n`));
  terminal.type("exit 7\n");
  expect(await terminal.ended()).toBe(7);
});

operation("detach", async (engine) => {
  const name = await engine.start([]);
  expect((await engine.task(name)).status).toBe("RUNNING");
});

operation("logs", async (engine) => {
  const log = engine.box.path("container.log");
  const name = await engine.start(["--log-uri", `file://${log}`], "sh", "-c", "echo one; sleep 0.5; echo two");
  await eventually(async () => (await engine.task(name)).status, "STOPPED");
  await eventually(async () => readFileSync(log, "utf8"), /^one\ntwo\n$/);
});

operation("create and start", async (engine) => {
  const name = engine.newName();
  await engine.create(name, "expr", "0"); // some versions take flags of a command for their own
  expect(await engine.output("container", "ls", "--quiet")).toContain(name);
  const started = await engine.call("task", "start", "--fifo-dir", engine.box.path("fifo"), name);
  expect(started).toMatchObject({ code: 1, stdout: "0\n" });
});

operation("environment and working directory", async (engine) => {
  const flags = ["--env", "COLOR=red", "--cwd", "/home/user"];
  expect(await engine.shell(flags, "echo $COLOR; pwd")).toBe("red\n/home/user");
});

operation("exec", async (engine) => {
  const name = await engine.start([]);
  // ctr may drop what is written last: so here and below, a moment between that and the end.
  const result = await engine.exec(name, [], "sh", "-c", "echo in $(cat /proc/1/comm); echo err >&2; sleep 0.5");
  expect(result).toMatchObject({ code: 0, stdout: "in sh\n", stderr: "err\n" });
});

operation("exec exit codes", async (engine) => {
  const name = await engine.start([]);
  expect((await engine.exec(name, [], "sh", "-c", "exit 3")).code).toBe(3);
  expect((await engine.exec(name, [], "sh", "-c", "kill -KILL $$")).code).toBe(137);
  expect((await engine.exec(name, [], "no-such-program")).stderr).toContain("executable file not found");
});

operation("exec with a terminal", async (engine) => {
  const name = await engine.start([]);
  const terminal = engine.onTerminal("task", "exec", ...engine.execFlags(), "--tty", name, "sh");
  await terminal.until(/# /);
  terminal.type("tty; while ! stty size | grep '33 77'; do sleep 0.1; done\n");
  await terminal.until(new RegExp(`/dev/pts/\\d+\r+\n(.*\r+\n)*${SIZE}\r+\n`));
  terminal.type("exit 9\n");
  expect(await terminal.ended()).toBe(9);
});

operation("exec as a user", async (engine) => {
  const name = await engine.start([]);
  expect((await engine.exec(name, ["--user", "1000:2000"], "sh", "-c", "id -u; sleep 0.5")).stdout).toBe("1000\n");
});

operation("exec detached", async (engine) => {
  const name = await engine.start([]);
  expect(await engine.exec(name, ["--detach"], "sh", "-c", "echo done >/tmp/file")).toMatchObject({ code: 0 });
  await eventually(async () => (await engine.exec(name, [], "cat", "/tmp/file")).stdout, "done");
});

operation("exec with an environment and a working directory", async (engine) => {
  const name = await engine.start(["--env", "COLOR=red"]);
  const shown = await engine.exec(name, ["--cwd", "/home"], "sh", "-c", "echo $COLOR; pwd; sleep 0.5");
  expect(shown.stdout).toBe("red\n/home\n");
});

operation("top", async (engine) => {
  const name = await engine.start([]);
  const { pid } = await engine.task(name);
  const lines = (await engine.output("task", "ps", name)).split("\n");
  expect(lines).toHaveLength(3); // the head, the shell and its sleep
  expect(lines[1]).toMatch(new RegExp(`^${pid} `));
});

operation("pause and unpause", async (engine) => {
  const name = await engine.start([]);
  await engine.output("task", "pause", name);
  expect((await engine.task(name)).status).toBe("PAUSED");
  await engine.output("task", "resume", name);
  expect((await engine.task(name)).status).toBe("RUNNING");
  expect((await engine.exec(name, [], "true")).code).toBe(0);
  await engine.output("task", "pause", name);
  await engine.call("task", "rm", "--force", name);
  expect((await engine.task(name)).status).toBe("none");
});

operation("stats", async (engine) => {
  const name = await engine.start([]);
  expect(await engine.output("task", "metrics", name)).toMatch(/^pids.current +2 *$/m);
});

operation("kill", async (engine) => {
  const ended = engine.run([], "sleep", "1000");
  const name = engine.lastName();
  await eventually(async () => (await engine.task(name)).status, "RUNNING");
  await engine.output("task", "kill", "--signal", "SIGKILL", name);
  expect((await ended).code).toBe(137);
});

operation("kill with a signal", async (engine) => {
  const log = engine.box.path("signals.log");
  const script = "trap 'echo user' USR1; echo ready; while :; do sleep 1000 & wait; done";
  const name = await engine.start(["--log-uri", `file://${log}`], "sh", "-c", script);
  await eventually(async () => readFileSync(log, "utf8"), "ready");
  await engine.output("task", "kill", "--signal", "SIGUSR1", name);
  await eventually(async () => readFileSync(log, "utf8"), "user");
  expect((await engine.task(name)).status).toBe("RUNNING");
});

operation("stop", async (engine) => {
  const name = await engine.start([]);
  await engine.output("task", "kill", name);
  await eventually(async () => (await engine.task(name)).status, "STOPPED");
  expect((await engine.call("task", "rm", name)).code).toBe(0);
});

operation("rm", async (engine) => {
  const name = await engine.start([]);
  expect((await engine.call("task", "rm", name)).code).not.toBe(0);
  expect((await engine.call("container", "rm", name)).code).not.toBe(0);
  await engine.call("task", "rm", "--force", name);
  await engine.output("container", "rm", name);
  expect((await engine.output("container", "ls", "--quiet")).split("\n")).not.toContain(name);
});

operation("events", async (engine) => {
  startDaemon(engine.box, "ctr", ["--address", socketPath(engine.box), "events"]);
  const events = async () => readFileSync(engine.box.path("ctr.log"), "utf8");
  // The listener takes a moment to be there.
  await eventually(async () => {
    await engine.run([], "true");
    return events();
  }, /\/tasks\/start .*\n(.*\n)*.*\/tasks\/exit .*\n(.*\n)*.*\/tasks\/delete /);
});

operation("out of memory", async (engine) => {
  startDaemon(engine.box, "ctr", ["--address", socketPath(engine.box), "events"]);
  // The listener takes a moment to be there.
  await eventually(async () => {
    expect((await engine.run(["--memory-limit", `${24 << 20}`], "sh", "-c", RUN_OUT_OF_MEMORY)).code).toBe(137);
    return readFileSync(engine.box.path("ctr.log"), "utf8");
  }, "/tasks/oom ");
});

operation(
  "user",
  async (engine) => {
    expect(await engine.shell(["--user", "1000:2000"], "id -u; id -g")).toBe("1000\n2000");
  },
  ctrFlag("--user"),
);

operation("read-only root", async (engine) => {
  const script = "touch /file 2>&1; grep ' / ' /proc/mounts | cut -d' ' -f4 | cut -c1-2";
  expect(await engine.shell(["--read-only"], script)).toBe("touch: /file: Read-only file system\nro");
});

operation("tmpfs", async (engine) => {
  const mount = "type=tmpfs,src=tmpfs,dst=/x,options=size=1m:mode=1700:noexec";
  const shown = await engine.shell(["--mount", mount], "grep ' /x ' /proc/mounts; stat -c %a /x");
  expect(shown).toMatch(/^tmpfs \/x tmpfs rw,.*noexec.*size=1024k.*\n1700$/);
});

operation("capabilities dropped and added", async (engine) => {
  expect((await engine.run(["--cap-drop", "CAP_CHOWN"], "chown", "1", "/etc")).code).toBe(1);
  expect((await engine.run([], "hostname", "new")).code).toBe(1);
  expect((await engine.run(["--cap-add", "CAP_SYS_ADMIN"], "hostname", "new")).code).toBe(0);
});

operation("privileged", async (engine) => {
  const own = /^CapBnd:\t(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const script = `${status}; mkdir -p /mnt; mount -t tmpfs none /mnt && test -c /dev/kmsg && echo all`;
  const shown = await engine.shell(["--privileged"], script);
  expect(shown).toMatch(new RegExp(`^CapEff:\t${own}$`, "m"));
  expect(shown).toMatch(/\nall$/);
});

operation("no new privileges", async (engine) => {
  expect(await engine.shell([], status)).toMatch(/^NoNewPrivs:\t1$/m);
  expect(await engine.shell(["--allow-new-privs"], status)).toMatch(/^NoNewPrivs:\t0$/m);
});

operation("seccomp by default", async (engine) => {
  expect(await engine.shell(["--seccomp"], status)).toMatch(/^Seccomp:\t2$/m);
  expect((await engine.run(["--seccomp"], "unshare", "-n", "true")).code).toBe(1);
});

operation("seccomp unconfined", async (engine) => {
  expect(await engine.shell([], status)).toMatch(/^Seccomp:\t0$/m);
});

operation("seccomp profile", async (engine) => {
  const file = engine.box.path("seccomp.json");
  const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" };
  writeFileSync(file, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] }));
  const shown = await engine.shell(["--seccomp", "--seccomp-profile", file], "mkdir /tmp/x 2>&1 || echo no");
  expect(shown).toMatch(/Operation not permitted\nno$/);
});

operation("device", async (engine) => {
  expect((await engine.run(["--device", "/dev/kmsg"], "sh", "-c", ": >/dev/kmsg")).code).toBe(0);
  const made = "mknod /tmp/own c 1 11; : >/tmp/own";
  expect((await engine.run([], "sh", "-c", made)).stderr).toMatch(/Operation not permitted|Permission denied/);
});

operation("bind mount", async (engine) => {
  const source = engine.box.makeDirectory("bind");
  const mount = `type=bind,src=${source},dst=/b,options=rbind:rw`;
  await engine.shell(["--mount", mount], "echo text >/b/file");
  expect(readFileSync(`${source}/file`, "utf8")).toBe("text\n");
});

operation("read-only bind mount", async (engine) => {
  const source = engine.box.makeDirectory("bind-ro");
  const mount = `type=bind,src=${source},dst=/b,options=rbind:ro`;
  expect(await engine.shell(["--mount", mount], "touch /b/new 2>&1 || echo no")).toMatch(/Read-only file system\nno$/);
});

operation("root file system in place of an image", async (engine) => {
  const root = engine.box.path("plain-root");
  makeRootfs(root);
  const name = engine.newName();
  const flags = [
    "--rm",
    "--runc-binary",
    runtimeProgram(engine.box),
    "--fifo-dir",
    engine.box.path("fifo"),
    "--rootfs",
  ];
  await engine.output("run", ...flags, root, name, "/bin/sh", "-c", "echo text >/new");
  expect(readFileSync(`${root}/new`, "utf8")).toBe("text\n");
});

operation("memory limit", async (engine) => {
  const name = await engine.start(["--memory-limit", `${32 << 20}`]);
  const { pid } = await engine.task(name);
  expect(limitOf(pid, "memory.limit_in_bytes", "memory.max")).toBe(`${32 << 20}`);
});

operation("cpu limit", async (engine) => {
  const name = await engine.start(["--cpus", "0.5", "--cpu-shares", "512"]);
  const { pid } = await engine.task(name);
  expect(limitOf(pid, "cpu.cfs_quota_us", "cpu.max")).toMatch(/^50000( 100000)?$/);
  expect(limitOf(pid, "cpu.shares", "cpu.weight")).toMatch(/^(512|20|59)$/);
});

const maps = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"];

operation("user namespace", async (engine) => {
  engine.box.makeReachable();
  expect(await engine.shell(maps, "cat /proc/self/uid_map; id -u")).toMatch(/^ +0 +100000 +65536\n0$/);
  const name = await engine.start(maps);
  expect(statSync(`/proc/${(await engine.task(name)).pid}`).uid).toBe(100000);
  expect((await engine.exec(name, ["--user", "1000"], "sh", "-c", "id -u; sleep 0.5")).stdout).toBe("1000\n");
});

for (const [kind, word] of Object.entries({ pid: "pid", ipc: "ipc", net: "network", uts: "uts" })) {
  operation(`${word} namespace of another container`, async (engine) => {
    const { pid } = await engine.task(await engine.start([]));
    const link = readlinkSync(`/proc/${pid}/ns/${kind}`);
    const flags = ["--with-ns", `${word}:/proc/${pid}/ns/${kind}`];
    expect(await engine.shell(flags, `readlink /proc/self/ns/${kind}`)).toBe(link);
  });
}

operation(
  "host's namespaces",
  async (engine) => {
    expect(await engine.shell(["--net-host"], "readlink /proc/self/ns/net")).toBe(readlinkSync("/proc/self/ns/net"));
  },
  existsSync("/etc/resolv.conf") ? undefined : "there is no /etc/resolv.conf here, which ctr mounts",
);

operation(
  "hostname",
  async (engine) => {
    expect(await engine.shell(["--hostname", "named"], "hostname")).toBe("named");
  },
  ctrFlag("--hostname"),
);

operation(
  "AppArmor",
  async (engine) => {
    const flags = ["--apparmor-default-profile", "tsrun-ctr"];
    expect(await engine.shell(flags, "cat /proc/self/attr/current")).toBe("tsrun-ctr (enforce)");
  },
  kernelFile("/sys/kernel/security/apparmor"),
);
