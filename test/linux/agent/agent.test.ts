// Agents as processes: what they start with, how they end, and that nothing is left.

import { spawnSync, spawn as start } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { hostArchitecture, syscallNumber } from "../../../src/linux/abi/syscalls.ts";
import { Agent } from "../../../src/linux/agent/agent.ts";
import { openExecutable } from "../../../src/linux/agent/executable.ts";
import { agentImage } from "../../../src/linux/agent/image.ts";
import { spawn } from "../../../src/linux/agent/posix-spawn.ts";
import { describeStatus } from "../../../src/linux/agent/reap.ts";
import { AGENT_SOCKET, MESSAGE_MAX } from "../../../src/linux/agent/wire.ts";
import { syscall } from "../../../src/linux/libc.ts";
import { EngineProgram } from "../../engine/program.ts";
import { dataAddress, type Frame, frameAddress, message, readReply } from "./message.ts";

const arch = hostArchitecture();
const NODE = fileURLToPath(new URL("../../../node_modules/.bin/node", import.meta.url));
/** Runs a script on Node, or as a program of the engine that we ship: words to start it with, and what to dispose of then. */
const ENGINES = {
  "on Node": async (name: string) => ({ words: [NODE, script(name)], [Symbol.dispose]: () => {} }),
  "in the built program": async (name: string) => {
    const program = await EngineProgram.build(script(name));
    return { words: [program.path], [Symbol.dispose]: () => program[Symbol.dispose]() };
  },
} as const;
const engines = Object.entries(ENGINES);
const SIGUSR1 = 10;
const buffer = new Uint8Array(MESSAGE_MAX);

describe("A started agent", () => {
  it("has our 0 to 2, its socket and what it was given, and no other descriptor", () => {
    const given = openSync("/dev/null", "r");
    try {
      using agent = Agent.spawn({
        fds: [
          [given, 300],
          [given, given],
        ],
      });
      expect(descriptors(agent)).toEqual([0, 1, 2, given, AGENT_SOCKET, 300]);
      expect(readlinkSync(`/proc/${agent.pid}/fd/300`)).toBe("/dev/null");
    } finally {
      closeSync(given);
    }
  });

  it.each(engines)("gets no descriptor that tsrun inherited without close-on-exec, %s", async (_, prepare) => {
    using prepared = await prepare("start-and-show.ts");
    const shell = 'exec 9</dev/null; exec "$@"';
    const command = ["-c", shell, "sh", ...prepared.words];
    const { stdout, stderr } = spawnSync("sh", command, { encoding: "utf8" });
    expect(stderr).toBe("");
    expect(stdout).toBe("0 1 2 60");
  });

  it("starts where it is given a descriptor under the number that its own program has here", () => {
    const given = openSync("/dev/null", "r");
    try {
      const fds = Array.from({ length: 200 }, (_, i) => [given, i + 3] as const).filter(([, to]) => to !== given);
      using agent = Agent.spawn({ fds, socket: 250 });
      expect(getpid(agent)).toBe(agent.pid);
    } finally {
      closeSync(given);
    }
  });

  it("finds its socket where it is told to", () => {
    using agent = Agent.spawn({ socket: 7 });
    expect(descriptors(agent)).toEqual([0, 1, 2, 7]);
    expect(getpid(agent)).toBe(agent.pid);
  });

  it("ignores and blocks no signal, whatever its parent does", () => {
    const blocked = BigUint64Array.of(1n << BigInt(SIGUSR1 - 1));
    const before = new BigUint64Array(1);
    const mask = (how: number, set: BigUint64Array, old: Uint8Array | number): number =>
      syscall(syscallNumber("rt_sigprocmask"), how, new Uint8Array(set.buffer), old, 8);
    expect(mask(0, blocked, new Uint8Array(before.buffer))).toBe(0);
    try {
      // The guard is real: the engine ignores SIGPIPE, and this thread blocks SIGUSR1 now.
      expect(Number.parseInt(status(process.pid, "SigIgn"), 16)).not.toBe(0);
      using agent = Agent.spawn();
      getpid(agent);
      expect(["SigIgn", "SigBlk", "SigCgt"].map((name) => Number.parseInt(status(agent.pid, name), 16))).toEqual([
        0, 0, 0,
      ]);
    } finally {
      mask(2, before, 0);
    }
  });

  it("has an empty environment and the name that it was given", () => {
    using agent = Agent.spawn({ argv0: "tsrun: waiting" });
    getpid(agent);
    expect(readFileSync(`/proc/${agent.pid}/environ`, "utf8")).toBe("");
    expect(readFileSync(`/proc/${agent.pid}/cmdline`, "utf8")).toBe("tsrun: waiting\0");
  });

  it("is a file that can no longer be changed", () => {
    using agent = Agent.spawn();
    expect(readlinkSync(`/proc/${agent.pid}/exe`)).toMatch(/^\/memfd:tsrun-agent/);
    const fd = openExecutable(agentImage(arch, AGENT_SOCKET));
    try {
      expect(() => writeSync(fd, "x")).toThrow(/EPERM/);
      expect(syscall(syscallNumber("ftruncate"), fd, 0)).toBe(-1);
      expect(syscall(syscallNumber("ftruncate"), fd, 1 << 20)).toBe(-1);
      // F_GET_SEALS: seal, shrink, grow, write.
      expect(syscall(syscallNumber("fcntl"), fd, 1034, 0) & 15).toBe(15);
    } finally {
      closeSync(fd);
    }
  });

  it.skipIf(arch !== "x64")("is under 32 KB resident before and after a message", () => {
    using agent = Agent.spawn();
    // Asleep in its first read: past execve, and all of its start behind it.
    while (!readFileSync(`/proc/${agent.pid}/stat`, "utf8").includes(") S ")) {
      spawnSync("sleep", ["0.01"]);
    }
    const before = residentKb(agent.pid);
    getpid(agent);
    const after = residentKb(agent.pid);
    console.info(`agent: ${before} KB resident at its start, ${after} KB after a message`);
    expect(before).toBeLessThan(32);
    expect(after).toBeLessThan(32);
  });
});

describe("The end of an agent", () => {
  it("is complete at disposal: no process, no zombie, no descriptor", () => {
    Agent.spawn()[Symbol.dispose]();
    const before = readdirSync("/proc/self/fd").length;
    const agent = Agent.spawn();
    agent[Symbol.dispose]();
    agent[Symbol.dispose]();
    expect(existsSync(`/proc/${agent.pid}`)).toBe(false);
    expect(readdirSync("/proc/self/fd").length).toBe(before);
  });

  it("comes at disposal even in the middle of a call that blocks", () => {
    const agent = Agent.spawn();
    agent.send(message(arch, [{ call: "ppoll", args: [0, 0, 0, 0, 0] }]));
    agent[Symbol.dispose]();
    expect(existsSync(`/proc/${agent.pid}`)).toBe(false);
  });

  it("is told from an execve that closed the socket", () => {
    using agent = Agent.spawn();
    const path = "/bin/sleep\0";
    const at = dataAddress(2);
    const words = BigInt64Array.of(BigInt(at), BigInt(at + path.length), 0n);
    const data = new Uint8Array(64 + words.byteLength);
    data.set(new TextEncoder().encode(`${path}100\0`));
    data.set(new Uint8Array(words.buffer), 64);
    const frames: Frame[] = [
      { call: "close_range", args: [3, 0xffff_ffff, 4] },
      { call: "execve", args: [at, at + 64, at + 64 + 16] },
    ];
    agent.send(message(arch, frames, data));
    expect(agent.receiveOrEnd(buffer)).toBe(0);
    expect(() => agent.receive(buffer)).toThrow(`process ${agent.pid}) closed its socket`);
  });

  it("is not told for an execve where it came before the vector was read", async () => {
    using agent = Agent.spawn();
    process.kill(agent.pid, "SIGSTOP");
    // Not at once: it would answer until then.
    await expect.poll(() => readFileSync(`/proc/${agent.pid}/stat`, "utf8")).toMatch(/\) T /);
    agent.send(message(arch, [{ call: "getpid" }]));
    process.kill(agent.pid, "SIGKILL");
    expect(() => agent.receiveOrEnd(buffer)).toThrow(/was killed by SIGKILL/);
  });

  it("is explained: which signal, or which status", () => {
    using agent = Agent.spawn();
    agent.send(message(arch, [{ call: "getpid" }, { call: "kill", args: [{ at: frameAddress(0) }, 11] }]));
    expect(() => agent.receive(buffer)).toThrow(/was killed by SIGSEGV/);
    expect(() => agent.send(message(arch, []))).toThrow(/Cannot go on: the agent \(process \d+\) is gone/);
    expect([0, 256, 9, 63].map(describeStatus)).toEqual([
      "exited with 0",
      "exited with 1",
      "was killed by SIGKILL",
      "was killed by signal 63",
    ]);
  });

  it("does not come at disposal where it was released: it comes by end of file", () => {
    const agent = Agent.spawn();
    agent.release();
    agent[Symbol.dispose]();
    const result = new Int32Array(2);
    expect(syscall(syscallNumber("wait4"), agent.pid, new Uint8Array(result.buffer), 0, 0)).toBe(agent.pid);
    expect(describeStatus(result[0] ?? 0)).toBe("exited with 1");
  });

  it.each(engines)("comes when its tsrun is killed, %s", async (_, prepare) => {
    using prepared = await prepare("start-and-wait.ts");
    const [engine = "", ...words] = prepared.words;
    const child = start(engine, words, { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const pid = Number(await firstOutput(child.stdout));
      expect(readlinkSync(`/proc/${pid}/exe`)).toMatch(/memfd:tsrun-agent/);
      child.kill("SIGKILL");
      await expect.poll(() => alive(pid)).toBe(false);
    } finally {
      child.kill("SIGKILL");
    }
  });
});

describe("Where memfds cannot be executed", () => {
  it("an installed file is run, if it belongs to root, only root can write to it, and it is the agent", () => {
    const folder = mkdtempSync(join(tmpdir(), "agent-installed-"));
    try {
      const make = (name: string, mode: number, owner = 0, bytes = agentImage(arch, AGENT_SOCKET)): string => {
        const path = join(folder, name);
        writeFileSync(path, bytes);
        chownSync(path, owner, owner);
        chmodSync(path, mode);
        return path;
      };
      const files = [
        make("good", 0o555),
        make("foreign", 0o555, 65534),
        make("writable", 0o775),
        make("other", 0o555, 0, agentImage(arch, 3)),
        make("longer", 0o555, 0, Uint8Array.of(...agentImage(arch, AGENT_SOCKET), 0)),
        join(folder, "missing"),
      ];
      // The setting belongs to a process namespace: the machine's own stays as it is.
      const shell = 'echo 2 > /proc/sys/vm/memfd_noexec && exec "$@"';
      const command = ["-pf", "--mount-proc", "sh", "-c", shell, "sh", NODE, script("start-installed.ts"), ...files];
      const { stdout, stderr } = spawnSync("unshare", command, { encoding: "utf8" });
      expect(stderr.replaceAll(/.*ExperimentalWarning.*\n|.*--trace-warnings.*\n/g, "")).toBe("");
      expect(stdout.trim().split("\n")).toEqual([
        "started",
        expect.stringContaining("it does not belong to root"),
        expect.stringContaining("others than root can write to it"),
        expect.stringContaining("it is not this version's agent"),
        expect.stringContaining("it is not this version's agent"),
        expect.stringContaining("vm.memfd_noexec forbids executable memfds, and there is no"),
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe("posix_spawn", () => {
  it("returns the errno of a program that cannot be run", () => {
    expect(spawn({ path: "/nonexistent", argv: [], env: [], fds: [] })).toBe(-2);
  });

  it("passes bytes as they are, and refuses an order that would lose a descriptor", () => {
    const folder = mkdtempSync(join(tmpdir(), "agent-spawn-"));
    const out = openSync(join(folder, "out"), "w+");
    try {
      const bytes = (...codes: number[]): Uint8Array => Uint8Array.from(codes);
      const script = new TextEncoder().encode('printf %s "$1$A"');
      const argv = [bytes(115), bytes(45, 99), script, bytes(115), bytes(0xff, 0x31)];
      const pid = spawn({ path: "/bin/sh", argv, env: [bytes(65, 61, 0xfe)], fds: [[out, 1]] });
      expect(syscall(syscallNumber("wait4"), pid, 0, 0, 0)).toBe(pid);
      expect(fstatSync(out).size).toBe(3);
      expect([...readFileSync(join(folder, "out"))]).toEqual([0xff, 0x31, 0xfe]);
      const swap = [
        [3, 4],
        [4, 3],
      ] as const;
      expect(() => spawn({ path: "/bin/sh", argv, env: [], fds: swap })).toThrow(/4 is overwritten/);
    } finally {
      closeSync(out);
      rmSync(folder, { recursive: true });
    }
  });
});

function getpid(agent: Agent): number | undefined {
  agent.send(message(arch, [{ call: "getpid" }]));
  return readReply(buffer.subarray(0, agent.receive(buffer)), 1).results[0];
}

/** The descriptors of an agent that runs: posix_spawn returns a moment before execve closes those that it must. */
function descriptors(agent: Agent): number[] {
  const pid = getpid(agent);
  const names = readdirSync(`/proc/${pid}/fd`).map(Number);
  return names.sort((a, b) => a - b);
}

function status(pid: number, field: string): string {
  const line = readFileSync(`/proc/${pid}/status`, "utf8").match(new RegExp(`^${field}:\\s*(\\S+)`, "m"));
  return line?.[1] ?? "";
}

/** Of all mappings, by the page tables; VmRSS of status is counted per CPU and lags. */
function residentKb(pid: number): number {
  const sizes = readFileSync(`/proc/${pid}/smaps`, "utf8").matchAll(/^Rss: +(\d+) kB/gm);
  return [...sizes].reduce((sum, [, kb]) => sum + Number(kb), 0);
}

function alive(pid: number): boolean {
  return existsSync(`/proc/${pid}`) && status(pid, "State") !== "Z";
}

function script(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}

/** What a process first says. */
async function firstOutput(stream: Readable): Promise<string> {
  const [chunk] = await once(stream, "data");
  return String(chunk);
}
