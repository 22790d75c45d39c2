// What Docker and Podman both do, in the same words on the command line. Where an engine tells something in its own words,
// `Dialect` has them.

import { mkdtempSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Missing } from "../../test/root/harness/needs.ts";
import { type CommandLine, eventually, later } from "./command-line.ts";
import { limitOf, RUN_OUT_OF_MEMORY } from "./engine.ts";
import type { Operation } from "./operations.ts";
import { scaled } from "./patience.ts";
import { SIZE } from "./pty.ts";
import { controller } from "./requirements.ts";

export interface Dialect {
  /** Go template of the processes in `stats`. */
  readonly pids: string;
  /** The program that `--init` has for process 1. */
  readonly init: string;
  /** What `run` prints of a program that is not there. */
  readonly notFound: RegExp;
  /** What a privileged container needs. */
  readonly privileges: Missing;
  /** What checks of health need. */
  readonly timers: Missing;
  /** What the engine needs to be told of a process that was killed for its memory. */
  readonly oomKilled: Missing;
  /** What a mount that receives others from the host needs. */
  readonly propagation: Missing;
  /** What limits of block devices need. */
  readonly deviceLimits: Missing;
  /** Has `events` tell what was and end. */
  readonly events: readonly string[];
}

type Declare = Operation<CommandLine>;

export function declareShared(operation: Declare, dialect: Dialect): void {
  declareRunning(operation, dialect);
  declareExec(operation, dialect);
  declareLife(operation, dialect);
  declareRestrictions(operation, dialect);
  declareFiles(operation, dialect);
  declareLimits(operation);
  declareNamespaces(operation, dialect);
}

function declareRunning(operation: Declare, { notFound }: Dialect): void {
  operation("run", async (engine) => {
    const result = await engine.run([], "sh", "-c", "echo out; echo err >&2");
    expect(result).toMatchObject({ code: 0, stdout: "out\n", stderr: "err\n" });
  });

  operation("exit codes", async (engine) => {
    expect((await engine.run([], "sh", "-c", "exit 5")).code).toBe(5);
    expect((await engine.run([], "sh", "-c", "kill -TERM $$; sleep 1; exit 6")).code).toBe(6); // pid 1 has no handler
    expect((await engine.run(["--pid=host"], "sh", "-c", "kill -TERM $$; sleep 1; exit 6")).code).toBe(143);
    expect((await engine.run([], "/etc/passwd")).code).toBe(126);
    const missing = await engine.run([], "no-such-program");
    expect(missing).toMatchObject({ code: 127, stderr: expect.stringMatching(notFound) });
  });

  operation("stdin", async (engine) => {
    const text = "a line\n".repeat(20_000);
    const name = await engine.create(["--interactive"], "md5sum");
    const result = await engine.callWith(text, "start", "--attach", "--interactive", name);
    expect(result).toMatchObject({ code: 0 });
    expect(result.stdout).toBe("5751d7a5256eee0a6a2732502d349bdc  -\n");
  });

  operation("terminal", async (engine) => {
    const terminal = engine.runOnTerminal(["--interactive", "--tty"], "sh");
    await terminal.until(/# /);
    terminal.type("tty; ls -l /dev/console | cut -c1\n");
    await terminal.until(/\/dev\/(pts\/0|console)\r\nc\r\n/);
    terminal.type("while ! stty size | grep '33 77'; do sleep 0.1; done\n");
    await terminal.until(new RegExp(`\n${SIZE}\r\n`));
    // A program in the foreground says so: what interrupts the shell before it waits for one does not end that.
    terminal.type("sh -c 'echo sleeps; exec sleep 100'\n");
    await terminal.until(/\nsleeps\r\n/);
    terminal.type("\x03");
    await terminal.until(/\^C(.*\r\n)*.*# /);
    terminal.type("exit 7\n");
    expect(await terminal.ended()).toBe(7);
  });

  operation("detach", async (engine) => {
    const name = await engine.start([]);
    expect(await engine.status(name)).toBe("running");
    expect(await engine.output("ps", "--format", "{{.Names}} {{.Image}}")).toMatch(
      new RegExp(`^${name} .*busybox`, "m"),
    );
  });

  operation("detach keys", async (engine) => {
    const name = await engine.create(["--interactive", "--tty"], "sh");
    const keys = "--detach-keys=ctrl-p,ctrl-q";
    const terminal = engine.onTerminal("start", "--attach", "--interactive", keys, name);
    await terminal.until(/# /);
    terminal.type("\x10");
    await sleep(scaled(300)); // Podman looks for keys that come one by one
    terminal.type("\x11");
    expect(await terminal.ended()).toBe(0);
    expect(await engine.status(name)).toBe("running");
  });

  operation("logs", async (engine) => {
    const name = await engine.start([], "sh", "-c", "echo one; echo two >&2; sleep 0.5; echo three");
    await engine.output("wait", name);
    expect(await engine.call("logs", name)).toMatchObject({ code: 0, stdout: "one\nthree\n", stderr: "two\n" });
    expect(await engine.output("logs", "--tail=1", name)).toBe("three");
  });

  operation("attach", async (engine) => {
    const name = await engine.start(["--interactive"], "sh", "-c", "read word; echo got $word; sleep 1; exit 4");
    expect((await engine.callWith(later("it\n"), "attach", name)).stdout).toMatch(/^got it\n/);
    expect(await engine.output("wait", name)).toBe("4");
  });

  operation("create and start", async (engine) => {
    const name = await engine.create([], "sh", "-c", "echo out; exit 3");
    expect(await engine.status(name)).toBe("created");
    expect(await engine.call("start", "--attach", name)).toMatchObject({ code: 3, stdout: "out\n" });
  });

  operation("environment and working directory", async (engine) => {
    const flags = ["--env=COLOR=red", "--workdir=/home/user"];
    expect(await engine.shell(flags, "echo $COLOR; pwd")).toBe("red\n/home/user");
  });
}

function declareExec(operation: Declare, { privileges }: Dialect): void {
  operation("exec", async (engine) => {
    const name = await engine.start([]);
    const result = await engine.call("exec", name, "sh", "-c", "echo in $(cat /proc/1/comm); echo err >&2");
    expect(result).toMatchObject({ code: 0, stdout: "in sh\n", stderr: "err\n" });
    expect((await engine.callWith("typed\n", "exec", "--interactive", name, "cat")).stdout).toBe("typed\n");
  });

  operation("exec exit codes", async (engine) => {
    const name = await engine.start([]);
    expect((await engine.call("exec", name, "sh", "-c", "exit 3")).code).toBe(3);
    expect((await engine.call("exec", name, "sh", "-c", "kill -KILL $$")).code).toBe(137);
    expect((await engine.call("exec", name, "/etc/passwd")).code).toBe(126);
    expect([126, 127]).toContain((await engine.call("exec", name, "no-such-program")).code); // Docker 20 has 126
  });

  operation("exec with a terminal", async (engine) => {
    const name = await engine.start([]);
    const terminal = engine.onTerminal("exec", "--interactive", "--tty", name, "sh");
    await terminal.until(/# /);
    terminal.type("tty; while ! stty size | grep '33 77'; do sleep 0.1; done\n");
    await terminal.until(new RegExp(`/dev/pts/\\d+\r\n(.*\r\n)*${SIZE}\r\n`));
    terminal.type("exit 9\n");
    expect(await terminal.ended()).toBe(9);
  });

  operation("exec as a user", async (engine) => {
    const name = await engine.start([]);
    expect(await engine.output("exec", "--user=1000:2000", name, "id", "-u")).toBe("1000");
    expect(await engine.output("exec", "--user=user", name, "id", "-G")).toBe("1000 2000");
    const status = await engine.output("exec", "--user=1000", name, "cat", "/proc/self/status");
    expect(status).toMatch(/^CapEff:\t0+$/m);
  });

  operation(
    "exec privileged",
    async (engine) => {
      const name = await engine.start([]);
      const capabilities = await engine.output("exec", "--privileged", name, "grep", "CapEff", "/proc/self/status");
      expect(capabilities).toContain(ownCapabilities());
    },
    privileges,
  );

  operation("exec detached", async (engine) => {
    const name = await engine.start([]);
    await engine.output("exec", "--detach", name, "sh", "-c", "echo done >/tmp/file");
    await eventually(async () => (await engine.call("exec", name, "cat", "/tmp/file")).stdout, "done");
  });

  operation("exec with an environment and a working directory", async (engine) => {
    const name = await engine.start(["--env=COLOR=red"]);
    const flags = ["--env", "SIZE=big", "--workdir", "/home"];
    expect(await engine.output("exec", ...flags, name, "sh", "-c", "echo $COLOR $SIZE; pwd")).toBe("red big\n/home");
  });
}

function declareLife(operation: Declare, { pids, events, timers, oomKilled }: Dialect): void {
  operation("top", async (engine) => {
    const name = await engine.start([]);
    const lines = (await engine.output("top", name)).split("\n");
    expect(lines).toHaveLength(3); // the head, the shell and its sleep
    expect(lines[2]).toContain("sleep 1000");
  });

  operation("pause and unpause", async (engine) => {
    const name = await engine.start([]);
    await engine.output("pause", name);
    expect(await engine.status(name)).toBe("paused");
    expect((await engine.call("exec", name, "true")).code).not.toBe(0);
    await engine.output("unpause", name);
    expect(await engine.status(name)).toBe("running");
    await engine.output("exec", name, "true");
    await engine.output("pause", name);
    await engine.output("rm", "--force", name);
  });

  operation("update", async (engine) => {
    const name = await engine.start(["--memory=64m", "--cpu-shares=1024"]);
    await engine.output("update", "--memory=96m", "--memory-swap=128m", "--cpu-shares=512", name);
    const pid = await engine.pid(name);
    expect(limitOf(pid, "memory.limit_in_bytes", "memory.max")).toBe(`${96 << 20}`);
    // Of version 2, where shares are made to weights by one formula or by another.
    expect(limitOf(pid, "cpu.shares", "cpu.weight")).toMatch(/^(512|20|59)$/);
  });

  operation("stats", async (engine) => {
    const name = await engine.start([]);
    expect(await engine.output("stats", "--no-stream", "--format", pids, name)).toBe("2");
    const memory = await engine.output("stats", "--no-stream", "--format", "{{.MemUsage}}", name);
    expect(memory).toMatch(/^(?!0B)[\d.]+[kKMi]*B \/ /);
  });

  operation("restart", async (engine) => {
    const name = await engine.start([]);
    const pid = await engine.pid(name);
    await engine.output("restart", name);
    expect(await engine.status(name)).toBe("running");
    expect(await engine.pid(name)).not.toBe(pid);
    await eventually(() => engine.output("logs", name), /^hi\nbye\nhi$/);
  });

  operation("restart policy", async (engine) => {
    const name = await engine.start(["--restart=on-failure:2"], "sh", "-c", "echo again; exit 3");
    await eventually(() => engine.inspect(name, "{{.RestartCount}} {{.State.Status}}"), /^2 exited$/);
    expect(await engine.output("logs", name)).toBe("again\nagain\nagain");
  });

  operation("stop", async (engine) => {
    const name = await engine.start([]);
    await engine.output("stop", name);
    expect(await engine.inspect(name, "{{.State.ExitCode}}")).toBe("0");
    expect(await engine.output("logs", name)).toBe("hi\nbye");
    const deaf = await engine.start([], "sh", "-c", "trap '' TERM; sleep 1000");
    await engine.output("stop", "--time=1", deaf);
    expect(await engine.inspect(deaf, "{{.State.ExitCode}}")).toBe("137");
  });

  operation("stop signal", async (engine) => {
    const script = "trap 'echo user; exit 8' USR1; sleep 1000 & wait";
    const name = await engine.start(["--stop-signal=SIGUSR1"], "sh", "-c", script);
    await engine.output("stop", name);
    expect(await engine.inspect(name, "{{.State.ExitCode}}")).toBe("8");
  });

  operation("kill", async (engine) => {
    const name = await engine.start([]);
    await engine.output("kill", name);
    await engine.call("wait", name);
    expect(await engine.inspect(name, "{{.State.ExitCode}}")).toBe("137");
  });

  operation("kill with a signal", async (engine) => {
    const script = "trap 'echo user' USR1; echo ready; while :; do sleep 1000 & wait; done";
    const name = await engine.start([], "sh", "-c", script);
    await eventually(() => engine.output("logs", name), "ready");
    await engine.output("kill", "--signal=USR1", name);
    await eventually(() => engine.output("logs", name), "user");
    expect(await engine.status(name)).toBe("running");
  });

  operation("rm", async (engine) => {
    const name = await engine.start([]);
    expect((await engine.call("rm", name)).code).not.toBe(0);
    await engine.output("rm", "--force", name);
    const ended = await engine.start([], "true");
    await engine.call("wait", ended);
    await engine.output("rm", ended);
    const all = (await engine.output("ps", "--all", "--format", "{{.Names}}")).split("\n");
    expect(all).not.toContain(name);
    expect(all).not.toContain(ended);
  });

  operation("wait", async (engine) => {
    const name = await engine.start([], "sh", "-c", "sleep 1; exit 7");
    expect(await engine.output("wait", name)).toBe("7");
  });

  operation("events", async (engine) => {
    const name = await engine.start([], "sh", "-c", "exit 7");
    await engine.call("wait", name);
    const filter = ["--filter", `container=${name}`, "--format", "{{.Status}}"];
    await eventually(() => engine.output("events", ...events, ...filter), /start\n(.*\n)*(die|died)$/m);
  });

  operation(
    "out of memory",
    async (engine) => {
      const name = await engine.start(["--memory=24m"], "sh", "-c", RUN_OUT_OF_MEMORY);
      expect(await engine.output("wait", name)).toBe("137");
      await eventually(() => engine.inspect(name, "{{.State.OOMKilled}}"), "true");
    },
    oomKilled,
  );

  operation(
    "health check",
    async (engine) => {
      const flags = ["--health-cmd=test -e /tmp/well", "--health-interval=1s", "--health-retries=1"];
      const name = await engine.start(flags);
      const health = () => engine.inspect(name, "{{.State.Health.Status}}");
      await eventually(health, "unhealthy");
      await engine.output("exec", name, "touch", "/tmp/well");
      await eventually(health, /^healthy$/);
    },
    timers,
  );
}

function declareRestrictions(operation: Declare, { privileges }: Dialect): void {
  const status = "cat /proc/self/status";

  operation("user", async (engine) => {
    expect(await engine.shell(["--user=1000:2000"], "id -u; id -g")).toBe("1000\n2000");
    expect(await engine.shell(["--user=user"], "id -un; id -G")).toBe("user\n1000 2000");
    expect((await engine.run(["--user=nobody-knows"], "true")).code).not.toBe(0);
  });

  operation("supplementary groups", async (engine) => {
    expect(await engine.shell(["--group-add=3000", "--group-add=tty"], "id -G")).toMatch(
      /\b3000\b.*\b5\b|\b5\b.*\b3000\b/,
    );
  });

  operation("read-only root", async (engine) => {
    const script = "touch /file 2>&1; touch /tmp/t && echo tmp; grep ' / ' /proc/mounts | cut -d' ' -f4 | cut -c1-2";
    expect(await engine.shell(["--read-only", "--tmpfs=/tmp"], script)).toBe(
      "touch: /file: Read-only file system\ntmp\nro",
    );
  });

  operation("tmpfs", async (engine) => {
    const mount = await engine.shell(
      ["--tmpfs=/x:size=1m,mode=1700,noexec"],
      "grep ' /x ' /proc/mounts; stat -c %a /x",
    );
    expect(mount).toMatch(/^tmpfs \/x tmpfs rw,.*noexec.*size=1024k.*\n1700$/);
    expect((await engine.run(["--tmpfs=/x:size=1m"], "dd", "if=/dev/zero", "of=/x/f", "bs=1M", "count=2")).code).toBe(
      1,
    );
  });

  operation("capabilities dropped and added", async (engine) => {
    expect(await engine.shell(["--cap-drop=ALL"], status)).toMatch(/^CapBnd:\t0+$/m);
    expect(await engine.shell(["--cap-drop=ALL", "--cap-add=CHOWN"], status)).toMatch(/^CapEff:\t0+1$/m);
    expect((await engine.run(["--cap-drop=CHOWN"], "chown", "1", "/etc")).code).toBe(1);
    expect((await engine.run([], "hostname", "new")).code).toBe(1);
    expect((await engine.run(["--cap-add=SYS_ADMIN"], "hostname", "new")).code).toBe(0);
  });

  operation(
    "privileged",
    async (engine) => {
      const script = `${status}; mount -t tmpfs none /mnt 2>&1 && test -c /dev/kmsg && cat /proc/sys/kernel/shmmax >/proc/sys/kernel/shmmax && echo all`;
      const shown = await engine.shell(["--privileged"], `mkdir -p /mnt; ${script}`);
      expect(shown).toMatch(new RegExp(`^CapEff:\t${ownCapabilities()}$`, "m"));
      expect(shown).toMatch(/^Seccomp:\t0$/m);
      expect(shown).toMatch(/\nall$/);
    },
    privileges,
  );

  operation("no new privileges", async (engine) => {
    expect(await engine.shell([], status)).toMatch(/^NoNewPrivs:\t0$/m);
    expect(await engine.shell(["--security-opt=no-new-privileges"], status)).toMatch(/^NoNewPrivs:\t1$/m);
  });

  operation("seccomp by default", async (engine) => {
    expect(await engine.shell([], status)).toMatch(/^Seccomp:\t2$/m);
    expect((await engine.run([], "unshare", "-n", "true")).code).toBe(1);
  });

  operation("seccomp unconfined", async (engine) => {
    expect(await engine.shell(["--security-opt=seccomp=unconfined"], status)).toMatch(/^Seccomp:\t0$/m);
  });

  operation("seccomp profile", async (engine) => {
    const file = engine.box.path("seccomp.json");
    const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" };
    writeFileSync(file, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] }));
    const flag = `--security-opt=seccomp=${file}`;
    expect(await engine.shell([flag], "mkdir /tmp/x 2>&1 || echo no")).toMatch(/Operation not permitted\nno$/);
  });

  operation("sysctl", async (engine) => {
    const flags = ["--sysctl=kernel.msgmax=5000", "--sysctl=net.ipv4.ip_unprivileged_port_start=80"];
    const files = "/proc/sys/kernel/msgmax /proc/sys/net/ipv4/ip_unprivileged_port_start";
    expect(await engine.shell(flags, `cat ${files}`)).toBe("5000\n80");
  });

  operation("device", async (engine) => {
    expect((await engine.run(["--device=/dev/kmsg:/dev/own"], "sh", "-c", ": >/dev/own")).code).toBe(0);
    expect((await engine.run(["--device=/dev/kmsg:/dev/own:r"], "sh", "-c", ": >/dev/own")).code).not.toBe(0);
    const made = "mknod /tmp/own c 1 11; : >/tmp/own";
    expect((await engine.run([], "sh", "-c", made)).stderr).toContain("Operation not permitted");
  });

  operation("ulimit", async (engine) => {
    // With some of ours, Podman takes its own defaults for these two, which root may not be allowed to raise to.
    const flags = ["--ulimit=nofile=1000:1001", "--ulimit=nproc=1000:1001", "--ulimit=stack=4194304:8388608"];
    expect(await engine.shell(flags, "ulimit -n; ulimit -Hn; ulimit -s; ulimit -Hs")).toBe("1000\n1001\n4096\n8192");
  });

  operation("oom score", async (engine) => {
    expect(await engine.shell(["--oom-score-adj=500"], "cat /proc/self/oom_score_adj")).toBe("500");
  });
}

function declareFiles(operation: Declare, { propagation }: Dialect): void {
  operation("named volume", async (engine) => {
    await engine.output("volume", "create", "kept");
    await engine.shell(["--volume=kept:/v"], "echo text >/v/file");
    expect(await engine.shell(["--volume=kept:/v"], "cat /v/file")).toBe("text");
    expect(await engine.shell(["--volume=kept:/v:ro"], "touch /v/file 2>&1 || echo no")).toContain(
      "Read-only file system",
    );
    await engine.output("volume", "rm", "kept");
  });

  operation("anonymous volume", async (engine) => {
    const name = await engine.start(["--volume=/home"], "sh", "-c", "ls /home; echo mine >/home/file");
    await engine.output("wait", name);
    expect(await engine.output("logs", name)).toBe("user"); // what the image has there
    const again = await engine.shell([`--volumes-from=${name}`], "cat /home/file");
    expect(again).toBe("mine");
  });

  operation("bind mount", async (engine) => {
    const source = mkdtempSync(engine.box.path("bind-"));
    writeFileSync(join(source, "file"), "text");
    expect(await engine.shell([`--volume=${source}:/b`], "cat /b/file; echo more >/b/new")).toBe("text");
    expect(readFileSync(join(source, "new"), "utf8")).toBe("more\n");
    const file = `--volume=${source}/file:/etc/one`;
    expect(await engine.shell([file], "cat /etc/one")).toBe("text");
  });

  operation("read-only bind mount", async (engine) => {
    const source = mkdtempSync(engine.box.path("bind-"));
    const script = "touch /b/new 2>&1 || echo no";
    expect(await engine.shell([`--volume=${source}:/b:ro`], script)).toMatch(/Read-only file system\nno$/);
    const mount = `--mount=type=bind,source=${source},target=/b,readonly`;
    expect(await engine.shell([mount], script)).toMatch(/Read-only file system\nno$/);
  });

  operation(
    "mount propagation",
    async (engine) => {
      const source = mkdtempSync(engine.box.path("bind-"));
      for (const [kind, field] of [
        ["rslave", /master:\d+/],
        ["rshared", /shared:\d+/],
        ["rprivate", /rw,\S+ - /],
      ] as const) {
        const mount = `--mount=type=bind,source=${source},target=/b,bind-propagation=${kind}`;
        expect(await engine.shell([mount], "grep ' /b ' /proc/self/mountinfo")).toMatch(field);
      }
    },
    propagation,
  );

  operation("cp", async (engine) => {
    const name = await engine.start([]);
    writeFileSync(engine.box.path("file"), "text");
    await engine.output("cp", engine.box.path("file"), `${name}:/tmp/file`);
    expect(await engine.output("exec", name, "cat", "/tmp/file")).toBe("text");
    await engine.output("cp", `${name}:/etc/passwd`, engine.box.path("copied"));
    expect(readFileSync(engine.box.path("copied"), "utf8")).toContain("root:x:0:0:");
  });

  operation("shm size", async (engine) => {
    expect(await engine.shell(["--shm-size=2m"], "grep ' /dev/shm ' /proc/mounts")).toContain("size=2048k");
  });
}

function declareLimits(operation: Declare): void {
  operation("memory limit", async (engine) => {
    const name = await engine.start(["--memory=32m", "--memory-reservation=16m"]);
    const pid = await engine.pid(name);
    expect(limitOf(pid, "memory.limit_in_bytes", "memory.max")).toBe(`${32 << 20}`);
    expect(limitOf(pid, "memory.soft_limit_in_bytes", "memory.low")).toBe(`${16 << 20}`);
  });

  operation("pids limit", async (engine) => {
    const name = await engine.start(["--pids-limit=7"]);
    expect(limitOf(await engine.pid(name), "pids.max", "pids.max")).toBe("7");
    const script = "for i in 1 2 3 4 5 6 7 8; do sleep 100 & done";
    expect((await engine.call("exec", name, "sh", "-c", script)).stderr).toMatch(/can't fork/);
  });

  operation("cpu limit", async (engine) => {
    const name = await engine.start(["--cpus=0.5", "--cpu-shares=512"]);
    const pid = await engine.pid(name);
    expect(limitOf(pid, "cpu.cfs_quota_us", "cpu.max")).toMatch(/^50000( 100000)?$/);
    expect(limitOf(pid, "cpu.shares", "cpu.weight")).toMatch(/^(512|20|59)$/);
  });

  operation(
    "cpu set",
    async (engine) => {
      const name = await engine.start(["--cpuset-cpus=0"]);
      expect(limitOf(await engine.pid(name), "cpuset.cpus", "cpuset.cpus")).toBe("0");
    },
    controller("cpuset"),
  );
}

function declareNamespaces(operation: Declare, { init }: Dialect): void {
  operation("hostname", async (engine) => {
    expect(await engine.shell(["--hostname=named"], "hostname; cat /etc/hostname")).toBe("named\nnamed");
  });

  operation("init", async (engine) => {
    const shown = await engine.shell(["--init"], "cat /proc/1/comm; echo $$");
    expect(shown.split("\n")[0]).toBe(init);
    expect(shown.split("\n")[1]).not.toBe("1");
  });

  for (const [kind, flags] of Object.entries({ pid: [], ipc: ["--ipc=shareable"], net: [] })) {
    const flag = kind === "net" ? "network" : kind;
    operation(`${flag} namespace of another container`, async (engine) => {
      const name = await engine.start(flags);
      const link = `readlink /proc/self/ns/${kind}`;
      const other = await engine.output("exec", name, "sh", "-c", link);
      expect(await engine.shell([`--${flag}=container:${name}`], link)).toBe(other);
      expect(await engine.shell([], link)).not.toBe(other);
    });
  }

  operation("host's namespaces", async (engine) => {
    const kinds = ["pid", "ipc", "uts", "cgroup"];
    const flags = ["--pid=host", "--ipc=host", "--uts=host", "--cgroupns=host", "--network=host"];
    const shown = await engine.shell(flags, kinds.map((kind) => `readlink /proc/self/ns/${kind}`).join("; "));
    expect(shown.split("\n")).toEqual(kinds.map((kind) => readlinkSync(`/proc/self/ns/${kind}`)));
  });

  operation("private cgroup namespace", async (engine) => {
    const shown = await engine.shell(["--cgroupns=private"], "cat /proc/self/cgroup");
    expect(shown).toMatch(/^(\d+:\S*:\/\n?)+$/);
  });
}

/** The capabilities that can be given away here. */
function ownCapabilities(): string {
  return /^CapBnd:\t(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1] ?? "none";
}
