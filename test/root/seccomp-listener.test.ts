// SCMP_ACT_NOTIFY: who listens at listenerPath gets the filter's descriptor and the container process state, and answers
// (config-linux.md "Seccomp", "Container Process State"; seccomp_unotify(2)).

import { readdirSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect } from "vitest";
import { syscallNumber } from "../../src/linux/abi/syscalls.ts";
import { type Json, merge, sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { ListenerSocket, type Notifier, type Question, type Reply } from "./harness/listener.ts";
import { except, needs } from "./harness/needs.ts";
import type { Sandbox } from "./harness/sandbox.ts";
import { until } from "./harness/until.ts";

const served = needs(except({ crun: "1.8.1 does not come back from create under this listener" }));

const ENOSPC = 28;
const isMkdir = ({ nr }: Question): boolean => nr === syscallNumber("mkdirat") || nr === MKDIR;
const MKDIR = process.arch === "x64" ? 83 : -1;

/** A profile that allows all but asks about the calls named. */
function asking(socket: ListenerSocket, names: readonly string[], more: Json = {}): Json {
  const syscalls = [{ names, action: "SCMP_ACT_NOTIFY" }];
  return { linux: { seccomp: { defaultAction: "SCMP_ACT_ALLOW", listenerPath: socket.path, syscalls, ...more } } };
}
const MKDIRS = ["mkdir", "mkdirat"];
const noNewPrivileges = { process: { noNewPrivileges: true } };

/** Creates a container, whose own calls on the way are let pass, and its notifier. */
async function created(container: Container, socket: ListenerSocket, options = {}) {
  const creating = container.create([], options);
  const notifier = await socket.receive();
  const asked = await notifier.serve(creating, () => "continue");
  expect(await creating).toMatchObject({ code: 0, stderr: "" });
  return { notifier, asked };
}

async function startAndServe(container: Container, notifier: Notifier, reply: (question: Question) => Reply) {
  const started = await container.start();
  expect(started).toMatchObject({ code: 0, stderr: "" });
  await notifier.serve(container.until("stopped"), reply);
  return container.output();
}

describe.each<[string, Json & { process?: Json }]>([
  ["with no_new_privs", noNewPrivileges],
  ["without no_new_privs", {}],
])("a container that asks a listener, %s", (_, privileges) => {
  served("is told of to it, and gets its answers", async ({ box }) => {
    const socket = new ListenerSocket(box);
    const script = "mkdir /a 2>&1; mkdir /b && echo made; test -d /b || echo not really";
    const metadata = { listenerMetadata: "for the agent" };
    const container = box.container(asking(socket, MKDIRS, metadata), sh(script), privileges, {
      annotations: { a: "b" },
    });
    const { notifier } = await created(container, socket);
    const { pid, bundle } = await container.state();
    expect(notifier.told).toMatchObject({
      ociVersion: expect.stringMatching(/^1\.\d+\.\d+/),
      fds: ["seccompFd"],
      pid,
      metadata: "for the agent",
      state: { id: container.id, status: "creating", pid, bundle, annotations: { a: "b" } },
    });
    let count = 0;
    const output = await startAndServe(container, notifier, (question) => {
      if (!isMkdir(question)) return "continue";
      count += 1;
      return count === 1 ? -ENOSPC : 0;
    });
    expect(count).toBe(2);
    expect(output).toMatch(/No space left on device\nmade\nnot really\n/);
  });

  // What an envoy calls makes exec do without one: exec.ts.
  for (const more of [[], ["prctl", "capset", "clone"]])
    served(`is told of again by exec, with the pid of the new process: ${["mkdir", ...more]}`, async ({ box }) => {
      const socket = new ListenerSocket(box);
      const container = box.container(
        asking(socket, [...MKDIRS, ...more]),
        sh("while :; do sleep 0.02; done"),
        privileges,
      );
      const { notifier: first } = await created(container, socket);
      expect((await container.start()).code).toBe(0);
      const { pid } = await container.state();
      const running = container.execProcess({
        ...privileges.process,
        args: ["sh", "-c", "mkdir /a; echo $?; sleep 0.2"],
      });
      const second = await socket.receive();
      let asker = 0;
      await second.serve(running, (question) => {
        asker = question.pid;
        return isMkdir(question) ? 0 : "continue";
      });
      expect(await running).toMatchObject({ code: 0, stdout: "0\n" });
      expect(second.told.state).toMatchObject({ id: container.id, status: "running", pid });
      expect(second.told).not.toHaveProperty("metadata");
      expect(second.told.pid).not.toBe(pid);
      expect(asker).toBeGreaterThanOrEqual(second.told.pid); // itself or a child
      expect(first.told.pid).toBe(pid);
    });

  served("asks about what the runtime itself still has to call, and is created nonetheless", async ({ box }) => {
    const socket = new ListenerSocket(box);
    const names = "read close fcntl madvise prlimit64 execve openat newfstatat umask setresuid capset chdir prctl";
    const container = box.container(asking(socket, names.split(" ")), sh("echo here"), privileges);
    const { notifier, asked } = await created(container, socket);
    expect(asked).toContain(syscallNumber("read"));
    const starting = container.start();
    await notifier.serve(
      starting.then(() => container.until("stopped")),
      () => "continue",
    );
    expect(await starting).toMatchObject({ code: 0 });
    expect(container.output()).toBe("here\n");
  });

  served("does not hold its listener itself, and is answered ENOSYS when nobody else does", async ({ box }) => {
    const socket = new ListenerSocket(box);
    const container = box.container(asking(socket, MKDIRS), sh("mkdir /a"), privileges);
    const { notifier } = await created(container, socket);
    expect(descriptorsOf(notifier.told.pid)).not.toContain("anon_inode:seccomp notify");
    notifier.close();
    expect((await container.start()).code).toBe(0);
    await container.until("stopped");
    expect(container.errors()).toContain("Function not implemented");
  });

  served("is not made where nobody listens", async ({ box }) => {
    const container = box.container(
      asking({ path: box.path("nobody.sock") } as ListenerSocket, MKDIRS),
      sh("true"),
      privileges,
    );
    const failed = await container.create();
    expect(failed.code).not.toBe(0);
    expect(failed.stderr).toContain("nobody.sock");
    await expect(container.state()).rejects.toThrow("does not exist");
  });
});

describe("What a listener is told", () => {
  served("goes in one piece, however long it is", async ({ box }) => {
    const socket = new ListenerSocket(box);
    const annotations = { long: "x".repeat(700_000) };
    const container = box.container(asking(socket, MKDIRS), sh("true"), { annotations });
    const { notifier } = await created(container, socket);
    expect(notifier.told.state.annotations).toEqual(annotations);
  });

  served("names run's process, too", async ({ box }) => {
    const socket = new ListenerSocket(box);
    const container = box.container(asking(socket, MKDIRS), sh("mkdir /a && echo made"), noNewPrivileges);
    const running = container.run();
    const notifier = await socket.receive();
    expect(notifier.told.state).toMatchObject({ id: container.id, status: "creating", pid: notifier.told.pid });
    await notifier.serve(running, () => 0);
    expect(await running).toMatchObject({ code: 0, stdout: "made\n" });
  });

  served("is nothing where no rule asks", async ({ box }) => {
    const socket = new ListenerSocket(box);
    const seccomp = { defaultAction: "SCMP_ACT_ALLOW", listenerPath: socket.path };
    const container = box.container({ linux: { seccomp } }, sh("echo here"));
    expect(await container.run()).toMatchObject({ code: 0, stdout: "here\n" });
    expect(socket.called).toBe(false);
  });

  needs(except({ runc: "hooks inherit init's filter", crun: "hooks inherit init's filter" }))(
    "names a startContainer hook, which has a filter of its own",
    async ({ box }) => {
      const socket = new ListenerSocket(box);
      const hook = { path: "/bin/sh", args: ["sh", "-c", "mkdir /h; echo $? >/hooked"], env: ["PATH=/bin"] };
      for (const privileges of [noNewPrivileges, {}]) {
        const container = box.container(asking(socket, MKDIRS), sh("true"), privileges, {
          hooks: { startContainer: [hook] },
        });
        const { notifier: init } = await created(container, socket);
        const starting = container.start();
        const notifier = await socket.receive();
        expect(notifier.told.state).toMatchObject({ id: container.id, status: "created", pid: init.told.pid });
        expect(notifier.told.pid).not.toBe(init.told.pid);
        await notifier.serve(starting, (question) => (isMkdir(question) ? 0 : "continue"));
        expect(await starting).toMatchObject({ code: 0, stderr: "" });
        expect(container.readFile("hooked")).toBe("0\n");
      }
    },
  );
});

describe("A process that waits for an answer", () => {
  const chdir = syscallNumber("chdir");
  const KILLABLE = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";

  /** Whether it still waits for the same answer after a signal that it handles. */
  async function survivesSignal(box: Sandbox, flags: readonly string[]): Promise<boolean> {
    const socket = new ListenerSocket(box, `${flags.length}.sock`);
    const script = "trap 'echo caught' USR1; cd /tmp 2>/dev/null && echo there";
    const profile = asking(socket, ["chdir"], { flags });
    const container = box.container(merge(profile, noNewPrivileges), sh(script));
    const { notifier } = await created(container, socket);
    expect((await container.start()).code).toBe(0);
    const question = await notifier.question();
    expect(question.nr).toBe(chdir);
    process.kill(notifier.told.pid, "SIGUSR1");
    // That a signal changes nothing nobody tells: it has a second for it.
    if (flags.includes(KILLABLE)) await sleep(1000);
    else await until(() => !notifier.isWaiting(question), "the end of the wait");
    const survived = notifier.isWaiting(question);
    if (survived) notifier.answer(question, "continue");
    await notifier.serve(container.until("stopped"), () => "continue");
    expect(container.output().split("\n").sort().join(" ").trim()).toBe(survived ? "caught there" : "caught");
    return survived;
  }

  needs(
    except({ runc: "this one does not know WAIT_KILLABLE_RECV", crun: "this one does not know WAIT_KILLABLE_RECV" }),
  )("is not disturbed by signals that it handles, with WAIT_KILLABLE_RECV alone", async ({ box }) => {
    expect(await survivesSignal(box, [])).toBe(false);
    expect(await survivesSignal(box, [KILLABLE])).toBe(true);
  });
});

function descriptorsOf(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  return readdirSync(directory).map((fd) => readlinkSync(`${directory}/${fd}`));
}
