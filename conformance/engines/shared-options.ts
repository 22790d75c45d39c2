// More of what Docker and Podman both do in the same words (shared-operations.ts has the usual): options that ask something of the
// runtime, and the less frequent turns of a container's life.

import { existsSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { execa } from "execa";
import { expect } from "vitest";
import type { Missing } from "../../test/root/harness/needs.ts";
import { type CommandLine, eventually } from "./command-line.ts";
import { cgroupParent, engineEnvironment, limitOf } from "./engine.ts";
import type { Operation } from "./operations.ts";
import { SIZE } from "./pty.ts";
import { blockDevice, controller, dividedCgroups, limitedDevice, swapLimits } from "./requirements.ts";
import type { Dialect } from "./shared-operations.ts";

type Declare = Operation<CommandLine>;

export function declareSharedOptions(operation: Declare, { events, deviceLimits }: Dialect): void {
  declareLife(operation, events);
  declareProcess(operation);
  declareFiles(operation);
  declareLimits(operation, deviceLimits);
}

function declareLife(operation: Declare, events: readonly string[]): void {
  operation("signals to the client", async (engine) => {
    const [program, ...globals] = engine.words;
    const script = "trap 'echo user; exit 8' USR1; echo ready; while :; do sleep 1000 & wait; done";
    const name = await engine.create([], "sh", "-c", script);
    const client = execa(program, [...globals, "start", "--attach", name], {
      reject: false,
      env: engineEnvironment(engine.box),
    });
    let seen = "";
    client.stdout.on("data", (data: Buffer) => {
      seen += data.toString("utf8"); // what comes through it comes after it has its handlers
    });
    await eventually(async () => seen, "ready");
    client.kill("SIGUSR1");
    expect(await client).toMatchObject({ exitCode: 8, stdout: "ready\nuser" });
  });

  operation("attach to a terminal", async (engine) => {
    const name = await engine.create(["--interactive", "--tty"], "sh", "-c", "tty; exec sh");
    await engine.output("start", name);
    await eventually(() => engine.output("logs", name), /\/dev\/(pts\/0|console)/);
    const terminal = engine.onTerminal("attach", name);
    terminal.type("while ! stty size | grep '33 77'; do sleep 0.1; done\n");
    await terminal.until(new RegExp(`\n${SIZE}\r\n`));
    terminal.type("exit 7\n");
    await terminal.ended();
    expect(await engine.output("wait", name)).toBe("7");
  });

  operation("stop timeout", async (engine) => {
    const deaf = await engine.start(["--stop-timeout=1"], "sh", "-c", "trap '' TERM; echo deaf; sleep 1000");
    await eventually(() => engine.output("logs", deaf), "deaf");
    const began = performance.now();
    await engine.output("stop", deaf);
    expect(performance.now() - began).toBeGreaterThan(1000);
    expect(performance.now() - began).toBeLessThan(9000);
    expect(await engine.inspect(deaf, "{{.State.ExitCode}}")).toBe("137");
  });

  operation("rename", async (engine) => {
    const [name, other] = [await engine.start([]), engine.newName()];
    await engine.output("rename", name, other);
    expect(await engine.output("exec", other, "cat", "/proc/1/comm")).toBe("sh");
    await engine.output("stop", other);
  });

  operation("commit", async (engine) => {
    const name = await engine.start([]);
    await engine.output("exec", name, "sh", "-c", "echo text >/kept");
    await engine.output("commit", "--pause", name, "committed");
    expect(await engine.status(name)).toBe("running");
    expect(await engine.output("exec", name, "echo", "awake")).toBe("awake");
    expect(await engine.output("run", "--rm", "--network=none", "committed", "cat", "/kept")).toBe("text");
  });

  operation("cp to what does not run yet, and from what has ended", async (engine) => {
    const name = await engine.create([], "sh", "-c", "cat /tmp/in; echo back >/tmp/out");
    writeFileSync(engine.box.path("in"), "text");
    await engine.output("cp", engine.box.path("in"), `${name}:/tmp/in`);
    expect(await engine.output("start", "--attach", name)).toBe("text");
    await engine.output("cp", `${name}:/tmp/out`, engine.box.path("out"));
    expect(readFileSync(engine.box.path("out"), "utf8")).toBe("back\n");
    expect(await engine.output("diff", name)).toMatch(/^A \/tmp\/out$/m);
  });

  operation("events of its life", async (engine) => {
    const name = await engine.start([]);
    await engine.output("pause", name);
    await engine.output("unpause", name);
    await engine.call("exec", name, "false");
    await engine.output("stop", name);
    const filter = [...events, "--filter", `container=${name}`, "--format", "{{.Status}}"];
    const order = /start\n(.*\n)*pause\nunpause\n(.*\n)*exec_died?\n(.*\n)*(die|died)\n/;
    await eventually(async () => `${await engine.output("events", ...filter)}\n`, order);
  });
}

/** What a process was given. */
const GIVEN = [
  "grep -E '^(Uid|Gid|Cap.*|NoNewPrivs|Seccomp):' /proc/self/status",
  "id -G; cat /proc/self/oom_score_adj /proc/self/cgroup",
  "ulimit -n; ulimit -s",
  "for n in ipc mnt net pid uts cgroup user; do readlink /proc/self/ns/$n; done",
  "cat /proc/self/attr/current 2>/dev/null",
].join("; ");

function declareProcess(operation: Declare): void {
  operation("exec has what the container was given", async (engine) => {
    const flags = [
      ...["--user=1000:2000", "--group-add=3000", "--cap-drop=CHOWN", "--security-opt=no-new-privileges"],
      ...["--oom-score-adj=500", "--ulimit=nofile=1000:1000", "--ulimit=nproc=1000:1000", "--ulimit=stack=4194304"],
    ];
    const name = await engine.start(flags, "sh", "-c", `${GIVEN}; echo end; sleep 1000`);
    await eventually(() => engine.output("logs", name), /\nend$/);
    const first = (await engine.output("logs", name)).replace(/\nend$/, "");
    expect(first).toMatch(/^500$/m);
    expect(first).toMatch(/^1000\n4096$/m);
    expect(await engine.output("exec", name, "sh", "-c", `${GIVEN}; true`)).toBe(first);
  });

  operation("exec in a working directory that is not there", async (engine) => {
    const name = await engine.start([]);
    const refused = await engine.call("exec", "--workdir=/nowhere", name, "true");
    expect([126, 127]).toContain(refused.code);
    expect(refused.stderr + refused.stdout).toContain("/nowhere");
  });

  operation("entrypoint and environment file", async (engine) => {
    writeFileSync(engine.box.path("variables"), "COLOR=red\nSIZE=big\n");
    const flags = [`--env-file=${engine.box.path("variables")}`, "--env=SIZE=small", "--entrypoint=/bin/sh"];
    const shown = await engine.run(flags, "-c", "echo $0 $COLOR $SIZE", "zero");
    expect(shown).toMatchObject({ code: 0, stdout: "zero red small\n" });
  });

  operation("ipc namespace of its own, or without shared memory", async (engine) => {
    for (const [how, mounts] of [
      ["private", "1"],
      ["none", "0"],
    ] as const) {
      const script = "readlink /proc/self/ns/ipc; grep -c ' /dev/shm ' /proc/mounts; true";
      const [namespace, mounted] = (await engine.shell([`--ipc=${how}`], script)).split("\n");
      expect(namespace).not.toBe(readlinkSync("/proc/self/ns/ipc"));
      expect(mounted).toBe(mounts);
    }
  });

  operation("hosts", async (engine) => {
    const shown = await engine.shell(
      ["--add-host=peer:10.1.2.3"],
      "grep peer /etc/hosts; grep -c ' /etc/hosts ' /proc/mounts",
    );
    expect(shown).toMatch(/^10\.1\.2\.3\tpeer\n1$/);
  });
}

function declareFiles(operation: Declare): void {
  operation("device rule", async (engine) => {
    const script = "mknod /tmp/own c 1 11 && : >/tmp/own && echo open";
    expect((await engine.run(["--cap-add=MKNOD"], "sh", "-c", script)).stderr).toContain("Operation not permitted");
    expect(await engine.shell(["--cap-add=MKNOD", "--device-cgroup-rule=c 1:11 rw"], script)).toBe("open");
  });

  operation("tmpfs by --mount", async (engine) => {
    const mount = "--mount=type=tmpfs,target=/x,tmpfs-size=1m,tmpfs-mode=1700";
    const shown = await engine.shell([mount], "grep ' /x ' /proc/mounts; stat -c %a /x");
    expect(shown).toMatch(/^tmpfs \/x tmpfs rw,.*size=1024k.*\n1700$/);
  });

  operation("bind mount without what is mounted below", async (engine) => {
    const below = (flag: string) =>
      engine.shell([`--mount=type=bind,source=/dev,target=/b${flag}`], "grep -c ' /b/' /proc/mounts; test -c /b/null");
    expect(Number(await below(""))).toBeGreaterThan(0);
    expect(await below(",bind-nonrecursive=true")).toBe("0");
  });
}

function declareLimits(operation: Declare, deviceLimits: Missing): void {
  operation("cgroup parent", async (engine) => {
    const own = `${cgroupParent(engine.box)}/`;
    const lines = readFileSync(`/proc/${await engine.pid(await engine.start([]))}/cgroup`, "utf8");
    expect(lines).toContain(own);
  });

  operation(
    "memory and swap limit",
    async (engine) => {
      const name = await engine.start(["--memory=32m", "--memory-swap=48m"]);
      const limit = limitOf(await engine.pid(name), "memory.memsw.limit_in_bytes", "memory.swap.max");
      expect(limit).toBe(existsSync("/sys/fs/cgroup/memory") ? `${48 << 20}` : `${16 << 20}`);
    },
    swapLimits(),
  );

  operation(
    "no OOM killer",
    async (engine) => {
      const name = await engine.start(["--memory=32m", "--oom-kill-disable"]);
      expect(limitOf(await engine.pid(name), "memory.oom_control", "")).toMatch(/^oom_kill_disable 1$/m);
    },
    dividedCgroups("switch for the OOM killer"),
  );

  operation(
    "swappiness",
    async (engine) => {
      const name = await engine.start(["--memory=32m", "--memory-swappiness=7"]);
      expect(limitOf(await engine.pid(name), "memory.swappiness", "")).toBe("7");
    },
    dividedCgroups("swappiness"),
  );

  operation("cpu quota and period", async (engine) => {
    const pid = await engine.pid(await engine.start(["--cpu-quota=20000", "--cpu-period=50000"]));
    const quota = limitOf(pid, "cpu.cfs_quota_us", "cpu.max");
    const period = limitOf(pid, "cpu.cfs_period_us", "cpu.max");
    expect([quota, period]).toEqual(quota.includes(" ") ? ["20000 50000", "20000 50000"] : ["20000", "50000"]);
  });

  operation(
    "memory nodes",
    async (engine) => {
      const pid = await engine.pid(await engine.start(["--cpuset-mems=0"]));
      expect(limitOf(pid, "cpuset.mems", "cpuset.mems")).toBe("0");
    },
    controller("cpuset"),
  );

  operation(
    "limit of a block device",
    async (engine) => {
      const flags = [`--device-read-bps=${blockDevice()}:1mb`, `--device-write-iops=${blockDevice()}:50`];
      const pid = await engine.pid(await engine.start(flags));
      expect(limitOf(pid, "blkio.throttle.read_bps_device", "io.max")).toMatch(
        /^\d+:\d+ (1048576$|rbps=1048576 .*wiops=50$)/m,
      );
    },
    limitedDevice(),
    deviceLimits,
  );

  operation("update of processes and CPUs", async (engine, skip) => {
    if (!(await engine.output("update", "--help")).includes("--pids-limit")) skip("its update has no --pids-limit");
    const name = await engine.start(["--pids-limit=20", "--cpus=1"]);
    await engine.output("update", "--pids-limit=30", "--cpus=0.5", name);
    const pid = await engine.pid(name);
    expect(limitOf(pid, "pids.max", "pids.max")).toBe("30");
    expect(limitOf(pid, "cpu.cfs_quota_us", "cpu.max")).toMatch(/^50000( 100000)?$/);
  });
}
