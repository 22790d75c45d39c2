import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AGENT_SOCKET, MESSAGE_MAX } from "../../src/linux/agent/wire.ts";
import { adopt, fsconfigFlag, syscall } from "../../src/linux/calls.ts";
import { AgentKernel, SyscallError } from "../../src/linux/kernel.ts";
import { AgentSocket, Out, OutWord, Plan, Result, Strings } from "../../src/linux/plan.ts";
import { AgentModel } from "./agent-model.ts";
import { expected, obey, plant, trees } from "./plan-tree.ts";

/** Most frames of one message. */
const SLICE = 1024;

describe("A failed call", () => {
  it("says what the errno alone does not tell", () => {
    const error = new SyscallError(syscall("mount_setattr", 3, "", 0), 1, "mounts[0] (/m)");
    expect(error.message).toBe(
      "mounts[0] (/m): mount_setattr(): EPERM (Operation not permitted): in a user namespace, cannot clear flags that the host's mount has: they are locked",
    );
    expect(new SyscallError(syscall("clone3"), 28, "linux.namespaces").message).toContain(
      "/proc/sys/user/max_*_namespaces",
    );
    expect(new SyscallError(syscall("clone3"), 1, "").message).toBe("clone3(): EPERM (Operation not permitted)");
  });
});

describe("A plan whose results do not fit one message", () => {
  it("goes in several, as with the devices of a privileged container", () => {
    const plan = new Plan();
    const outs = Array.from({ length: 700 }, () => new Out(256));
    for (const out of outs) plan.add(syscall("statx", 1, 2, 3, 4, out));
    const model = new AgentModel(() => 0);
    const results = new AgentKernel(model).run(plan);
    expect(model.made).toHaveLength(700);
    expect(results.bytes(outs[699] as Out)).toHaveLength(256);
  });
});

describe("Branches", () => {
  const callsOf = (model: AgentModel): unknown[] => model.made.map(({ args }) => args.slice(0, 2));

  it("make the calls that the plan's tree says, whatever fails", () => {
    fc.assert(
      fc.property(trees, (tree) => {
        const plan = new Plan();
        plant(plan, tree);
        const model = new AgentModel(obey);
        new AgentKernel(model).run(plan);
        expect(callsOf(model)).toEqual(expected(tree));
      }),
      { numRuns: 150 },
    );
  });

  it("make the same calls wherever messages and pauses cut the plan", () => {
    const cut = fc.integer({ min: 0, max: 70 });
    fc.assert(
      fc.property(trees, trees, cut, fc.boolean(), (tree, next, back, pauses) => {
        const plan = new Plan();
        const before = SLICE - back;
        for (let i = 0; i < before; i++) plan.add(syscall("fcntl", 0, 0));
        let paused = 0;
        for (const part of [tree, next]) {
          plant(plan, part);
          if (pauses) plan.pause("look", () => paused++);
        }
        const model = new AgentModel(obey);
        new AgentKernel(model).run(plan);
        expect(callsOf(model).slice(before)).toEqual(expected([...tree, ...next], before));
        expect(paused).toBe(pauses ? 2 : 0);
      }),
      { numRuns: 120 },
    );
  });

  it("a call that was skipped has the result 0, not what was in its frame", () => {
    const plan = new Plan();
    const results: Result[] = [];
    const keep = (result: Result): void => void results.push(result);
    plan.unless("ENOENT", syscall("fcntl", 1), () => keep(plan.add(syscall("fcntl", 0))));
    keep(plan.orElse("ENOENT", syscall("fcntl", 0), () => keep(plan.add(syscall("fcntl", 0)))));
    const answers = new AgentKernel(new AgentModel(obey)).run(plan);
    expect(results.map((result) => answers.value(result))).toEqual([0, 0, 1001]);
  });
});

describe("A plan in several messages", () => {
  const filler = (plan: Plan, count: number): void => {
    for (let i = 0; i < count; i++) plan.add(syscall("getpid"));
  };

  it("uses results and memory of earlier ones", () => {
    const plan = new Plan();
    const initial = new Uint8Array(16);
    const out = new Out(16, initial.fill(9, 8));
    const fd = plan.add(syscall("openat", 0));
    plan.add(syscall("statx", fd, out));
    filler(plan, SLICE);
    plan.add(syscall("fchmod", fd, new OutWord(out, 4)));
    const model = new AgentModel(({ name, args, memory }) => {
      if (name === "statx") memory.bytes(args[1] ?? 0n, 8).set([1, 2, 3, 4, 5, 6, 7, 8]);
      return name === "openat" ? 7 : 0;
    });
    const results = new AgentKernel(model).run(plan);
    expect(model.messages).toHaveLength(2);
    expect(model.made.at(-1)?.args.slice(0, 2)).toEqual([7n, 0x0909_0909_0807_0605n]);
    expect([...results.bytes(out)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 9, 9, 9, 9, 9]);
  });

  it("uses a tolerated failure of an earlier one as the number that it is", () => {
    const plan = new Plan();
    const denied = plan.tolerate("EACCES", syscall("chdir", "/root"));
    plan.pause("nothing", () => {});
    plan.add(syscall("getpgid", denied));
    const model = new AgentModel(({ name }) => (name === "chdir" ? -13 : 0));
    new AgentKernel(model).run(plan);
    expect(model.made[1]?.args[0]).toBe(BigInt.asUintN(64, -13n));
  });

  it("is cut at a pause, which sees what was answered so far, and at nothing else", () => {
    const plan = new Plan();
    const log: string[] = [];
    plan.pause("first", () => log.push("first"));
    const pid = plan.add(syscall("getpid"));
    plan.pause("second", (answers) => log.push(`second ${answers.value(pid)}`));
    plan.pause("third", () => log.push("third"));
    plan.add(syscall("getppid"));
    plan.pause("last", () => log.push("last"));
    const model = new AgentModel(({ name }) => {
      log.push(name);
      return 42;
    });
    new AgentKernel(model).run(plan);
    expect(log).toEqual(["first", "getpid", "second 42", "third", "getppid", "last"]);
    expect(model.messages).toHaveLength(2);
  });

  it("keeps within a message whatever the data of its calls", () => {
    const plan = new Plan();
    for (let i = 0; i < 2000; i++) plan.add(syscall("chdir", `/${"d".repeat(100)}${i}`));
    const seen: string[] = [];
    const model = new AgentModel(({ args, memory }) => seen.push(memory.string(args[0] ?? 0n)) && 0);
    new AgentKernel(model).run(plan);
    expect(seen).toEqual(plan.steps.map(({ call }) => call.args[0]));
    expect(Math.max(...model.messages, ...model.pieces)).toBeLessThanOrEqual(MESSAGE_MAX);
  });
});

describe("A failure", () => {
  const failing = (errno: number) => new AgentKernel(new AgentModel(({ name }) => (name === "fsconfig" ? -errno : 5)));

  it("names the config field, the call, what tells it from others, and the errno", () => {
    const plan = new Plan();
    const fs = plan.at("mounts[3] (/dev/pts)").add(syscall("fsopen", "devpts", 1));
    plan.add(fsconfigFlag(fs, "newinstance"));
    expect(() => failing(22).run(plan)).toThrow(
      "mounts[3] (/dev/pts): fsconfig(newinstance): EINVAL (Invalid argument)",
    );
  });

  it("ends the plan: no later call is made, no later pause is taken", () => {
    const plan = new Plan();
    plan.add(syscall("fsconfig", 1));
    plan.add(syscall("getpid"));
    plan.pause("never", () => expect.unreachable());
    const model = new AgentModel(({ name }) => (name === "fsconfig" ? -1 : 0));
    expect(() => new AgentKernel(model).run(plan)).toThrow("fsconfig(): EPERM");
    expect(model.made.map(({ name }) => name)).toEqual(["fsconfig"]);
  });

  it("with another errno than the tolerated one is a failure", () => {
    const plan = new Plan();
    plan.tolerate("ENOENT", syscall("fsconfig", 1));
    expect(() => failing(13).run(plan)).toThrow("EACCES");
    expect(failing(2).run(plan).value(new Result(0))).toBe(-2);
  });

  it("of a call in a later message is that call's", () => {
    const plan = new Plan();
    for (let i = 0; i < SLICE + 5; i++) plan.add(syscall("getpid"));
    plan.at("here").add(syscall("fsconfig", 1, 1, "key"));
    expect(() => failing(22).run(plan)).toThrow("here: fsconfig(key): EINVAL");
  });
});

describe("The end of a plan", () => {
  it("that becomes the program is end of file, and where that fails a SyscallError", () => {
    const plan = new Plan();
    plan.at("process.args").add(syscall("execve", "/bin/sh", new Strings(["sh"]), new Strings([])));
    expect(() => new AgentKernel(new AgentModel(() => 0)).runLast(plan)).not.toThrow();
    expect(() => new AgentKernel(new AgentModel(() => -8)).runLast(plan)).toThrow(
      "process.args: execve(/bin/sh): ENOEXEC (Exec format error)",
    );
  });

  it("that nobody waits for answers on the descriptor that a call made", () => {
    const plan = new Plan();
    plan.add(syscall("close", new AgentSocket()));
    plan.addSocket(syscall("fcntl", 8, 1030, 0));
    plan.add(syscall("execve", "/nowhere", new Strings([]), new Strings([])));
    const model = new AgentModel(({ name }) => (name === "execve" ? -2 : name === "fcntl" ? 3 : 0));
    new AgentKernel(model).send(plan);
    expect(model.runNext()).toBeUndefined();
    expect(model.made[0]?.args[0]).toBe(BigInt(AGENT_SOCKET));
    expect(model.elsewhere.map(({ fd }) => fd)).toEqual([3]);
  });

  it("that a child is cloned in passes its pid on", () => {
    const plan = new Plan();
    const pid = plan.add(syscall("clone3", 0, 0));
    const adopted = plan.add(adopt(9, pid));
    const results = new AgentKernel(new AgentModel(() => 4711)).run(plan);
    expect([results.value(pid), results.value(adopted)]).toEqual([4711, 4711]);
  });

  it("is begun, and answered when its answers are asked for", () => {
    const plan = new Plan();
    const pid = plan.add(syscall("getpid"));
    const model = new AgentModel(() => 6);
    const answers = new AgentKernel(model).begin(plan);
    expect(model.made).toEqual([]);
    expect(answers().value(pid)).toBe(6);
  });
});
