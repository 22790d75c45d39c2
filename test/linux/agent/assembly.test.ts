// The machine code against a real disassembler: the listing that the table prints must be what objdump reads in its bytes.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { arm64Program } from "../../../src/linux/agent/arm64-program.ts";
import { assemble, machineCode, plain } from "../../../src/linux/agent/assembly.ts";
import { AGENT_SOCKET } from "../../../src/linux/agent/wire.ts";
import * as x64 from "../../../src/linux/agent/x64.ts";
import { x64Program } from "../../../src/linux/agent/x64-program.ts";

const DISASSEMBLERS = {
  x64: { program: x64Program, command: "/usr/bin/objdump", options: ["-mi386:x86-64", "-Mintel"] },
  arm64: { program: arm64Program, command: "/usr/bin/aarch64-linux-gnu-objdump", options: ["-maarch64"] },
} as const;

for (const [arch, { program, command, options }] of Object.entries(DISASSEMBLERS)) {
  const there = existsSync(command);
  if (!there) {
    console.warn(`The machine code for ${arch} is not checked: there is no ${command}`);
  }
  it.skipIf(!there)(`objdump reads the program for ${arch} as it is written`, () => {
    const listing = assemble(program(AGENT_SOCKET)).map(({ at, text }) => `${at.toString(16)}: ${text}`);
    expect(listing.length).toBeGreaterThan(60);
    expect(disassemble(command, options, machineCode(program(AGENT_SOCKET)))).toEqual(listing);
  });
}

/** What objdump reads, one instruction a line, without its comments and columns. */
function disassemble(command: string, options: readonly string[], code: Uint8Array): string[] {
  const folder = mkdtempSync(join(tmpdir(), "agent-assembly-"));
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

describe("The assembler", () => {
  it("gives the bytes of the listing and of the program alike", () => {
    const program = x64Program(AGENT_SOCKET);
    expect(new Uint8Array(assemble(program).flatMap(({ bytes }) => bytes))).toEqual(machineCode(program));
  });

  it("refuses a label that is not there, or there twice", () => {
    expect(() => machineCode([x64.jmp("nowhere")])).toThrow("no label nowhere");
    expect(() => machineCode(["here:", plain([0x90], "nop"), "here:"])).toThrow("label here is defined twice");
  });

  it("refuses a base register that its encoding has no room for", () => {
    expect(() => x64.at("r12", 0)).toThrow("SIB");
  });
});
