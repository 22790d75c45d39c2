import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Architecture, syscallNumber } from "../../src/linux/abi/syscalls.ts";
import {
  AGENT_SOCKET,
  ANY_ERRNO,
  FRAME,
  FRAME_SIZE,
  HEADER_SIZE,
  MESSAGE,
  MESSAGE_MAX,
} from "../../src/linux/agent/wire.ts";
import { syscall } from "../../src/linux/calls.ts";
import { encode } from "../../src/linux/encode.ts";
import { AgentKernel } from "../../src/linux/kernel.ts";
import { AgentSocket, type Arg, Out, OutWord, Plan, Strings, Struct } from "../../src/linux/plan.ts";
import { AgentModel, type Made } from "./agent-model.ts";

/** The call as the kernel sees it. */
function seen(...args: Arg[]): Made {
  const plan = new Plan();
  plan.add(syscall("fcntl", ...args));
  const model = new AgentModel();
  new AgentKernel(model).run(plan);
  const [made] = model.made;
  if (made === undefined) throw new Error("no call was made");
  return made;
}

describe("Numbers", () => {
  it.each([
    [0, 0n],
    [-1, 0xffff_ffff_ffff_ffffn],
    [-100, 0xffff_ffff_ffff_ff9cn],
    [0xffff_ffff, 0xffff_ffffn],
    [0x2_0000_0001, 0x2_0000_0001n],
    [-0x1_0000_0000, 0xffff_ffff_0000_0000n],
    [18446744073709551615n, 0xffff_ffff_ffff_ffffn],
    [-1n, 0xffff_ffff_ffff_ffffn],
  ])("%s reaches the kernel whole", (value, register) => {
    expect(seen(value).args[0]).toBe(register);
  });

  it("any integer of 53 bits, and any bigint of 64, is the register's two's complement", () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (small, large) => {
        const { args } = seen(small, large);
        expect(args.slice(0, 2)).toEqual([BigInt.asUintN(64, BigInt(small)), BigInt.asUintN(64, large)]);
      }),
      { numRuns: 50 },
    );
  });
});

describe("Memory", () => {
  it("a string ends in NUL, is UTF-8, and is stored once", () => {
    const { args, memory } = seen("résumé", "", "résumé");
    const [first = 0n, empty = 0n, again = 0n] = args;
    expect([memory.string(first), memory.string(empty)]).toEqual(["résumé", ""]);
    expect(again).toBe(first);
  });

  it("bytes lie at a multiple of eight, as structs must", () => {
    const { args, memory } = seen("x", new Uint8Array([1, 2, 3]));
    const address = args[1] ?? 0n;
    expect(address % 8n).toBe(0n);
    expect([...memory.bytes(address, 3)]).toEqual([1, 2, 3]);
  });

  it("strings are an array of pointers that ends in NULL", () => {
    const { args, memory } = seen(new Strings(["a", "", new Uint8Array([0x62, 0xff]), "a"]), new Strings([]));
    const [array = 0n, none = 0n] = args;
    expect(memory.strings(array)).toEqual(["a", "", "b\ufffd", "a"]);
    expect(memory.strings(none)).toEqual([]);
  });

  it("a struct points to its parts, and the plan's own bytes stay as they are", () => {
    const bytes = new Uint8Array(16);
    const { args, memory } = seen(new Struct(bytes, [[8, new Uint8Array([7, 8, 9])]]));
    const at = args[0] ?? 0n;
    expect([...memory.bytes(memory.word(at + 8n), 3)]).toEqual([7, 8, 9]);
    expect(bytes).toEqual(new Uint8Array(16));
  });

  it("an area for answers starts as asked, is shared by its calls, and is all of the reply behind the frames", () => {
    const out = new Out(5, new Uint8Array([1, 2, 3, 4, 5]));
    const plan = new Plan();
    plan.add(syscall("statx", out, "text that is not replied"));
    plan.add(syscall("statx", out, new OutWord(out, 3)));
    const { message, outs, replyLength } = encode(plan.steps);
    expect(replyLength).toBe(HEADER_SIZE + 2 * FRAME_SIZE + 8);
    expect(message.length).toBeGreaterThan(replyLength);
    const at = outs.get(out) ?? 0;
    expect([...message.subarray(at, at + 5)]).toEqual([1, 2, 3, 4, 5]);
    const view = new DataView(message.buffer);
    const argument = (frame: number, i: number): bigint =>
      view.getBigUint64(HEADER_SIZE + frame * FRAME_SIZE + FRAME.args + 8 * i, true);
    expect([argument(0, 0), argument(1, 0), argument(1, 1)]).toEqual(
      [at, at, at + 3].map((offset) => BigInt(MESSAGE + offset)),
    );
  });

  it("the agent's socket is read from where the agent keeps it", () => {
    expect(seen(new AgentSocket()).args[0]).toBe(BigInt(AGENT_SOCKET));
  });
});

describe("Tolerance", () => {
  it("has the errno, how many calls are skipped, and when", () => {
    const plan = new Plan();
    plan.probe(syscall("getpid"));
    plan.orElse("EEXIST", syscall("getpid"), () => plan.add(syscall("getpid")));
    const view = new DataView(encode(plan.steps).message.buffer);
    const head = (i: number) => HEADER_SIZE + i * FRAME_SIZE;
    expect(view.getUint16(head(0) + FRAME.nr, true)).toBe(syscallNumber("getpid", process.arch as Architecture));
    expect(view.getUint16(head(0) + FRAME.tolerated, true)).toBe(ANY_ERRNO);
    expect(view.getUint16(head(1) + FRAME.tolerated, true)).toBe(17);
    expect(view.getUint8(head(1) + FRAME.skip)).toBe(1);
    expect(view.getUint8(head(1) + FRAME.flags)).toBe(0x40);
  });

  it("of more than 255 calls is refused: a frame has no room to say so", () => {
    const plan = new Plan();
    plan.unless("ENOENT", syscall("getpid"), () => {
      for (let i = 0; i < 256; i++) plan.add(syscall("getpid"));
    });
    expect(() => encode(plan.steps)).toThrow("Cannot skip 256 calls");
  });
});

describe("Data that a message has no room for", () => {
  it("goes ahead in pieces, and is where the pointers say", () => {
    const env = Array.from({ length: 3000 }, (_, i) => `NAME_${i}=${"v".repeat(i % 200)}`);
    const plan = new Plan();
    plan.add(syscall("chdir", "/"));
    plan.add(syscall("execve", "/bin/true", new Strings(["true"]), new Strings(env)));
    const model = new AgentModel(({ name }) => (name === "execve" ? -2 : 0));
    expect(() => new AgentKernel(model).run(plan)).toThrow("execve(/bin/true): ENOENT");
    expect(model.pieces.length).toBeGreaterThan(1);
    expect(Math.max(...model.pieces, ...model.messages)).toBeLessThanOrEqual(MESSAGE_MAX);
    const [chdir, execve] = model.made;
    expect(chdir?.memory.string(chdir.args[0] ?? 0n)).toBe("/");
    expect(execve?.memory.string(execve.args[0] ?? 0n)).toBe("/bin/true");
    expect(execve?.memory.strings(execve.args[1] ?? 0n)).toEqual(["true"]);
    expect(execve?.memory.strings(execve.args[2] ?? 0n)).toEqual(env);
  });

  it("is refused where even the agent has none", () => {
    const plan = new Plan();
    plan.add(syscall("execve", "x".repeat(17 * 1024 * 1024)));
    expect(() => encode(plan.steps)).toThrow("Cannot send the arguments of a system call: they are too large");
  });
});
