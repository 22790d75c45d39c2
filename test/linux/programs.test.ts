// The printed plans are what to review when the order of set-up changes: `npx vitest run test/linux/programs.test.ts -u`.

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { openat, syscall } from "../../src/linux/calls.ts";
import { AgentKernel } from "../../src/linux/kernel.ts";
import type { Namespaces } from "../../src/linux/namespaces.ts";
import { Out, Plan, Result } from "../../src/linux/plan.ts";
import { printPlan } from "../../src/linux/print.ts";
import {
  type Become,
  become,
  ENVOYS_CALLS,
  type Launch,
  launch,
  type Program,
  planBirth,
  planOwn,
  runNow,
  setUp,
  waitForStart,
} from "../../src/linux/programs.ts";
import { lastFilter, planLastButOne } from "../../src/linux/seccomp/load.ts";
import type { Config, Process } from "../../src/spec/config.gen.ts";
import { exampleConfig } from "../../src/spec/example.ts";
import { AgentModel } from "./agent-model.ts";
import {
  calls,
  created,
  config as emptyConfig,
  ingredients,
  LAST_CAPABILITY,
  namespacesOf,
  process,
} from "./sample.ts";

const DOCKER_CONFIG = new URL("../../bench/docker.json", import.meta.url);
const docker = (): Config => JSON.parse(readFileSync(DOCKER_CONFIG, "utf8"));
/** The example with the two pauses of a config that has hooks. */
const hooks = { runtimeHooks: () => {}, containerHooks: () => {} };
const V1 = [
  { name: "cpu,cpuacct", directory: "/sys/fs/cgroup/cpu,cpuacct/sample" },
  { name: "memory", directory: "/sys/fs/cgroup/memory/sample" },
  { name: "name=systemd", directory: "/sys/fs/cgroup/systemd/sample" },
];

describe("launch", () => {
  const plain: Launch = {
    namespaces: created("mount", "pid", "ipc", "uts", "network"),
    cgroup: { tasks: [4, 5], directory: undefined },
    keyring: { name: "_ses.sample", isNew: true },
    firstPrivateFd: 3,
    childSocket: 6,
  };
  const text = (changes: Partial<Launch>): string => printPlan(launch({ ...plain, ...changes }).plan);

  it("with cgroup v1: the agent moves itself, then clones init", () => {
    expect(text({})).toMatchSnapshot();
  });

  it("with cgroup v2: init is cloned into its cgroup", () => {
    expect(text({ cgroup: { tasks: [], directory: 4 } })).toMatchSnapshot();
  });

  it("joins what has a path, the user namespace last", () => {
    const joined: Namespaces["joined"] = [
      { type: "user", path: "/proc/1/ns/user", fd: 7, isTheHosts: false, index: 0 },
      { type: "network", path: "/run/netns/pod", fd: 8, isTheHosts: false, index: 1 },
    ];
    expect(text({ namespaces: { created: new Set(["mount", "cgroup"]), joined } })).toMatchSnapshot();
  });

  it("writes time offsets before a process is in the namespace", () => {
    const timeOffsets = { monotonic: { secs: 18446744073709551615n, nanosecs: 5 }, boottime: { secs: -7 } };
    expect(text({ namespaces: created("time", "pid"), timeOffsets })).toMatchSnapshot();
  });

  it("for exec: joins by init's pidfd, with the affinity that it is to have before it is in the cgroup", () => {
    const joinInit = { pidfd: 9, flags: 0x2000_0000 + 0x2_0000 };
    const affinity = { initial: "0-1,3", final: "2" };
    expect(text({ namespaces: created(), joinInit, affinity, firstPrivateFd: 5 })).toMatchSnapshot();
  });

  it("for exec with empty affinities: as with none", () => {
    expect(text({ affinity: { initial: "", final: "" } })).toBe(text({}));
  });

  it("labels the keyring as the process", () => {
    const confined = { apparmorProfile: "sample", selinuxLabel: "a:b:c:s0" };
    const { steps } = launch({ ...plain, confined, procfs: 7 }).plan;
    const names = steps.map(({ call }) => call.name);
    expect(names.slice(2, 6)).toEqual(["openat2", "write", "close", "keyctl"]);
    expect(steps[2]?.call.args.slice(0, 2)).toEqual([7, "thread-self/attr/keycreate"]);
    expect(text({ confined: { selinuxLabel: "" } })).toBe(text({}));
    expect(text({ confined, procfs: 7, keyring: undefined })).toBe(text({ keyring: undefined }));
  });

  it("names the result that is the pid", () => {
    const { plan, pid } = launch(plain);
    const model = new AgentModel(({ name }) => (name === "clone3" ? 4711 : 0));
    expect(new AgentKernel(model).run(plan).value(pid)).toBe(4711);
  });

  it("of an ordinary user: it can be reached by him alone, and time is left to init", () => {
    const namespaces = created("user", "mount", "time");
    const calls = launch({ ...plain, namespaces, unprivileged: true }).plan.steps.map(({ call }) => call.name);
    expect(calls).not.toContain("prctl");
    expect(calls).not.toContain("unshare");
    const joined = [{ type: "user", path: "/ns", fd: 7, isTheHosts: false, index: 0 }] as const;
    const into = launch({ ...plain, namespaces: { created: new Set(["mount"]), joined }, unprivileged: true });
    expect(into.plan.steps.map(({ call }) => call.name)).toContain("prctl"); // others are in there
  });

  it("protects itself before it does anything else", () => {
    const calls = launch({ ...plain, affinity: { initial: "0" } }).plan.steps.map(({ call }) => call.name);
    expect(calls.filter((name) => name !== "keyctl").slice(0, 3)).toEqual([
      "close_range",
      "prctl",
      "sched_setaffinity",
    ]);
  });
});

describe("setUp", () => {
  it("of the config that `tsrun spec` writes", () => {
    const config = exampleConfig();
    const plan = ingredients(config, { namespaces: namespacesOf(config), cgroups: V1, leftOpen: [8], ...hooks });
    setUp(plan);
    expect(printPlan(plan.plan)).toMatchSnapshot();
  });

  it("of an envoy: it stays outside of the pid namespace that its procfs and its child are of", () => {
    const mounts = [{ destination: "/proc", type: "proc", source: "proc" }];
    const joined = [{ type: "pid", path: "/ns", fd: 9, isTheHosts: false, index: 0 }] as const;
    const made = ingredients(emptyConfig({}, { mounts }), {
      namespaces: { created: new Set(["mount"]), joined },
      pids: 9,
    });
    setUp(made);
    const lines = calls(made.plan).filter((line) => /[( ]9[,)]|fsopen\("proc"/.test(line));
    expect(lines.slice(0, 3)).toEqual([
      "setns(9, CLONE_NEWPID)",
      'fsopen("proc", FSOPEN_CLOEXEC)',
      expect.stringMatching(/^fsconfig\(#\d+, FSCONFIG_SET_FD, "pidns", 9\)$/),
    ]);
    expect(lines.at(-1)).toBe("close(9)");
  });

  it("of Docker's usual config", () => {
    const config = docker();
    const plan = ingredients(config, {
      namespaces: namespacesOf(config),
      cgroups: V1,
      leftOpen: [8],
      cgroupTasks: [4, 5],
    });
    setUp(plan);
    expect(printPlan(plan.plan)).toMatchSnapshot();
  });

  it("of an ordinary user's config: devices are bound, the ids are the user namespace's", () => {
    const config = exampleConfig({ rootless: true, cgroup2: true });
    const cgroups = [{ name: "", directory: "/sys/fs/cgroup/sample" }];
    const plan = ingredients(config, { namespaces: namespacesOf(config), cgroups });
    setUp(plan);
    expect(printPlan(plan.plan)).toMatchSnapshot();
  });

  it("of an ordinary user: stays in his reach when it becomes root, and enters the time namespace by itself", () => {
    const config = exampleConfig({ rootless: true });
    const namespaces: Namespaces = { created: new Set([...namespacesOf(config).created, "time"]), joined: [] };
    const from = ingredients(config, { namespaces, unprivileged: true });
    setUp(from);
    const lines = printPlan(from.plan)
      .split("\n")
      .map((line) => (line.trim().split(/ {2,}/)[0] ?? "").replace(/ = #\d+$/, ""));
    const root = lines.indexOf("setresuid(0, 0, 0)");
    expect(lines.slice(root + 1, root + 5)).toEqual([
      expect.stringMatching(/^prctl\(PR_SET_DUMPABLE, 1/),
      "unshare(CLONE_NEWTIME)",
      expect.stringContaining("time_for_children"),
      expect.stringMatching(/^setns\(#\d+, CLONE_NEWTIME\)/),
    ]);
  });

  it.each([
    ["the example", exampleConfig()],
    ["the example of an ordinary user", exampleConfig({ rootless: true })],
    ["Docker's", docker()],
    ["one with two procfs", emptyConfig({}, { mounts: [proc(), proc()] })],
  ])("leaves init nothing open but its terminal: %s", (_, config) => {
    const namespaces = namespacesOf(config);
    const mount: Namespaces = { ...namespaces, created: new Set([...namespaces.created, "mount"]) };
    const from = ingredients(config, { namespaces: mount, cgroups: V1 });
    const { terminal } = setUp(from);
    const open = openAfter(from.plan, []);
    expect(open).toEqual(terminal === undefined ? [] : [terminal.master.index, terminal.slave.index]);
  });

  it("leaves nothing open where the paths that it masks are not there, or are directories", () => {
    for (const errno of ["ENOENT", "ENOTDIR"] as const) {
      const { process: _, ...config } = exampleConfig();
      const from = ingredients(config, { namespaces: namespacesOf(config) });
      setUp(from);
      expect(openAfter(from.plan, [errno]), errno).toEqual([]);
    }
  });

  it("enters the root when everything that needs the host's paths is done, and seals it before", () => {
    const config = exampleConfig();
    const from = ingredients(config, { namespaces: namespacesOf(config) });
    setUp(from);
    const steps = from.plan.steps.map(({ call, field }) => ({ name: call.name, field, first: call.args[0] }));
    const pivot = steps.findIndex(({ name }) => name === "pivot_root");
    const last = (field: string): number => steps.findLastIndex((step) => step.field.startsWith(field));
    expect(last("linux.maskedPaths")).toBeLessThan(pivot);
    expect(last("root.readonly")).toBeLessThan(pivot);
    expect(steps.slice(pivot).map(({ name }) => name)).toEqual([
      "pivot_root",
      "umount2",
      "chdir",
      "close",
      "close",
      "close",
    ]);
    expect(last("linux.readonlyPaths")).toBeLessThan(last("linux.maskedPaths"));
  });

  it("runs hooks when mounts and devices are there and before the root is entered", () => {
    const config = exampleConfig();
    const from = ingredients(config, { namespaces: namespacesOf(config), ...hooks });
    setUp(from);
    const { pauses, steps } = from.plan;
    expect(pauses.map(({ what }) => what)).toEqual(["hooks prestart, createRuntime", "hooks createContainer"]);
    const before = steps.slice(0, pauses[0]?.after).map(({ field }) => field);
    const after = steps.slice(pauses[0]?.after).map(({ call }) => call.name);
    expect(before.some((field) => field.startsWith("mounts[6]"))).toBe(true);
    expect(before.at(-1)).toBe("cgroup"); // hooks find the process in its cgroup
    expect(after).toContain("pivot_root");
  });
});

function proc(): NonNullable<Config["mounts"]>[number] {
  return { destination: "/proc", type: "proc", source: "proc" };
}

/** Indexes of the calls whose descriptors are open when the plan has run, where calls that tolerate `errnos` fail. */
function openAfter(plan: Plan, errnos: readonly string[]): number[] {
  const open = new Set<number>();
  for (let i = 0; i < plan.steps.length; i++) {
    const step = plan.steps[i];
    if (step === undefined) break;
    const { call, tolerance } = step;
    const failed = tolerance?.errno !== undefined && errnos.includes(tolerance.errno);
    if (!failed && OPENING.has(call.name)) open.add(i);
    if (!failed && call.name === "ioctl" && call.args[1] === TIOCGPTPEER) open.add(i);
    if (call.name === "close" && call.args[0] instanceof Result && !open.delete(call.args[0].index))
      throw new Error(`step ${i} closes what is not open`);
    if (failed !== (tolerance?.skipOnSuccess ?? false)) i += tolerance?.skip ?? 0;
  }
  return [...open];
}

const OPENING = new Set(["openat", "openat2", "open_tree", "fsopen", "fsmount", "socket"]);
const TIOCGPTPEER = 0x5441;

describe("become", () => {
  const seccomp = { filter: new Uint8Array(24), flags: 2 };
  const as = (process: Process, changes: Partial<Become> = {}): Plan => {
    const plan = new Plan();
    become(plan, {
      process,
      defaultUmask: 0o22,
      lastCapability: LAST_CAPABILITY,
      held: undefined,
      inUserNamespace: false,
      seccomp: undefined,
      nullStdio: [],
      terminal: undefined,
      ...changes,
    });
    return plan;
  };
  const names = (plan: Plan): string[] => plan.steps.map(({ call }) => call.name);

  it("of root, which may do nothing, since the config says nothing", () => {
    expect(printPlan(as(process(), { nullStdio: [0, 2] }))).toMatchSnapshot();
  });

  it("of a user with some capabilities, limits and groups", () => {
    const capabilities = {
      bounding: ["CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_CHECKPOINT_RESTORE"],
      permitted: ["CAP_KILL", "CAP_NET_BIND_SERVICE"],
      effective: ["CAP_KILL"],
      inheritable: ["CAP_NET_BIND_SERVICE"],
      ambient: ["CAP_NET_BIND_SERVICE"],
    };
    const user = { uid: 1000, gid: 100, umask: 0o77, additionalGids: [10, 4294967294] };
    const scheduler = { policy: "SCHED_BATCH", nice: -5, flags: ["SCHED_FLAG_RESET_ON_FORK"] } as const;
    const ioPriority = { class: "IOPRIO_CLASS_BE", priority: 4 } as const;
    const full = process({ user, capabilities, scheduler: { ...scheduler, flags: [...scheduler.flags] }, ioPriority });
    const personality = { domain: "LINUX32" } as const;
    expect(printPlan(as({ ...full, noNewPrivileges: true }, { seccomp, personality }))).toMatchSnapshot();
  });

  it("loads a filter while it has the right to, where no_new_privs does not give it", () => {
    const early = names(as(process({ capabilities: {} }), { seccomp }));
    expect(early.indexOf("seccomp")).toBeGreaterThan(0);
    expect(early.indexOf("seccomp")).toBeLessThan(early.indexOf("prctl"));
    expect(early.indexOf("seccomp")).toBeLessThan(early.indexOf("setresuid"));
    expect(names(as(process({ noNewPrivileges: true }), { seccomp }))).not.toContain("seccomp");
  });

  it("is confined first, while there is no_new_privs, a filter, or a user without rights to come", () => {
    const confined = { apparmorProfile: "sample", selinuxLabel: "a:b:c:s0", noNewPrivileges: true };
    const plan = as(process(confined), { seccomp, procfs: 7 });
    expect(names(plan).slice(0, 8)).toEqual([
      ...new Array(2).fill(["openat2", "write", "close"]).flat(),
      "close",
      "setsid",
    ]);
    expect(openAfter(plan, [])).toEqual([]);
    expect(() => as(process(confined), { seccomp })).toThrow("has no procfs");
  });

  it.each([true, false])(
    "calls nothing but write until the listener of a filter is handed on: no_new_privs %s",
    (late) => {
      const told: number[] = [];
      const asking = { ...seccomp, onListener: (fd: number) => told.push(fd) };
      const own = process({ capabilities: {}, noNewPrivileges: late });
      const plan = as(own, { seccomp: asking });
      planLastButOne(plan, own, asking);
      expect(lastFilter(own, asking)).toBeUndefined();
      const at = names(plan).indexOf("seccomp");
      expect(names(plan).slice(at, at + 2)).toEqual(["seccomp", "close"]);
      expect(names(plan).lastIndexOf("setresuid") < at).toBe(late);
      expect(plan.pauses.map(({ after }) => after)).toEqual([at + 1]);
      plan.pauses[0]?.action({ value: ({ index }) => (index === at ? 9 : -1), bytes: () => new Uint8Array() });
      expect(told).toEqual([9]);
    },
  );

  it("with a terminal: it controls the session and is the standard streams, which are not replaced", () => {
    const plan = new Plan();
    const master = plan.at("process.terminal").add(openat(-100, "/dev/pts/ptmx", 2));
    const slave = plan.add(syscall("ioctl", master, TIOCGPTPEER, 2));
    const terminal = { master, slave, name: () => "/dev/pts/0" };
    become(plan, { ...BARE, process: process({ user: { uid: 5, gid: 5 } }), nullStdio: [0, 1, 2], terminal });
    expect(printPlan(plan)).toMatchSnapshot();
    expect(openAfter(plan, [])).toEqual([]);
  });

  it("of a process of exec: gives it the CPUs that it is to have inside", () => {
    const masks = (affinity: Become["affinity"]) =>
      as(process(), { affinity }).steps.filter(({ call }) => call.name === "sched_setaffinity");
    expect(masks({ initial: "0", final: "1" }).map(({ field }) => field)).toEqual(["process.execCPUAffinity.final"]);
    expect(masks({ initial: "0" }).map(({ field }) => field)).toEqual(["cgroup"]);
    expect(masks({ initial: "", final: "" })).toEqual([]);
  });

  it("of an envoy: leaves the terminal's session to the process that it clones", () => {
    const plan = new Plan();
    const terminal = {
      master: plan.add(openat(0, "m", 0)),
      slave: plan.add(openat(0, "s", 0)),
      name: () => "/dev/pts/0",
    };
    become(plan, { ...BARE, process: process(), terminal, isEnvoy: true });
    expect(printPlan(plan)).not.toContain("TIOCSCTTY");
    expect(openAfter(plan, [])).toEqual([]);
    expect(calls(planOwn(process({ terminal: true })))).toEqual(["setsid()", "ioctl(0, TIOCSCTTY, 0)"]);
  });

  it("of an envoy: calls nothing behind its filter but what a listener is not to be asked about by then", () => {
    const plan = new Plan();
    const user = { uid: 5, gid: 5, additionalGids: [7], umask: 0o27 };
    become(plan, { ...BARE, process: process({ user, capabilities: {} }), seccomp, isEnvoy: true });
    planBirth(plan, 9);
    const behind = names(plan).slice(names(plan).indexOf("seccomp") + 1);
    expect(behind.filter((name) => name !== "adopt" && !ENVOYS_CALLS.has(name))).toEqual([]);
    expect(behind).toContain("clone");
  });

  it("of what an envoy clones: a session that a filter may refuse, and its own limit of processes", () => {
    const rlimits = [{ type: "RLIMIT_NPROC", soft: 5, hard: 7 }] as const;
    expect(calls(planOwn(process({ rlimits: [...rlimits] })))).toEqual([
      "setsid()",
      "prlimit64(0, RLIMIT_NPROC, {soft=5, hard=7}, NULL)",
    ]);
    const plan = new Plan();
    planBirth(plan, 9);
    expect(calls(plan)).toEqual(["clone(CLONE_PARENT)", "adopt(9, #1)", "close(9)"]);
  });

  it("bounds, then changes the user, then takes what the user may do, then looks for the program", () => {
    const order = names(as(process({ user: { uid: 1, gid: 1 }, capabilities: {} })));
    const at = (name: string): number => order.indexOf(name);
    expect(
      order.filter((name) => ["setgroups", "setresgid", "setresuid", "capset", "statx"].includes(name)).slice(0, 5),
    ).toEqual(["setgroups", "setresgid", "setresuid", "capset", "statx"]);
    expect(at("prctl")).toBeLessThan(at("setgroups"));
    expect(at("chdir")).toBeLessThan(at("setresuid"));
  });

  it("finds the program by the answers, and refuses a working directory or a /dev/null that is outside", () => {
    const plan = new Plan();
    const became = become(plan, { ...BARE, process: process(), nullStdio: [0] });
    const outs = plan.steps.flatMap(({ call }) => call.args.filter((arg) => arg instanceof Out));
    const nothing = { value: () => 0, bytes: (out: Out) => new Uint8Array(out.size) };
    expect(() => became.program(nothing)).toThrow("the directory is outside the container's root file system");
    const inside = (out: Out): Uint8Array => new Uint8Array(out.size).fill(out.size === 4096 ? 0x2f : 0);
    expect(became.program({ value: () => 0, bytes: inside })).toBe("/usr/bin/sh");
    // A character device, but 1:5.
    const zero = new Uint8Array(256);
    const view = new DataView(zero.buffer);
    view.setUint16(28, 0o020666, true);
    view.setUint32(128, 1, true);
    view.setUint32(132, 5, true);
    const other = (out: Out): Uint8Array => (out === outs[0] ? zero : inside(out));
    expect(() => became.program({ value: () => 0, bytes: other })).toThrow(
      "/dev/null of the container is something else",
    );
    view.setUint32(132, 3, true);
    expect(became.program({ value: () => 0, bytes: other })).toBe("/usr/bin/sh");
    const regular = (out: Out): Uint8Array => (out === outs[0] ? new Uint8Array(256).fill(0x80) : inside(out));
    expect(() => became.program({ value: () => 0, bytes: regular })).toThrow(
      "/dev/null of the container is something else",
    );
  });
});

const BARE: Omit<Become, "process"> = {
  defaultUmask: undefined,
  lastCapability: LAST_CAPABILITY,
  held: undefined,
  inUserNamespace: true,
  seccomp: undefined,
  nullStdio: [],
  terminal: undefined,
};

describe("The program", () => {
  const program: Program = {
    path: "/bin/sh",
    args: ["sh", "-c", 'echo "$X"'],
    env: ["X=1", "HOME=/root"],
    seccomp: { filter: new Uint8Array(16), flags: 0 },
    rlimits: [
      { type: "RLIMIT_CORE", soft: 0, hard: 0 },
      { type: "RLIMIT_NOFILE", soft: 1024, hard: 18446744073709551615n },
    ],
  };

  it("of create waits for `start`, and what fails then is told to it", () => {
    expect(printPlan(waitForStart(program, { gate: 7, failure: 8 }))).toMatchSnapshot();
  });

  it("that is none ends when `start` comes", () => {
    const plan = waitForStart(undefined, { gate: 7, failure: 8 });
    expect(plan.steps.map(({ call }) => call.name)).toEqual(["close", "fcntl", "close", "read"]);
  });

  it("of run is run at once", () => {
    expect(printPlan(runNow(program))).toMatchSnapshot();
  });

  it("without a limit of descriptors has that of tsrun's caller, not the engine's", () => {
    const [limit] = runNow({ ...program, rlimits: [] }).steps;
    const bytes = limit?.call.args[2];
    if (!(bytes instanceof Uint8Array)) throw new Error("no limit is set");
    const view = new DataView(bytes.buffer);
    const [soft, hard] = [view.getBigUint64(0, true), view.getBigUint64(8, true)];
    const line = readFileSync(`/proc/${globalThis.process.ppid}/limits`, "utf8").match(/^Max open files +(\d+)/m)?.[1];
    expect(soft).toBe(BigInt(line ?? -1) < hard ? BigInt(line ?? -1) : hard);
  });
});
