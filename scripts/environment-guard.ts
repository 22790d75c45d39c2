// Keeps the caller's environment from the engine. Bun reads some 150 variables and every option of JavaScriptCore from
// it: BUN_BE_BUN=1 makes any compiled program the bun command, BUN_OPTIONS and BUN_INSPECT_PRELOAD run files,
// BUN_BYTECODE_ORDER_OUT and a dozen BUN_JSC_ options write them, BUN_ENABLE_CRASH_REPORTING sends. tsrun runs as root, and
// nobody can list them all; so what tsrun itself reads is kept and all else is gone before the engine's first instruction.
//
// elf(5): the kernel, or the dynamic loader, enters a program at e_entry with argc, argv and envp on the stack. This puts
// a few instructions there that take what is not in KEPT out of envp and go on to where e_entry pointed before. They are a
// page of their own at the end of the file, for which the program header of the notes (PT_NOTE: a build id, nobody reads
// it) becomes a PT_LOAD. Nothing in them depends on where the file is loaded. /proc/PID/environ still shows everything.

import type { Architecture } from "../src/linux/abi/syscalls.ts";
import * as arm64 from "../src/linux/agent/arm64.ts";
import { hex, type Instruction, type Line, machineCode, plain, word } from "../src/linux/agent/assembly.ts";
import { addImmediate, at, je, jmp, jne, load, mov, store, test } from "../src/linux/agent/x64.ts";

/** What tsrun and the programs that it calls are told by the environment. One without "=" stands for all that begin so. */
export const KEPT = [
  "PATH=", // of ps, criu, newuidmap
  "USER=",
  "XDG_RUNTIME_DIR=",
  "NOTIFY_SOCKET=",
  "LISTEN_FDS=",
  "LISTEN_FDNAMES=",
  "LISTEN_PID=",
  "DBUS_SESSION_BUS_ADDRESS=", // libsystemd's
  "DBUS_SYSTEM_BUS_ADDRESS=",
] as const;

/** <elf.h>: offsets in the file header and in a program header, and the values that are looked for. */
const HEADER = { type: 16, machine: 18, entry: 24, programHeaders: 32, size: 54, count: 56 } as const;
const PROGRAM = { type: 0, flags: 4, offset: 8, address: 16, physical: 24, file: 32, memory: 40, align: 48 } as const;
const MACHINES: Readonly<Record<number, Architecture>> = { 62: "x64", 183: "arm64" };
const PT_LOAD = 1;
const PT_NOTE = 4;
const FLAGS_R_X = 5;
/** The largest page that either architecture may be set up with. */
const PAGE = 0x1_0000;

/** The same program behind the guard. Error where the file is not the kind of program that this is made for. */
export function guardEnvironment(program: Uint8Array, kept: readonly string[] = KEPT): Uint8Array {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const arch = MACHINES[view.getUint16(HEADER.machine, true)];
  if (view.getUint32(0, false) !== 0x7f454c46 || arch === undefined) {
    throw new Error("Cannot guard the program: it is no ELF file of x86-64 or AArch64");
  }
  const headers = programHeaders(view);
  const note = headers.find((header) => view.getUint32(header + PROGRAM.type, true) === PT_NOTE);
  if (note === undefined) throw new Error("Cannot guard the program: it has no PT_NOTE to take the place of");
  const entry = word64(view, HEADER.entry);
  const address = roundUp(endOfMemory(view, headers), PAGE);
  const code = guardCode(arch, entry - address, kept);
  const offset = roundUp(program.length, PAGE);

  const guarded = new Uint8Array(offset + code.length);
  guarded.set(program);
  guarded.set(code, offset);
  const changed = new DataView(guarded.buffer);
  setWord64(changed, HEADER.entry, address);
  changed.setUint32(note + PROGRAM.type, PT_LOAD, true);
  changed.setUint32(note + PROGRAM.flags, FLAGS_R_X, true);
  for (const [field, value] of [
    [PROGRAM.offset, offset],
    [PROGRAM.address, address],
    [PROGRAM.physical, address],
    [PROGRAM.file, code.length],
    [PROGRAM.memory, code.length],
    [PROGRAM.align, PAGE],
  ] as const) {
    setWord64(changed, note + field, value);
  }
  return guarded;
}

/** The instructions and, behind them, the table of names, each ended by a NUL, the last by two. */
export function guardCode(arch: Architecture, entry: number, kept: readonly string[]): Uint8Array {
  const names = new TextEncoder().encode(`${kept.join("\0")}\0\0`);
  const program = GUARDS[arch](entry);
  const code = machineCode(program);
  const all = new Uint8Array(code.length + names.length);
  all.set(code);
  all.set(names, code.length);
  return all;
}

/** The guard's own instructions, as a listing: `entry` is relative to the first of them. */
export const GUARDS: Readonly<Record<Architecture, (entry: number) => readonly Line[]>> = {
  x64: x64Guard,
  arm64: arm64Guard,
};

/** rsp: argc, argv, NULL, envp, NULL. rdx is the loader's: kept. rsi reads envp, rdi writes it. */
function x64Guard(entry: number): readonly Line[] {
  return [
    plain([0x48, 0x8b, 0x04, 0x24], "mov rax,QWORD PTR [rsp]"),
    plain([0x48, 0x8d, 0x74, 0xc4, 0x10], "lea rsi,[rsp+rax*8+0x10]"),
    mov("rdi", "rsi"),

    "variable:",
    load("rax", at("rsi", 0)),
    addImmediate("rsi", 8),
    test("rax"),
    je("done"),
    x64AddressOf("rbx", "names:"),

    "name:",
    plain([0x44, 0x0f, 0xb6, 0x03], "movzx r8d,BYTE PTR [rbx]"),
    test("r8"),
    je("variable"), // no name is left: the variable is dropped
    mov("rcx", "rax"),

    "compare:",
    plain([0x44, 0x0f, 0xb6, 0x03], "movzx r8d,BYTE PTR [rbx]"),
    test("r8"),
    je("keep"),
    plain([0x44, 0x3a, 0x01], "cmp r8b,BYTE PTR [rcx]"),
    jne("skip"),
    addImmediate("rbx", 1),
    addImmediate("rcx", 1),
    jmp("compare"),

    "skip:", // to behind the NUL of this name
    plain([0x44, 0x0f, 0xb6, 0x03], "movzx r8d,BYTE PTR [rbx]"),
    addImmediate("rbx", 1),
    test("r8"),
    jne("skip"),
    jmp("name"),

    "keep:",
    store(at("rdi", 0), "rax"),
    addImmediate("rdi", 8),
    jmp("variable"),

    "done:",
    store(at("rdi", 0), "rax"),
    x64Jump(entry),
    "names:",
  ];
}

/** sp as on x86-64. x0 is the loader's: kept. x9 reads envp, x10 writes it. */
function arm64Guard(entry: number): readonly Line[] {
  return [
    plain(word(0xf94003e9), "ldr x9, [sp]"),
    plain(word(0x910043ea), "add x10, sp, #0x10"),
    arm64.addShifted("x9", "x10", "x9", 3),
    arm64.mov("x10", "x9"),

    "variable:",
    plain(word(0xf840852b), "ldr x11, [x9], #8"),
    arm64.cbz("x11", "done"),
    arm64AddressOf(12, "names:"),

    "name:",
    plain(word(0x3940018d), "ldrb w13, [x12]"),
    arm64.cbz("x13", "variable"),
    arm64.mov("x14", "x11"),

    "compare:",
    plain(word(0x3840158d), "ldrb w13, [x12], #1"),
    arm64.cbz("x13", "keep"),
    plain(word(0x384015cf), "ldrb w15, [x14], #1"),
    arm64.cmp("x13", "x15"),
    arm64.bEqual("compare"),

    "skip:",
    plain(word(0x3840158d), "ldrb w13, [x12], #1"),
    arm64.cbnz("x13", "skip"),
    arm64.b("name"),

    "keep:",
    plain(word(0xf800854b), "str x11, [x10], #8"),
    arm64.b("variable"),

    "done:",
    plain(word(0xf900015f), "str xzr, [x10]"),
    arm64Jump(entry),
    "names:",
  ];
}

function x64AddressOf(register: "rbx", label: `${string}:`): Instruction {
  const size = 7;
  return {
    size,
    encode: (place, addressOf) => [0x48, 0x8d, 0x1d, ...word(addressOf(label.slice(0, -1)) - (place + size))],
    // The next instruction is "name:", from where the displacement counts.
    text: (addressOf) => {
      const target = addressOf(label.slice(0, -1));
      return `lea ${register},[rip+${hex(target - addressOf("name"))}] # ${hex(target)}`;
    },
  };
}

function x64Jump(entry: number): Instruction {
  const size = 5;
  if (Math.abs(entry) > 0x7fff_0000) throw new Error("Cannot guard the program: its entry is too far away");
  return {
    size,
    encode: (place) => [0xe9, ...word(entry - (place + size))],
    text: () => `jmp ${hex(BigInt.asUintN(64, BigInt(entry)))}`,
  };
}

/** adr: 21 bits of displacement, the low two in bits 29 and 30. */
function arm64AddressOf(register: number, label: `${string}:`): Instruction {
  return {
    size: 4,
    encode: (place, addressOf) => {
      const distance = addressOf(label.slice(0, -1)) - place;
      return word(0x10000000 | ((distance & 3) << 29) | (((distance >> 2) & 0x7ffff) << 5) | register);
    },
    text: (addressOf) => `adr x${register}, ${hex(addressOf(label.slice(0, -1)))}`,
  };
}

/** b: 26 bits of displacement in instructions, 128 MiB to either side. */
function arm64Jump(entry: number): Instruction {
  if (Math.abs(entry) >= 0x7ff_0000) throw new Error("Cannot guard the program: its entry is too far away");
  return {
    size: 4,
    encode: (place) => word(0x14000000 | (((entry - place) / 4) & 0x3ff_ffff)),
    text: () => `b ${hex(BigInt.asUintN(64, BigInt(entry)))}`,
  };
}

/** Where each program header is. */
function programHeaders(view: DataView): number[] {
  const first = word64(view, HEADER.programHeaders);
  const size = view.getUint16(HEADER.size, true);
  return Array.from({ length: view.getUint16(HEADER.count, true) }, (_, i) => first + i * size);
}

/** The end of the last segment; the guard's comes behind it, so that segments stay in order. */
function endOfMemory(view: DataView, headers: readonly number[]): number {
  const loads = headers.filter((header) => view.getUint32(header + PROGRAM.type, true) === PT_LOAD);
  return Math.max(
    ...loads.map((header) => word64(view, header + PROGRAM.address) + word64(view, header + PROGRAM.memory)),
  );
}

function word64(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

function setWord64(view: DataView, offset: number, value: number): void {
  view.setBigUint64(offset, BigInt(value), true);
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
