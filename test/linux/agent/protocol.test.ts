// The protocol of wire.ts, spoken to real agents of both architectures.

import { closeSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Architecture } from "../../../src/linux/abi/syscalls.ts";
import { Agent, socketpair } from "../../../src/linux/agent/agent.ts";
import { AGENT_SOCKET, ANY_ERRNO, ARENA, HEADER_SIZE, MESSAGE_MAX } from "../../../src/linux/agent/wire.ts";
import { missing, startAgent } from "./agents.ts";
import { argumentAddress, dataAddress, type Frame, frameAddress, message, type Reply, readReply } from "./message.ts";

const EBADF = 9;
const ENOENT = 2;
const BAD_FD = -1;
const SIGCHLD = 17;
const F_GETFD = 1;
const text = (value: string): Uint8Array => new TextEncoder().encode(`${value}\0`);

for (const arch of ["x64", "arm64"] as const) {
  const why = missing(arch);
  if (why !== undefined) {
    console.warn(`The protocol on ${arch} is not tested: ${why}`);
  }
  describe.skipIf(why !== undefined)(`An agent on ${arch}`, () => {
    speaks(arch);
  });
}

function speaks(arch: Architecture): void {
  /** Runs one vector in an agent of its own. */
  const run = (frames: readonly Frame[], data?: Uint8Array): Reply => {
    using agent = startAgent(arch);
    return exchange(agent, arch, frames, data);
  };
  const bad: Frame = { call: "close", args: [BAD_FD] };
  const good: Frame = { call: "getppid" };

  it("runs calls in order and answers with their results", () => {
    using agent = startAgent(arch);
    const reply = exchange(agent, arch, [{ call: "getpid" }, good, { call: "umask", args: [0o27] }, { call: "umask" }]);
    expect(reply.failed).toBeUndefined();
    expect(reply.results.slice(0, 2)).toEqual([agent.pid, process.pid]);
    expect(reply.results[3]).toBe(0o27);
  });

  it("passes all six arguments", () => {
    const length = 3 * 4096;
    const mapped = exchangeOnce({ call: "mmap", args: [0x2000_0000, length, 3, 0x32, -1, 0] });
    expect(mapped).toBe(0x2000_0000);
    function exchangeOnce(frame: Frame): number | undefined {
      return run([frame]).results[0];
    }
  });

  it("takes each argument from memory where the frame says so, and from the frame where not", () => {
    const words = new BigInt64Array([0x2000_0000n, 8192n, 3n, 0x32n, -1n, 0n]);
    const data = new Uint8Array(words.buffer);
    for (let mask = 0; mask < 64; mask++) {
      const at = dataAddress(1);
      const args = [...words].map((word, i) => ((mask >> i) & 1 ? { at: at + 8 * i } : word));
      if (mask === 0 || mask === 63 || (mask & (mask - 1)) === 0) {
        expect(run([{ call: "mmap", args }], data).results, `mask ${mask}`).toEqual([0x2000_0000]);
      }
    }
  });

  it("uses a result as a later argument, and stores it elsewhere", () => {
    const frames: Frame[] = [
      { call: "dup3", args: [AGENT_SOCKET, 77, 0], store: argumentAddress(2, 0) },
      { call: "fcntl", args: [{ at: frameAddress(0) }, F_GETFD] },
      { call: "close", args: [BAD_FD] },
      { call: "fcntl", args: [77, F_GETFD], tolerated: EBADF },
    ];
    expect(run(frames).results).toEqual([77, 0, 0, -EBADF]);
  });

  it("stops at the first failure, says which, and goes on with the next message", () => {
    using agent = startAgent(arch);
    const reply = exchange(agent, arch, [good, bad, { call: "umask", args: [0o11] }]);
    expect(reply.failed).toBe(1);
    expect(reply.results[1]).toBe(-EBADF);
    expect(exchange(agent, arch, [{ call: "umask", args: [0] }]).results).not.toEqual([0o11]);
  });

  it("does not store the result of a failure", () => {
    const reply = run([{ ...bad, tolerated: EBADF, store: dataAddress(1) }], new Uint8Array(8).fill(7));
    expect(reply.data).toEqual(new Uint8Array(8).fill(7));
  });

  it("goes on after a tolerated errno, skipping what the frame says", () => {
    const reply = run([{ ...bad, tolerated: EBADF, skip: 2 }, bad, bad, { call: "umask", args: [0] }]);
    expect(reply.failed).toBeUndefined();
    expect(reply.results[0]).toBe(-EBADF);
    expect(reply.results[1]).not.toBe(-EBADF);
  });

  it("stops at another errno than the tolerated one", () => {
    expect(run([{ ...bad, tolerated: ENOENT, skip: 1 }, good]).failed).toBe(0);
  });

  it("does not skip after a success", () => {
    expect(run([{ ...good, tolerated: EBADF, skip: 1 }, bad]).failed).toBe(1);
  });

  it("tolerates any errno where asked", () => {
    expect(run([{ ...bad, tolerated: ANY_ERRNO, skip: 1 }, bad, good]).failed).toBeUndefined();
  });

  it("skips on success and goes on with the next frame on the tolerated failure, where asked", () => {
    const skipOnSuccess = true;
    expect(run([{ ...good, skip: 1, skipOnSuccess }, bad, good]).failed).toBeUndefined();
    expect(run([{ ...bad, tolerated: EBADF, skip: 1, skipOnSuccess }, bad, good]).failed).toBe(1);
    expect(run([{ ...bad, tolerated: ANY_ERRNO, skip: 1, skipOnSuccess }, good]).failed).toBeUndefined();
  });

  it("takes a result that is large, but no errno, for a success", () => {
    const large = 2 ** 52;
    const frames: Frame[] = [
      { call: "memfd_create", args: [dataAddress(2), 1], store: argumentAddress(1, 0) },
      { call: "lseek", args: [0, large, 0] },
    ];
    expect(run(frames, text("large"))).toMatchObject({ failed: undefined, results: [expect.any(Number), large] });
  });

  it("answers twice after a clone: the parent here, the child on its own socket, where it then listens", () => {
    using agent = startAgent(arch);
    const [ours, theirs] = socketpair();
    // The child needs its end under a number that the agent knows: it takes it from us by pidfd.
    const pidfd = 90;
    const frames: Frame[] = [
      { call: "pidfd_open", args: [process.pid, 0], store: argumentAddress(1, 0) },
      { call: "pidfd_getfd", args: [0, theirs, 0], store: argumentAddress(2, 0) },
      { call: "dup3", args: [0, pidfd, 0] },
      { call: "clone", args: [SIGCHLD, 0, 0, 0, 0], store: argumentAddress(4, 1) },
      { call: "adopt", args: [pidfd, 0] },
      { call: "close", args: [pidfd] },
      { call: "getpid" },
    ];
    const reply = exchange(agent, arch, frames);
    closeSync(theirs);
    const child = reply.results[3] ?? 0;
    using adopted = Agent.adopted(ours, child);
    expect(child).toBeGreaterThan(0);
    expect(reply.results.slice(4)).toEqual([child, 0, agent.pid]);
    const buffer = new Uint8Array(MESSAGE_MAX);
    const first = readReply(buffer.subarray(0, adopted.receive(buffer)), frames.length);
    expect(first.results.slice(3, 5)).toEqual([0, 0]);
    const ids = exchange(adopted, arch, [{ call: "getpid" }, { call: "getppid" }]);
    expect(ids.results).toEqual([child, agent.pid]);
    // Or nobody would hear of the agent's end for as long as the child lives.
    const F_GETFD = 1;
    const probe = exchange(adopted, arch, [{ call: "fcntl", args: [AGENT_SOCKET, F_GETFD], tolerated: EBADF }]);
    expect(probe.results).toEqual([-EBADF]);
  });

  it("reads data larger than a message in pieces", () => {
    using agent = startAgent(arch);
    const size = 6 * 1024 * 1024;
    const piece = 96 * 1024;
    const start = ARENA + 0x10_0000;
    const data = Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
    for (let at = 0; at < size; at += piece) {
      const part = data.subarray(at, at + piece);
      agent.send(message(arch, [{ call: "read", args: [AGENT_SOCKET, start + at, part.length] }]));
      agent.send(part);
      expect(receive(agent, 1).results).toEqual([part.length]);
    }
    // Back through the socket, not as a reply: what the agent holds is what was sent.
    const back = new Uint8Array(piece);
    for (let at = 0; at < size; at += piece) {
      const length = Math.min(piece, size - at);
      agent.send(message(arch, [{ call: "write", args: [AGENT_SOCKET, start + at, length] }]));
      expect(agent.receive(back)).toBe(length);
      expect(Buffer.compare(back.subarray(0, length), data.subarray(at, at + length))).toBe(0);
      expect(receive(agent, 1).results).toEqual([length]);
    }
  });

  it("ends with status 1 at end of file, at a message shorter than a header, and when it cannot reply", () => {
    const buffer = new Uint8Array(MESSAGE_MAX);
    using short = startAgent(arch);
    short.send(new Uint8Array(HEADER_SIZE - 1));
    expect(() => short.receive(buffer)).toThrow(/exited with 1/);
    using mute = startAgent(arch);
    const closing = message(arch, [{ call: "close", args: [AGENT_SOCKET] }]);
    mute.send(closing);
    expect(() => mute.receive(buffer)).toThrow(/exited with 1/);
    using silent = startAgent(arch);
    shutdown(silent, arch);
    expect(() => silent.receive(buffer)).toThrow(/exited with 1/);
  });
}

/** Has the agent see end of file: its side's reading half is shut down, which is what the closing of ours does too. */
function shutdown(agent: Agent, arch: Architecture): void {
  agent.send(message(arch, [{ call: "shutdown", args: [AGENT_SOCKET, 0] }]));
  expect(receive(agent, 1).results).toEqual([0]);
}

function exchange(agent: Agent, arch: Architecture, frames: readonly Frame[], data?: Uint8Array): Reply {
  agent.send(message(arch, frames, data));
  return receive(agent, frames.length);
}

function receive(agent: Agent, frames: number): Reply {
  const buffer = new Uint8Array(MESSAGE_MAX);
  return readReply(buffer.subarray(0, agent.receive(buffer)), frames);
}
