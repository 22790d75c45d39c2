// A container in the pid namespace of another, as in a pod (Kubernetes' shareProcessNamespace, `docker run --pid=container:ID`).
// Its init is made outside of that, by an envoy, and must not differ for it. attacks/joining.test.ts has why.

import { readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { idle, type Json, linux, MOUNTS, namespaces, sh } from "./harness/config.ts";
import { ConsoleSocket } from "./harness/console.ts";
import type { Container } from "./harness/container.ts";
import { DescriptorSocket } from "./harness/descriptor-socket.ts";
import { ListenerSocket } from "./harness/listener.ts";
import { except, needs } from "./harness/needs.ts";
import { outputOf } from "./harness/run.ts";
import type { Sandbox } from "./harness/sandbox.ts";

const only = needs(except({ runc: "is made inside", crun: "is made inside" }));

/** A container whose pid namespace others join, and what joins it. */
async function pod(box: Sandbox): Promise<{ first: Container; joined: Json }> {
  const first = box.container(idle());
  expect((await first.runDetached()).code).toBe(0);
  await first.untilOutput("ready");
  const { pid } = await first.state();
  return { first, joined: namespaces(`pid=/proc/${pid}/ns/pid`, "mount", "ipc", "uts", "network", "cgroup") };
}

/** The number of a process in the innermost pid namespace. */
function numberInside(pid: number): number {
  return Number(/^NSpid:.*?(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

const alone = namespaces("pid", "mount", "ipc", "uts", "network", "cgroup");

/** What a process is, without what is another's each time. */
const REPORT = [
  "grep -E '^(Umask|Uid|Gid|Groups|Cap.*|NoNewPrivs|Seccomp|Cpus_allowed|Mems_allowed):' /proc/self/status",
  "cat /proc/self/limits /proc/self/oom_score_adj /proc/self/personality 2>/dev/null; pwd; ulimit -a",
  "cat /proc/self/cgroup | sed 's/tsrun-test-[^/]*//'; cut -d' ' -f18,19,40,41 /proc/$$/stat; (cd /proc/$$/fd; echo *)",
  "cut -d' ' -f4- /proc/self/mountinfo | sed 's/tsrun-test-[^ ]*//g'; ls -ld /proc/self/root/* | cut -d' ' -f1; env",
  "set -- $(cut -d' ' -f5,6 /proc/$$/stat) $$; test $1 = $3 && test $2 = $3 && echo leads its session",
].join("; ");

describe("what is in a pod is as what is alone", () => {
  const CAPS = ["CAP_SYS_PTRACE", "CAP_NET_RAW"];
  const rows: [name: string, overrides: Json[]][] = [
    ["as it comes", []],
    [
      "another user, with limits",
      [
        {
          process: {
            user: { uid: 1000, gid: 1001, additionalGids: [7, 8], umask: 0o27 },
            cwd: "/tmp",
            oomScoreAdj: 321,
            noNewPrivileges: true,
            capabilities: { bounding: CAPS, permitted: CAPS, effective: CAPS, inheritable: CAPS, ambient: CAPS },
            rlimits: [
              { type: "RLIMIT_NPROC", soft: 77, hard: 88 },
              { type: "RLIMIT_NOFILE", soft: 99, hard: 111 },
              { type: "RLIMIT_CORE", soft: 1, hard: 2 },
            ],
          },
        },
      ],
    ],
    [
      "with a filter",
      [
        linux({
          seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["swapon"], action: "SCMP_ACT_ERRNO" }] },
        }),
      ],
    ],
    [
      "with masks, sysctl, a read-only root and a limit of processes",
      [
        { root: { path: "rootfs", readonly: true } },
        linux({
          maskedPaths: ["/proc/kcore", "/proc/timer_list", "/sys/firmware"],
          readonlyPaths: ["/proc/sys", "/proc/irq"],
          sysctl: { "net.ipv4.ip_forward": "1", "kernel.msgmax": "9000" },
          resources: { pids: { limit: 20 } },
        }),
      ],
    ],
  ];
  for (const [name, overrides] of rows)
    needs()(name, async ({ box }) => {
      const { joined } = await pod(box);
      const report = async (kind: Json) => await outputOf(box, sh(REPORT), kind, ...overrides);
      const expected = await report(alone);
      expect(expected).toMatch(/leads its session\n$/);
      expect(await report(joined)).toBe(expected);
    });

  needs(except({ runc: "1.1 predates the field", crun: "1.8 predates the field" }))(
    "scheduled as it is to be, also where it is not passed on",
    async ({ box }) => {
      const { joined } = await pod(box);
      const batch = { policy: "SCHED_BATCH", nice: -3 };
      for (const scheduler of [batch, { ...batch, flags: ["SCHED_FLAG_RESET_ON_FORK"] }]) {
        const process = { scheduler, ioPriority: { class: "IOPRIO_CLASS_BE", priority: 6 } };
        const script = sh("cut -d' ' -f19,41 /proc/$$/stat; ionice -p $$");
        expect(await outputOf(box, script, joined, { process })).toBe("-3 3\nbest-effort: prio 6\n");
      }
    },
  );
});

describe("the pid of a container in a pod", () => {
  needs()("is that of the process, in the state, the pid file and its cgroup", async ({ box }) => {
    const { first, joined } = await pod(box);
    const container = box.container(sh("echo $$; exec sleep 1000"), joined);
    const pidFile = box.path("pid");
    expect(await container.create(["--pid-file", pidFile])).toMatchObject({ code: 0 });
    const { pid, status } = await container.state();
    expect(status).toBe("created");
    expect(Number(readFileSync(pidFile, "utf8"))).toBe(pid);
    const inside = numberInside(pid);
    expect(inside).toBeGreaterThan(1);
    expect((await first.exec(["ls", "/proc"])).stdout.split("\n")).toContain(String(inside));
    expect((await container.start()).code).toBe(0);
    await container.untilOutput(`${inside}\n`);
    expect((await container.state()).pid).toBe(pid);
    expect(JSON.parse((await box.call(["ps", "--format", "json", container.id])).stdout)).toEqual([pid]);
  });

  only("is sent by its pidfd", async ({ box }) => {
    const { joined } = await pod(box);
    const socket = new DescriptorSocket(box, "pidfd.sock");
    const container = box.container(idle(), joined);
    expect(await container.create(["--pidfd-socket", socket.path])).toMatchObject({ code: 0 });
    const { descriptor } = socket.receive();
    const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8");
    expect(Number(/^Pid:\t(\d+)$/m.exec(info)?.[1])).toBe((await container.state()).pid);
  });

  for (const noNewPrivileges of [false, true])
    for (const more of [[], ["prctl", "clone"]])
      only(`is told to the seccomp listener: ${noNewPrivileges}, ${more}`, async ({ box }) => {
        const { joined } = await pod(box);
        const socket = new ListenerSocket(box);
        const syscalls = [{ names: ["mkdir", "mkdirat", ...more], action: "SCMP_ACT_NOTIFY" }];
        const seccomp = { defaultAction: "SCMP_ACT_ALLOW", listenerPath: socket.path, syscalls };
        const container = box.container(sh("mkdir /made && echo $?"), joined, linux({ seccomp }), {
          process: { noNewPrivileges },
        });
        const creating = container.create();
        const notifier = await socket.receive();
        await notifier.serve(creating, () => "continue");
        expect(await creating).toMatchObject({ code: 0 });
        const { pid } = await container.state();
        expect(notifier.told).toMatchObject({ pid, state: { status: "creating", pid } });
        expect((await container.start()).code).toBe(0);
        await notifier.serve(container.until("stopped"), () => "continue");
        expect(container.output()).toBe("0\n");
      });

  needs()("is told to hooks, which find it there", async ({ box }) => {
    const { joined } = await pod(box);
    const told = box.path("told");
    const hook = { path: "/bin/sh", args: ["sh", "-c", `cat >> ${told}; echo >> ${told}`] };
    const kinds = ["prestart", "createRuntime", "poststart"];
    const container = box.container(idle(), joined, { hooks: Object.fromEntries(kinds.map((kind) => [kind, [hook]])) });
    expect(await container.create()).toMatchObject({ code: 0 });
    expect((await container.start()).code).toBe(0);
    const states = readFileSync(told, "utf8").trim().split("\n");
    const { pid } = await container.state();
    expect(states.map((text) => JSON.parse(text).pid)).toEqual(kinds.map(() => pid));
  });

  only(
    "is that of one who was root in there, where hooks are told it, which is said to who listens",
    async ({ box }) => {
      const { joined } = await pod(box);
      const hooks = { createRuntime: [{ path: "/bin/true" }] };
      const container = box.container(idle(), joined, { hooks });
      const args = ["create", "--bundle", container.bundle, container.id];
      expect(await box.callDetached(["--log-level", "warning", ...args], box.path("log"))).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(
          /level=warning msg=.*namespaces\[0\] \(pid\): .*CAP_SYS_PTRACE.*: hooks are told its pid/,
        ),
      });
    },
  );
});

describe("a container in a pod", () => {
  const classic = needs(except({ crun: "refuses the option" }));
  for (const [options, declare] of [
    [[], needs()],
    [["hidepid=0"], needs()],
    [["iversion"], classic], // known to mount(2) alone
  ] as const)
    declare(`has a procfs that shows the pod, to all in it: ${options}`, async ({ box }) => {
      const { joined } = await pod(box);
      const [, ...others] = MOUNTS;
      const proc = { ...MOUNTS[0], options };
      const own = await outputOf(box, sh("echo $$; cd /proc; echo [0-9]*"), joined, {
        mounts: [proc, ...others],
      });
      const [self, all = ""] = own.split("\n");
      expect(all.split(" ")).toContain("1");
      expect(all.split(" ")).toContain(self);
      expect(all.split(" ").length).toBeLessThan(6);
    });

  needs()("has its terminal, as the leader of a session", async ({ box }) => {
    const { joined } = await pod(box);
    const socket = new ConsoleSocket(box);
    const container = box.container(
      sh(
        "trap 'echo INTERRUPTED; exit' INT; tty; echo hi >/dev/tty; read x; echo got $x; while :; do sleep 0.02; done",
      ),
      joined,
      { process: { terminal: true } },
    );
    expect(await container.create(["--console-socket", socket.path])).toMatchObject({ code: 0 });
    const console = socket.receive();
    expect((await container.start()).code).toBe(0);
    // The terminal echoes what is typed at once, amid what the program is writing: not before it waits for it.
    expect(await console.until(/hi\r\n/)).toBe("/dev/pts/0\r\nhi\r\n");
    console.write("typed\n");
    await console.until(/got typed/);
    console.write("\x03");
    await console.until(/INTERRUPTED/);
  });

  needs()("ends with its status where it is run in the foreground", async ({ box }) => {
    const { joined } = await pod(box);
    expect(await box.container(sh("echo out; exit 7"), joined).run()).toMatchObject({ code: 7, stdout: "out\n" });
  });

  needs()("may be allowed one process alone", async ({ box }) => {
    const { joined } = await pod(box);
    const one = linux({ resources: { pids: { limit: 1 } } });
    expect(await outputOf(box, { process: { args: ["echo", "made"] } }, joined, one)).toBe("made\n");
  });

  needs()("can be joined by exec", async ({ box }) => {
    const { joined } = await pod(box);
    const container = box.container(idle(), joined);
    expect((await container.runDetached()).code).toBe(0);
    const { pid } = await container.state();
    const places = ["self", numberInside(pid)].map((process) => `readlink /proc/${process}/ns/mnt`);
    const [own, ofInit] = (await container.exec(["sh", "-c", places.join(";")])).stdout.split("\n");
    expect(own).toMatch(/^mnt:/);
    expect(ofInit).toBe(own);
  });

  needs()("leaves nothing behind where its program is not there", async ({ box }) => {
    const { joined, first } = await pod(box);
    const container = box.container({ process: { args: ["/no/such"] } }, joined);
    const { code } = await container.create();
    if (code === 0) expect((await container.start()).code).not.toBe(0);
    await container.delete("--force");
    const seen = (await first.exec(["sh", "-c", "cat /proc/[0-9]*/cmdline"])).stdout;
    expect(seen).not.toContain("tsrun:");
  });
});
