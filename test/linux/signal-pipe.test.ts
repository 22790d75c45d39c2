// Signals as bytes in a pipe: in this process, for real. What the machine code is, a disassembler says.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { POLLIN, poll } from "../../src/linux/poll.ts";
import { HANDLERS } from "../../src/linux/signal-handler.ts";
import { ignoring, isIgnored, SignalPipe } from "../../src/linux/signal-pipe.ts";

const SIGUSR2 = 12;
const SIGRTMIN = 34;

/** Sends one to this process by another, which is gone then. */
function send(signal: number): void {
  spawnSync("kill", [`-${signal}`, String(process.pid)]);
}

/** The first signals that come, so many. On a busy machine a thread takes its time to be told of one. */
function taken(signals: SignalPipe, count: number): number[] {
  const found: number[] = [];
  while (found.length < count && poll([{ fd: signals.fd, events: POLLIN }], 10_000)[0] !== 0)
    found.push(...signals.take());
  return found;
}

/** The pipes that this process has open. The test's own process opens and closes other files meanwhile. */
function pipes(): string[] {
  const links = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      return "closed";
    }
  });
  return links.filter((link) => link.startsWith("pipe:")).sort();
}

describe("A signal pipe", () => {
  it("tells of the signals that came, real-time ones too, in their order", () => {
    using signals = new SignalPipe([SIGUSR2, SIGRTMIN]);
    expect(signals.take()).toEqual([]);
    for (const signal of [SIGUSR2, SIGRTMIN, SIGUSR2]) send(signal);
    expect(taken(signals, 3)).toEqual([SIGUSR2, SIGRTMIN, SIGUSR2]);
    expect(signals.take()).toEqual([]);
  });

  it("catches more when it is told to", () => {
    using signals = new SignalPipe([]);
    signals.catch([SIGRTMIN]);
    send(SIGRTMIN);
    expect(taken(signals, 1)).toEqual([SIGRTMIN]);
  });

  it("does not stop the process when nobody reads: what does not fit is dropped", () => {
    using signals = new SignalPipe([SIGUSR2]);
    for (let i = 0; i < 70_000; i++) process.kill(process.pid, SIGUSR2);
    let count = 0;
    for (let taken = signals.take(); taken.length > 0; taken = signals.take()) count += taken.length;
    expect(count).toBe(65_536);
  });

  it("gives the signals back, and leaves no descriptor", async () => {
    let heard = 0;
    const listener = () => heard++;
    const before = pipes();
    process.on("SIGUSR2", listener);
    try {
      new SignalPipe([SIGUSR2])[Symbol.dispose]();
      send(SIGUSR2);
      for (let i = 0; i < 1000 && heard === 0; i++) await sleep(10);
      expect(heard).toBe(1);
    } finally {
      process.off("SIGUSR2", listener);
    }
    expect(pipes()).toEqual(before);
  });

  it("says so when a signal cannot be caught, and gives back those before it", () => {
    ignoring(SIGUSR2, () => {
      const before = pipes();
      expect(() => new SignalPipe([SIGUSR2, 9])).toThrow("signals: rt_sigaction(): EINVAL");
      expect(isIgnored(SIGUSR2)).toBe(true);
      expect(pipes()).toEqual(before);
    });
    expect(isIgnored(SIGUSR2)).toBe(false);
  });
});

/** The comments of signal-handler.ts, and the disassembler that is to agree with them. */
const LISTINGS = {
  x64: {
    command: "/usr/bin/objdump",
    options: ["-mi386:x86-64", "-Mintel"],
    returns: "17: mov eax,0xf",
    lines: ["push rdi", "mov rsi,rsp", "mov edi,0x1234", "mov edx,0x1", "mov eax,0x1", "syscall", "pop rdi", "ret"],
  },
  arm64: {
    command: "/usr/bin/aarch64-linux-gnu-objdump",
    options: ["-maarch64"],
    returns: "20: mov x8, #0x8b",
    lines: [
      ...["str x0, [sp, #-16]!", "mov x1, sp", "mov x0, #0x1234", "mov x2, #0x1", "mov x8, #0x40", "svc #0x0"],
      ...["add sp, sp, #0x10", "ret"],
    ],
  },
} as const;

describe("The handler", () => {
  for (const arch of ["x64", "arm64"] as const) {
    const { command, options, lines, returns } = LISTINGS[arch];
    const there = existsSync(command);
    if (!there) console.warn(`The signal handler for ${arch} is not checked: there is no ${command}`);
    it.skipIf(!there)(`is what its comments say, on ${arch}`, () => {
      const { code, restorer } = HANDLERS[arch];
      const listing = disassemble(command, options, code(0x1234));
      expect(listing.map((line) => line.replace(/^\w+: /, "")).slice(0, lines.length)).toEqual(lines);
      expect(listing.at(-2)).toBe(returns);
      expect(Number.parseInt(listing.at(-2) ?? "", 16)).toBe(restorer);
      expect(listing.length).toBe(lines.length + 2);
    });
  }
});

/** What objdump reads, one instruction a line, without its comments and columns. */
function disassemble(command: string, options: readonly string[], code: Uint8Array): string[] {
  const folder = mkdtempSync(join(tmpdir(), "signal-handler-"));
  try {
    const file = join(folder, "code");
    writeFileSync(file, code);
    const args = ["-D", "-bbinary", "--no-show-raw-insn", ...options, file];
    const { stdout } = spawnSync(command, args, { encoding: "utf8", env: { LC_ALL: "C" } });
    const lines = stdout.split("\n").filter((line) => /^ +[0-9a-f]+:\t/.test(line));
    return lines.map((line) =>
      line
        .replace(/\s+\/\/.*/, "")
        .replace(/\s+/g, " ")
        .trim(),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}
