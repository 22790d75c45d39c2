// Hooks in a container's namespaces. The container here is an agent's clone in namespaces of its own, which waits for plans
// as a real init does while hooks run.

import {
  chmodSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  writeFileSync,
} from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Inside, startHookInside } from "../../src/lifecycle/hook-process.ts";
import { type HookState, runHooksInside } from "../../src/lifecycle/hooks.ts";
import { MNT_DETACH, MS_BIND, MS_PRIVATE, MS_REC } from "../../src/linux/abi/mount.ts";
import { Agent, socketpair } from "../../src/linux/agent/agent.ts";
import { syscall } from "../../src/linux/calls.ts";
import { StandardPipes } from "../../src/linux/converse.ts";
import { thisHost } from "../../src/linux/host.ts";
import { AgentKernel } from "../../src/linux/kernel.ts";
import { pidfdOpen } from "../../src/linux/local.ts";
import { NAMESPACE_FLAGS, type NamespaceType } from "../../src/linux/namespaces.ts";
import { Plan } from "../../src/linux/plan.ts";
import { POLLIN, poll } from "../../src/linux/poll.ts";
import { launch } from "../../src/linux/programs.ts";
import type { Hook, Process } from "../../src/spec/config.gen.ts";
import { processesOf } from "../root/harness/leftovers.ts";
import { temporary } from "./harness.ts";

const STATE: HookState = { ociVersion: "1.3.0", id: "box", status: "creating", pid: 1, bundle: "/bundles/box" };
const PRIVATE: readonly NamespaceType[] = ["mount", "pid", "uts"];

/** Namespaces without a user namespace are for root only. */
const root = process.getuid?.() === 0;

/** Init of a container, and a descriptor of it with which hooks join. */
interface Container {
  readonly pid: number;
  readonly rootfs: string;
  readonly kernel: AgentKernel;
  readonly inside: Inside;
}

/** Starts a container; it ends with the test. Its root file system is a busybox. */
function container(types = PRIVATE): Container {
  const rootfs = temporary();
  for (const name of ["bin", "proc", "work"]) mkdirSync(`${rootfs}/${name}`);
  for (const name of ["", "/work"]) chmodSync(`${rootfs}${name}`, 0o777);
  for (const name of ["busybox", "sh"]) copyFileSync("/bin/busybox", `${rootfs}/bin/${name}`);
  const [ours, theirs] = socketpair();
  using agent = Agent.spawn({ fds: [[theirs, theirs]] });
  closeSync(theirs);
  const { plan, pid } = launch({
    namespaces: { created: new Set(types), joined: [] },
    cgroup: { tasks: [], directory: undefined },
    keyring: undefined,
    firstPrivateFd: 3,
    childSocket: theirs,
  });
  const init = Agent.adopted(ours, new AgentKernel(agent).run(plan).value(pid));
  onTestFinished(() => init[Symbol.dispose]());
  const kernel = new AgentKernel(init);
  kernel.adoptReply();
  const pidfd = pidfdOpen(init.pid);
  onTestFinished(() => closeSync(pidfd));
  const flags = types.reduce((bits, type) => bits + NAMESPACE_FLAGS[type], 0);
  return { pid: init.pid, rootfs, kernel, inside: { pidfd, flags, keyring: undefined } };
}

/** Has init enter its root, where it sees its own processes. */
function pivot({ kernel, rootfs }: Container): void {
  const plan = new Plan();
  plan.add(syscall("mount", "none", "/", 0, MS_REC | MS_PRIVATE, 0));
  plan.add(syscall("mount", rootfs, rootfs, 0, MS_BIND, 0));
  plan.add(syscall("mount", "proc", `${rootfs}/proc`, "proc", 0, 0));
  plan.add(syscall("chdir", rootfs));
  plan.add(syscall("pivot_root", ".", "."));
  plan.add(syscall("umount2", ".", MNT_DETACH));
  plan.add(syscall("chdir", "/"));
  kernel.run(plan);
}

/** A hook that runs a shell script; in the root directory its path is that of the container's busybox. */
function sh(script: string, more: Partial<Hook> = {}): Hook {
  return { path: "/bin/busybox", args: ["busybox", "sh", "-c", script], env: ["PATH=/bin:/usr/bin"], ...more };
}

const run = (kind: "createContainer" | "startContainer", hook: Hook, inside: Inside) =>
  runHooksInside(kind, [hook], STATE, inside);

/** Lines of a file in the container's root, by the word that each begins with. */
function linesOf(file: string): Record<string, string> {
  const lines = readFileSync(file, "utf8").trim().split("\n");
  return Object.fromEntries(lines.map((line) => [line.split(/[ :\t]+/)[0], line.replace(/^\S+\s*/, "")]));
}

describe.skipIf(!root)("before pivot_root (createContainer)", () => {
  test("a hook is in the container's namespaces, its path is the host's, its working directory the root file system", () => {
    const box = container();
    const script = "{ for ns in mnt pid uts; do readlink /proc/self/ns/$ns; done; pwd; cat; } >answer";
    run("createContainer", sh(script), { ...box.inside, cwd: box.rootfs });
    const [mount, pid, uts, directory, state] = readFileSync(`${box.rootfs}/answer`, "utf8").split("\n");
    for (const [file, link] of Object.entries({ mnt: mount, pid, uts })) {
      expect(link).toBe(readlinkSync(`/proc/${box.pid}/ns/${file}`));
      expect(link).not.toBe(readlinkSync(`/proc/self/ns/${file}`));
    }
    expect(directory).toBe(box.rootfs);
    expect(state).toBe(JSON.stringify(STATE));
  });

  test("what it changes is changed for the container and for nobody else", () => {
    const box = container();
    const before = readFileSync("/proc/sys/kernel/hostname", "utf8");
    run("createContainer", sh("hostname changed-by-hook"), box.inside);
    run("createContainer", sh(`hostname >${box.rootfs}/name`), box.inside);
    expect(readFileSync(`${box.rootfs}/name`, "utf8")).toBe("changed-by-hook\n");
    expect(readFileSync("/proc/sys/kernel/hostname", "utf8")).toBe(before);
  });

  test("it is root of the container's user namespace, with all its rights, and not nobody", () => {
    const box = container(["user", ...PRIVATE]);
    for (const map of ["uid_map", "gid_map"]) writeFileSync(`/proc/${box.pid}/${map}`, "0 100000 65536");
    const script = "{ id -u; id -g; sed -n 's/^CapEff:.//p' /proc/self/status; } >answer";
    run("createContainer", sh(script), { ...box.inside, cwd: box.rootfs });
    const [uid, gid, capabilities] = readFileSync(`${box.rootfs}/answer`, "utf8").split("\n");
    expect([uid, gid]).toEqual(["0", "0"]);
    expect(capabilities).toBe(((1n << BigInt(thisHost.lastCapability() + 1)) - 1n).toString(16).padStart(16, "0"));
  });

  test("it has three descriptors: neither init's pidfd nor the files of the cgroup", () => {
    const box = container();
    const tasks = openSync(`${box.rootfs}/tasks`, "w");
    onTestFinished(() => closeSync(tasks));
    const look = "i=0; while [ $i -lt 512 ]; do [ -e /proc/self/fd/$i ] && L=$L,$i; i=$((i+1)); done";
    const inside = { ...box.inside, cwd: box.rootfs, cgroup: { tasks: [tasks], directory: undefined } };
    run("createContainer", sh(`${look}; echo $L >answer`), inside);
    expect(readFileSync(`${box.rootfs}/answer`, "utf8")).toBe(",0,1,2\n");
    expect(readFileSync(`${box.rootfs}/tasks`, "utf8"), "it entered the cgroup").toBe("0");
  });

  test("it is a process of the container's, and a child of tsrun's in a session of its own", () => {
    const box = container();
    using pipes = new StandardPipes();
    using hook = startHookInside(sh("echo $$ >&2; read line; exit 7"), pipes.theirs, box.inside);
    const [, ppid, , session] = readFileSync(`/proc/${hook.pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    expect([ppid, session]).toEqual([String(process.pid), String(hook.pid)]);
    const ended = pipes.converse(hook.pid, new Uint8Array(0), undefined);
    expect(ended.status >> 8).toBe(7);
    expect(Number(ended.stderr), "by its own count").toBeLessThan(10);
  });
});

describe.skipIf(!root)("after pivot_root (startContainer)", () => {
  test("its path is the container's, and its environment the container's where it has none", () => {
    const box = container();
    pivot(box);
    const inside = { ...box.inside, env: ["FROM=container"] };
    run("startContainer", { path: "/bin/sh", args: ["sh", "-c", "echo $FROM >/work/a"] }, inside);
    run("startContainer", { path: "/bin/sh", args: ["sh", "-c", "echo $FROM >/work/b"], env: ["FROM=hook"] }, inside);
    run("startContainer", { path: "/bin/sh", args: ["sh", "-c", "echo $FROM >/work/c"], env: [] }, inside);
    const read = (name: string) => readFileSync(`${box.rootfs}/work/${name}`, "utf8");
    expect(["a", "b", "c"].map(read)).toEqual(["container\n", "hook\n", "\n"]);
  });

  const KILL = ["CAP_KILL"];
  const process: Process = {
    args: ["/bin/program"],
    cwd: "/work",
    user: { uid: 1000, gid: 2000, additionalGids: [3000], umask: 0o027 },
    capabilities: { bounding: KILL, effective: KILL, permitted: KILL, inheritable: KILL, ambient: KILL },
    noNewPrivileges: true,
    rlimits: [{ type: "RLIMIT_CORE", soft: 12, hard: 34 }],
  };
  const become = {
    process,
    defaultUmask: 0o022,
    lastCapability: thisHost.lastCapability(),
    held: thisHost.heldCapabilities(),
    inUserNamespace: false,
    seccomp: undefined,
  };

  test("it is what the container's process will be: its user, rights, limits, umask and directory", () => {
    const box = container();
    pivot(box);
    const script =
      "{ cat /proc/self/status; sed 's/^Max core file size/Core:/' /proc/self/limits; echo cwd $(pwd); } >answer";
    run("startContainer", { ...sh(script), path: "/bin/sh" }, { ...box.inside, become });
    const answer = linesOf(`${box.rootfs}/work/answer`);
    expect(answer).toMatchObject({ Uid: "1000\t1000\t1000\t1000", Gid: "2000\t2000\t2000\t2000", cwd: "/work" });
    expect(answer).toMatchObject({
      NoNewPrivs: "1",
      CapEff: "0000000000000020",
      CapBnd: "0000000000000020",
      Umask: "0027",
    });
    expect(answer.Groups?.trim()).toBe("3000");
    expect(answer.Core).toMatch(/^12 +34 /);
  });

  test("a container without a mount namespace, or without any, has its root directory all the same", () => {
    for (const types of [["pid", "uts"], []] as const) {
      const box = container(types);
      writeFileSync(`${box.rootfs}/only-here`, "");
      const plan = new Plan();
      plan.add(syscall("chroot", box.rootfs));
      box.kernel.run(plan);
      const directory = openSync(`/proc/${box.pid}/root`, "r");
      onTestFinished(() => closeSync(directory));
      const hook = { path: "/bin/sh", args: ["sh", "-c", "[ -e /only-here ] && [ ! -e ../tmp ]"] };
      for (const as of [{}, { become }]) run("startContainer", hook, { ...box.inside, root: directory, ...as });
    }
  });

  test("one that is not there is said with its kind and path", () => {
    const box = container();
    pivot(box);
    const hook = { path: "/no/such" };
    expect(() => run("startContainer", hook, box.inside)).toThrow(
      "error running startContainer hook #0: fork/exec /no/such: no such file or directory",
    );
    expect(() => run("startContainer", hook, { ...box.inside, become })).toThrow(
      /error running startContainer hook #0: .*\/no\/such.*no such file or directory/,
    );
    expect(() => run("startContainer", sh("echo why; exit 9"), box.inside)).toThrow(/#0: exit status 9, stdout: why,/);
  });

  test("one that takes too long is killed, and with it what it started", async () => {
    const box = container();
    pivot(box);
    const word = `hooks-inside-${globalThis.process.pid}`;
    const slow = sh("sleep 100 & sleep 100", { timeout: 1, env: ["PATH=/bin", `W=${word}`] });
    for (const inside of [box.inside, { ...box.inside, become }]) {
      expect(() => run("startContainer", slow, inside)).toThrow(/hook ran past specified timeout of 1\.0s$/);
      await expect.poll(() => processesOf(word)).toEqual([]); // they are killed, and die when it is their turn
    }
  });

  test("a container that is gone is said, and nothing is left waiting", () => {
    const box = container();
    globalThis.process.kill(box.pid, "SIGKILL");
    poll([{ fd: box.inside.pidfd, events: POLLIN }]); // it dies when it is its turn
    expect(() => run("startContainer", sh("exit 0"), box.inside)).toThrow(/startContainer hook #0: .*(setns|clone3)/);
  });
});
