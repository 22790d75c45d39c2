// An agent that is not ours: something in the container has got hold of it, or answers in its place. Whatever bytes it sends,
// tsrun ends with an error of its own kind, soon, and does nothing to a process or descriptor that is no answer's to name.

import { closeSync, existsSync, readFileSync, writeSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expectHeir } from "../../../src/lifecycle/beget.ts";
import { Descriptors } from "../../../src/lifecycle/descriptors.ts";
import { startFailure } from "../../../src/lifecycle/start-failure.ts";
import { Agent, AgentEnded, socketpair } from "../../../src/linux/agent/agent.ts";
import { killAndReap, killAndReapInit } from "../../../src/linux/agent/reap.ts";
import { FRAME_SIZE, FRAMES, HEADER, HEADER_SIZE, MESSAGE_MAX } from "../../../src/linux/agent/wire.ts";
import { syscall } from "../../../src/linux/calls.ts";
import { encode } from "../../../src/linux/encode.ts";
import { SafetyViolation } from "../../../src/linux/errors.ts";
import { AgentKernel, Results, SyscallError } from "../../../src/linux/kernel.ts";
import { Out, Plan, Result } from "../../../src/linux/plan.ts";

/** A plan of every kind of call: one that must succeed, one that may fail, branches, memory that comes back. */
function samplePlan(): { plan: Plan; out: Out } {
  const plan = new Plan();
  const out = new Out(24);
  plan.at("field").add(syscall("statx", 0, out));
  plan.tolerate("ENOENT", syscall("chdir", "/a"));
  plan.probe(syscall("chdir", "/b"));
  plan.orElse("EEXIST", syscall("mknodat", 1), () => plan.add(syscall("close", 7)));
  plan.unless("ENOTDIR", syscall("openat", 1), () => plan.add(syscall("close", 8)));
  plan.add(syscall("getpid"));
  return { plan, out };
}

const { plan, out } = samplePlan();
const encoded = encode(plan.steps);
const COUNT = plan.steps.length;

/** An honest reply, before a liar's changes. */
function reply(): { bytes: Uint8Array; view: DataView } {
  const bytes = encoded.message.slice(0, encoded.replyLength);
  for (let i = 0; i < COUNT; i++) bytes.fill(0, HEADER_SIZE + i * FRAME_SIZE, HEADER_SIZE + i * FRAME_SIZE + 8);
  return { bytes, view: new DataView(bytes.buffer) };
}

const take = (bytes: Uint8Array): Results => {
  const results = new Results(COUNT);
  results.take(bytes, encoded, plan.steps, 0);
  return results;
};
const at = (index: number): number => HEADER_SIZE + index * FRAME_SIZE;

describe("A reply", () => {
  it("of an honest agent is taken", () => {
    expect(take(reply().bytes).value(new Result(COUNT - 1))).toBe(0);
  });

  it("of any bytes is results of the right number and size, or an error of ours, and takes no time", () => {
    const header = fc.tuple(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.uint8Array({ maxLength: 4096 }));
    fc.assert(
      fc.property(header, fc.boolean(), ([failed, noise], exact) => {
        const { bytes, view } = reply();
        bytes.set(noise.subarray(0, bytes.length - HEADER_SIZE), HEADER_SIZE);
        view.setBigUint64(HEADER.failed, failed, true);
        const before = process.cpuUsage(); // and no clock: other processes may have the machine
        expectJudged(exact ? bytes : noise);
        expect(process.cpuUsage(before).user).toBeLessThan(100_000);
      }),
      { numRuns: 2000 },
    );
  });

  function expectJudged(bytes: Uint8Array): void {
    try {
      const results = take(bytes);
      expect(results.bytes(out)).toHaveLength(24);
      for (let i = 0; i < COUNT; i++) expect(typeof results.value(new Result(i))).toBe("number");
    } catch (error) {
      expect(error instanceof SyscallError || error instanceof SafetyViolation, String(error)).toBe(true);
      if (error instanceof SyscallError) expect(error.errno).toSatisfy((errno: number) => errno > 0 && errno < 4096);
    }
  }

  it("that is shorter or longer than what is due is refused", () => {
    for (const length of [0, 1, 7, HEADER_SIZE - 1, encoded.replyLength - 1, encoded.replyLength + 1, MESSAGE_MAX])
      expect(() => take(new Uint8Array(length)), String(length)).toThrow(SafetyViolation);
  });

  it("that stopped at no call is refused, wherever it says that it stopped", () => {
    const places = [
      1,
      FRAMES - FRAME_SIZE,
      FRAMES + 1,
      FRAMES + COUNT * FRAME_SIZE,
      0xffff_ffff,
      FRAMES + 2 ** 32,
      FRAMES + FRAME_SIZE * 2 ** 25,
    ];
    for (const failed of places) {
      const { bytes, view } = reply();
      view.setBigUint64(HEADER.failed, BigInt(failed), true);
      const before = process.cpuUsage();
      expect(() => take(bytes), failed.toString(16)).toThrow(SafetyViolation);
      expect(process.cpuUsage(before).user, "microseconds").toBeLessThan(200_000); // not as many rounds as it says
    }
  });

  it("that stopped at a call which succeeded is refused", () => {
    for (const result of [0n, 5n, -4096n, 2n ** 62n]) {
      const { bytes, view } = reply();
      view.setBigUint64(HEADER.failed, BigInt(FRAMES), true);
      view.setBigInt64(at(0), result, true);
      expect(() => take(bytes), String(result)).toThrow(SafetyViolation);
    }
  });

  it("that went on after a failure which must not be is refused", () => {
    const lies: [index: number, errno: number][] = [
      [0, 1],
      [1, 13], // another than the tolerated one
      [3, 2],
      [COUNT - 1, 4095],
    ];
    for (const [index, errno] of lies) {
      const { bytes, view } = reply();
      view.setBigInt64(at(index), BigInt(-errno), true);
      expect(() => take(bytes), `${index} ${errno}`).toThrow(SafetyViolation);
    }
  });
});

/** proc_pid_status(5); undefined where it has been reaped. */
function stateOf({ pid }: Agent): string | undefined {
  if (!existsSync(`/proc/${pid}`)) return undefined;
  return /^State:\t(\w)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
}

describe("An agent", () => {
  it("that is no process is not adopted, and nothing that is none is killed", () => {
    for (const pid of [0, -1, -process.pid, Number.NaN, 4_194_305, 2 ** 53])
      expect(() => Agent.adopted(9, pid), String(pid)).toThrow(SafetyViolation);
    killAndReap(0); // our process group: we live to tell
    killAndReap(-1);
  });

  it("that says it has cloned what is no child of ours is not believed: whoever traces a process of exec's may speak for it", () => {
    using undo = new DisposableStack();
    const child = undo.use(Agent.spawn());
    const descriptors = new Descriptors();
    const heir = expectHeir(undo, descriptors, () => {});
    descriptors[Symbol.dispose]();
    // Not even itself, to be ended as itself while the other runs unseen; nor another agent.
    const another = undo.use(Agent.spawn());
    for (const pid of [1, process.pid, process.ppid, 0, -1, child.pid, another.pid])
      expect(() => heir.succeed({ child, kernel: new AgentKernel(child) }, pid), String(pid)).toThrow(SafetyViolation);
    expect(process.kill(child.pid, 0)).toBe(true);
  });

  it("that was given away is left to whoever waits for it next, though it ended before another was reaped", () => {
    const given = Agent.spawn();
    const other = Agent.spawn();
    given.release();
    given[Symbol.dispose](); // it ends by itself, as a program does that has little to do
    while (stateOf(given) !== "Z");
    process.kill(other.pid, "SIGSTOP"); // as on a busy machine, it does not end before it is killed
    other[Symbol.dispose]();
    expect(stateOf(given)).toBe("Z");
    killAndReap(given.pid);
  });

  it("that leads a pid namespace is ended with what has ended in it and nobody knows of", () => {
    const unknown = Agent.spawn();
    const [ours, theirs] = socketpair();
    const first = Agent.adopted(ours, Agent.spawn().pid, undefined, killAndReapInit);
    unknown.hangUp();
    while (stateOf(unknown) !== "Z");
    process.kill(first.pid, "SIGSTOP");
    first[Symbol.dispose]();
    expect(stateOf(unknown)).toBeUndefined();
    closeSync(theirs);
  });

  it("that floods is heard once for each question, and a reply too long for us is refused", () => {
    const [ours, theirs] = socketpair();
    const kernel = new AgentKernel(Agent.adopted(ours, process.pid));
    for (let i = 0; i < 2; i++) writeSync(theirs, new Uint8Array(64 * 1024));
    for (let i = 0; i < 2; i++) expect(() => kernel.run(plan)).toThrow(SafetyViolation);
    closeSync(theirs);
    expect(() => kernel.run(plan)).toThrow(AgentEnded);
    closeSync(ours);
  });

  it("that is silent is told of once, and waited for", () => {
    using agent = Agent.spawn();
    const told: string[] = [];
    const [ours, theirs] = socketpair();
    const late = Agent.adopted(ours, agent.pid, (message) => {
      told.push(message);
      writeSync(theirs, "late");
    });
    expect(late.receive(new Uint8Array(8))).toBe(4);
    expect(told).toEqual([expect.stringMatching(new RegExp(`^waiting for process ${agent.pid} \\(state [SR], `))]);
    for (const fd of [ours, theirs]) closeSync(fd);
  });

  it("that was stopped is an error after a while, and is ended", () => {
    let pid = 0;
    const started = performance.now();
    expect(() => {
      using agent = Agent.spawn();
      pid = agent.pid;
      process.kill(pid, "SIGSTOP");
      new AgentKernel(agent).run(plan);
    }).toThrow(/agent: process \d+ was stopped before its program ran/);
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(() => readFileSync(`/proc/${pid}/stat`)).toThrow("ENOENT");
  });
});

describe("What init says to start", () => {
  const calls = ["close", "fcntl", "read", "process.args: execve(/bin/sh)"];

  it("is an error whatever it is", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 4096 }), fc.nat(), (bytes, failed) => {
        if (bytes.length >= HEADER_SIZE)
          new DataView(bytes.buffer).setUint32(HEADER.failed, FRAMES + (failed % 8) * FRAME_SIZE, true);
        expect(startFailure(bytes, calls).message).toMatch(/^(cannot start the container: its init ended$|[\w. :]+)/);
      }),
    );
  });

  it("names the call where it is an honest one's", () => {
    const bytes = new Uint8Array(HEADER_SIZE + 4 * FRAME_SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint32(HEADER.failed, FRAMES + 3 * FRAME_SIZE, true);
    view.setBigInt64(at(3), -8n, true);
    expect(startFailure(bytes, calls).message).toBe("process.args: execve(/bin/sh): ENOEXEC (Exec format error)");
  });
});
