// The first instructions of dist/tsrun, scripts/entry: that the caller's environment cannot do to the engine what it could,
// and that prepared plans are run where the command line asks for them and nowhere else.

import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { installEntry } from "../scripts/entry/install.ts";
import { entryProgram, KEPT, tables } from "../scripts/entry/program.ts";
import type { Architecture } from "../src/linux/abi/syscalls.ts";
import { assemble, machineCode, plain, word } from "../src/linux/agent/assembly.ts";
import { ARENA, MESSAGE } from "../src/linux/agent/wire.ts";
import { GIVEN, ROOM, SLOT_SIZE, SLOTS, VERSION, VERSION_OFFSET } from "../src/linux/prepared-file.ts";
import { dataAddress, type Frame, message } from "./linux/agent/message.ts";

const repository = fileURLToPath(new URL("..", import.meta.url));
const tsrun = join(repository, "dist/tsrun");

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entry-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a program and returns its path. */
function executable(name: string, bytes: Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, bytes, { mode: 0o755 });
  return path;
}

/** Skips a test, saying so, where something that it needs is missing. */
function needing(what: string) {
  const there = existsSync(what);
  if (!there) console.warn(`The entry is not fully tested: there is no ${what}`);
  return it.skipIf(!there);
}

describe("a program behind the entry", () => {
  const guardedEnv = () => executable("env", installEntry(readFileSync("/usr/bin/env")));
  const env = needing("/usr/bin/env");

  env("gets the variables that are kept, in their order, and no others", () => {
    const given = { BUN_BE_BUN: "1", LISTEN_FDS: "2", NODE_OPTIONS: "x", XDG_RUNTIME_DIR: "/run/user/1=2", A: "" };
    expect(execFileSync("/usr/bin/env", { env: given, encoding: "utf8" })).toContain("BUN_BE_BUN=1");
    const seen = execFileSync(guardedEnv(), { env: given, encoding: "utf8" });
    expect(seen).toBe("LISTEN_FDS=2\nXDG_RUNTIME_DIR=/run/user/1=2\n");
  });

  env("gets no variable whose name only begins as one that is kept, or is the beginning of it", () => {
    const given = { USE: "1", USERS: "2", USER_: "3", "": "4", PAT: "5" };
    expect(execFileSync(guardedEnv(), { env: given, encoding: "utf8" })).toBe("");
    expect(execFileSync(guardedEnv(), { env: {}, encoding: "utf8" })).toBe("");
  });

  env("gets its arguments, exit status and everything else as before", () => {
    const args = ["USER=x", "sh", "-c", 'echo "$USER $0 $1"; exit 7', "a b", ""];
    const { stdout, status } = spawnSync(guardedEnv(), args, { env: { PATH: "/bin" }, encoding: "utf8" });
    expect([stdout, status]).toEqual(["x a b \n", 7]);
  });

  needing("/usr/bin/qemu-aarch64-static")("loses variables on AArch64 too", () => {
    const original = countingProgram();
    const run = (program: Uint8Array, name: string) => {
      // An environment for the emulator is not what the program gets: -E and -U say that.
      const more = ["-E", "USER=u,BUN_BE_BUN=1,PATH=/", "-U", "LD_PRELOAD"];
      const path = executable(name, program);
      return spawnSync("/usr/bin/qemu-aarch64-static", [...more, path], { env: {} }).status;
    };
    expect(run(original, "plain")).toBe(3);
    expect(run(installEntry(original), "guarded")).toBe(2);
  });
});

/** A static AArch64 program whose exit status is the number of its variables. */
function countingProgram(): Uint8Array {
  const code = machineCode([
    plain(word(0xf94003e9), "ldr x9, [sp]"),
    plain(word(0x910043ea), "add x10, sp, #0x10"),
    plain(word(0x8b090d49), "add x9, x10, x9, lsl #3"),
    plain(word(0xd2800000), "mov x0, #0"),
    plain(word(0xf840852b), "ldr x11, [x9], #8"),
    plain(word(0xb400006b), "cbz x11, +12"),
    plain(word(0x91000400), "add x0, x0, #1"),
    plain(word(0x17fffffd), "b -12"),
    plain(word(0xd2800ba8), "mov x8, #93"), // exit
    plain(word(0xd4000001), "svc #0"),
  ]);
  return staticProgram("arm64", code);
}

/** A static program of one segment, with notes that the entry can take the place of. */
function staticProgram(arch: Architecture, code: Uint8Array): Uint8Array {
  const start = 64 + 2 * 56;
  const file = new Uint8Array(start + code.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, arch === "x64" ? 62 : 183, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, BigInt(0x40_0000 + start), true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 2, true);
  const segment = (at: number, type: number, length: number) => {
    view.setUint32(at, type, true);
    view.setUint32(at + 4, 5, true);
    view.setBigUint64(at + 16, 0x40_0000n, true);
    view.setBigUint64(at + 24, 0x40_0000n, true);
    view.setBigUint64(at + 32, BigInt(length), true);
    view.setBigUint64(at + 40, BigInt(length), true);
    view.setBigUint64(at + 48, 0x1_0000n, true);
  };
  segment(64, 1, file.length);
  segment(64 + 56, 4, 0);
  file.set(code, start);
  return file;
}

describe("the entry", () => {
  const disassemblers = {
    x64: ["/usr/bin/objdump", "-mi386:x86-64", "-Mintel"],
    arm64: ["/usr/bin/aarch64-linux-gnu-objdump", "-maarch64"],
  } as const;
  for (const [arch, [command, ...options]] of Object.entries(disassemblers)) {
    needing(command)(`is what objdump reads, for ${arch}`, () => {
      const program = entryProgram(arch as Architecture, -0x10000);
      const whole = [...program, ...tables(KEPT)];
      const args = ["-D", "-bbinary", "--no-show-raw-insn", ...options, executable("code", machineCode(whole))];
      const lines = execFileSync(command, args, { encoding: "utf8" }).split("\n");
      const read = lines.filter((line) => /^ +[0-9a-f]+:\t/.test(line));
      const instructions = program.filter((line) => typeof line !== "string").length;
      const listing = assemble(whole)
        .slice(0, instructions)
        .map(({ at, text }) => `${at.toString(16)}: ${text}`);
      expect(listing.length).toBeGreaterThan(200);
      const plainly = (line: string) =>
        line
          .replace(/\s+\/\/.*/, "")
          .replace(/\s+/g, " ")
          .trim();
      expect(read.slice(0, instructions).map(plainly)).toEqual(listing);
    });
  }

  it("refuses a file that is no program, and one without a header to use", () => {
    expect(() => installEntry(new Uint8Array(64))).toThrow("no ELF file");
    const program = countingProgram();
    new DataView(program.buffer).setUint32(64 + 56, 6, true);
    expect(() => installEntry(program)).toThrow("no PT_NOTE");
  });

  it("keeps every variable that the sources read", () => {
    const files = readdirSync(join(repository, "src"), { recursive: true, encoding: "utf8" });
    const read = new Set<string>();
    for (const file of files.filter((name) => name.endsWith(".ts"))) {
      const text = readFileSync(join(repository, "src", file), "utf8");
      const found = text.matchAll(/\benv(?:ironment)?(?:\.|\[")([A-Z][A-Z_]+)\b|getenv\("([A-Z_]+)/g);
      for (const [, property, name] of found) read.add(`${property ?? name}=`);
    }
    expect(read).toContain("XDG_RUNTIME_DIR=");
    expect([...read].filter((name) => !KEPT.some((kept) => name.startsWith(kept)))).toEqual([]);
  });
});

/** A `prepared` file with one plan: it writes the word that it was given to standard output. */
function prepared(arch: Architecture, slot: number, given: number): Uint8Array {
  const frames: Frame[] = [
    { call: "write", args: [1, ARENA + given, 8] },
    { call: "faccessat", args: [{ at: ARENA + GIVEN.directory }, dataAddress(2), 0] },
  ];
  const file = new Uint8Array((slot + 1) * SLOT_SIZE);
  file.set(message(arch, frames, Buffer.from("there\0")), slot * SLOT_SIZE);
  new DataView(file.buffer).setUint32(slot * SLOT_SIZE + VERSION_OFFSET, VERSION, true);
  return file;
}

describe("prepared plans", () => {
  const EMULATOR = "/usr/bin/qemu-aarch64-static";
  const NOT_ENGINE = 77;
  /** A program that ends with a status of its own where the entry goes on to it. */
  const machines = {
    x64: { words: [], code: [plain([0xb8, 231, 0, 0, 0, 0xbf, NOT_ENGINE, 0, 0, 0, 0x0f, 0x05], "exit_group(77)")] },
    arm64: {
      words: [EMULATOR],
      code: [
        plain([...word(0xd2800000 | (NOT_ENGINE << 5)), ...word(0xd2800bc8), ...word(0xd4000001)], "exit_group(77)"),
      ],
    },
  } as const;

  for (const arch of ["x64", "arm64"] as const) {
    const { words, code } = machines[arch];
    describe(arch, () => {
      const it = arch === process.arch ? needing("/") : needing(EMULATOR);
      let program = "";
      let container = "";
      beforeEach(() => {
        program = executable("program", installEntry(staticProgram(arch, machineCode(code))));
        container = join(folder, "root/box");
        mkdirSync(container, { recursive: true });
        writeFileSync(join(container, "there"), "");
      });
      const place = (slot: number, given: number = GIVEN.signal) =>
        writeFileSync(join(container, "prepared"), prepared(arch, slot, given));
      /** What was printed, as a number; or the status that the engine's place ended with. */
      const run = (...args: string[]) => {
        const [command = "", ...rest] = [...words, program, ...args];
        const { status, stdout } = spawnSync(command, rest, { env: {} });
        return status === 0 ? { printed: Number(stdout.readBigUint64LE()) } : { status };
      };
      const root = () => ["--root", join(folder, "root")];
      const engine = { status: NOT_ENGINE };

      it("are run, with the signal that was asked for", () => {
        place(SLOTS.kill);
        expect(run(...root(), "kill", "box")).toEqual({ printed: 15 });
        expect(run(...root(), "kill", "box", "9")).toEqual({ printed: 9 });
        expect(run("--log", "x", ...root(), "--log-format", "json", "kill", "box", "SIGUSR1")).toEqual({ printed: 10 });
        expect(run("--log-format=json", "--systemd-cgroup", ...root(), "kill", "box", "INT")).toEqual({ printed: 2 });
      });

      it("are run, each for its command", () => {
        for (const command of ["state", "start", "delete"] as const) {
          place(SLOTS[command]);
          expect(run(...root(), command, "box")).toEqual({ printed: 15 });
          for (const other of ["state", "start", "delete", "kill"].filter((name) => name !== command))
            expect(run(...root(), other, "box")).toEqual(engine);
        }
        place(SLOTS.forceDelete);
        expect(run(...root(), "delete", "--force", "box")).toEqual({ printed: 15 });
        expect(run(...root(), "delete", "box", "-f")).toEqual({ printed: 15 });
        expect(run(...root(), "delete", "box")).toEqual(engine);
      });

      it("are not run for a command line that is not one of the usual ones", () => {
        place(SLOTS.kill);
        const lines = [
          [],
          ["kill", "box"],
          [...root()],
          [...root(), "kill"],
          [...root(), "kill", ""],
          [...root(), "kill", "box", ""],
          [...root(), "kill", "box", "NOPE"],
          [...root(), "kill", "box", "TERMX"],
          [...root(), "kill", "box", "TER"],
          [...root(), "kill", "box", "KILL", "TERM"],
          [...root(), "kill", "--all", "box"],
          [...root(), "kill", "-f", "box"],
          [...root(), "kills", "box"],
          [...root(), "kil", "box"],
          [...root(), "--debug", "kill", "box"],
          [...root(), "--log-format", "xml", "kill", "box"],
          [...root(), "--log-format=xml", "kill", "box"],
          [...root(), "--log"],
          [...root(), "--", "kill", "box"],
          [...root(), "kill", "nobody"],
          [...root(), "kill", "../root/box"],
          [...root(), "kill", "box~"],
          ["--root", join(folder, "nowhere"), "kill", "box"],
        ];
        for (const line of lines) expect(run(...line), line.join(" ")).toEqual(engine);
        renameSync(container, `${container}~`);
        expect(run(...root(), "kill", "box~")).toEqual(engine);
      });

      it("are not run where the file is of another version, short, or not there", () => {
        const file = join(container, "prepared");
        place(SLOTS.state);
        expect(run(...root(), "state", "box")).toHaveProperty("printed");
        const bytes = readFileSync(file);
        const other = Buffer.from(bytes);
        other.writeUint32LE(VERSION + 1, SLOTS.state * SLOT_SIZE + VERSION_OFFSET);
        for (const content of [other, bytes.subarray(0, SLOTS.state * SLOT_SIZE + 20), Buffer.alloc(0)]) {
          writeFileSync(file, content);
          expect(run(...root(), "state", "box")).toEqual(engine);
        }
        rmSync(file);
        expect(run(...root(), "state", "box")).toEqual(engine);
        symlinkSync("/dev/zero", file);
        expect(run(...root(), "state", "box")).toEqual(engine);
      });

      it("leave the rest to the engine when a call fails", () => {
        place(SLOTS.state);
        rmSync(join(container, "there"));
        expect(run(...root(), "state", "box")).toEqual(engine);
      });
    });
  }

  it("have room in memory", () => {
    expect(MESSAGE - ARENA + SLOT_SIZE).toBeLessThanOrEqual(ROOM);
    expect(GIVEN.signal + 8).toBeLessThanOrEqual(MESSAGE - ARENA);
  });
});

describe("dist/tsrun", () => {
  const built = needing(tsrun);
  const run = (env: Record<string, string>, ...args: string[]) => {
    const { stdout, stderr, status } = spawnSync(tsrun, args, { cwd: folder, env, encoding: "utf8", timeout: 20_000 });
    return { stdout, stderr: stderr.replace(/time="[^"]*"/, ""), status };
  };

  const script = () => {
    writeFileSync(join(folder, "x.js"), `require("node:fs").writeFileSync("ran", "")`);
    return "./x.js";
  };
  const ATTACKS: readonly (readonly [name: string, value: () => string])[] = [
    ["BUN_BE_BUN", () => "1"],
    ["BUN_OPTIONS", () => `--preload ${script()}`],
    ["BUN_BYTECODE_ORDER_OUT", () => join(folder, "written")],
    ["BUN_JSC_dumpOptions", () => "2"],
    ["BUN_JSC_logGC", () => "2"],
    ["BUN_JSC_dumpGeneratedBytecodes", () => "1"],
  ];
  for (const [name, value] of ATTACKS) {
    built(`says and writes with ${name} what it does without`, () => {
      const expected = run({}, "--version");
      expect(expected.stdout).toContain("tsrun version");
      const attack = { [name]: value() };
      const before = readdirSync(folder);
      expect(run(attack, "--version")).toEqual(expected);
      expect(run(attack, "-e", "1")).toEqual(run({}, "-e", "1"));
      expect(readdirSync(folder)).toEqual(before);
    });
  }
});
