// What the caller's environment can do to the engine, and that it cannot: scripts/environment-guard.ts.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { GUARDS, guardEnvironment, KEPT } from "../scripts/environment-guard.ts";
import { assemble, machineCode, plain, word } from "../src/linux/agent/assembly.ts";

const repository = fileURLToPath(new URL("..", import.meta.url));
const tsrun = join(repository, "dist/tsrun");

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "environment-guard-"));
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
  if (!there) console.warn(`The environment guard is not fully tested: there is no ${what}`);
  return it.skipIf(!there);
}

describe("a guarded program", () => {
  const guardedEnv = () => executable("env", guardEnvironment(readFileSync("/usr/bin/env")));
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
    expect(run(guardEnvironment(original), "guarded")).toBe(2);
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
  const start = 64 + 2 * 56;
  const file = new Uint8Array(start + code.length);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 183, true);
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

describe("the guard", () => {
  const disassemblers = {
    x64: ["/usr/bin/objdump", "-mi386:x86-64", "-Mintel"],
    arm64: ["/usr/bin/aarch64-linux-gnu-objdump", "-maarch64"],
  } as const;
  for (const [arch, [command, ...options]] of Object.entries(disassemblers)) {
    needing(command)(`is what objdump reads, for ${arch}`, () => {
      const program = GUARDS[arch as keyof typeof GUARDS](-0x10000);
      const args = ["-D", "-bbinary", "--no-show-raw-insn", ...options, executable("code", machineCode(program))];
      const lines = execFileSync(command, args, { encoding: "utf8" }).split("\n");
      const read = lines.filter((line) => /^ +[0-9a-f]+:\t/.test(line));
      const listing = assemble(program).map(({ at, text }) => `${at.toString(16)}: ${text}`);
      expect(listing.length).toBeGreaterThan(20);
      const plainly = (line: string) =>
        line
          .replace(/\s+\/\/.*/, "")
          .replace(/\s+/g, " ")
          .trim();
      expect(read.map(plainly)).toEqual(listing);
    });
  }

  it("refuses a file that is no program, and one without a header to use", () => {
    expect(() => guardEnvironment(new Uint8Array(64))).toThrow("no ELF file");
    const program = countingProgram();
    new DataView(program.buffer).setUint32(64 + 56, 6, true);
    expect(() => guardEnvironment(program)).toThrow("no PT_NOTE");
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
