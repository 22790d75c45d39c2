// One way to write a short program for both architectures: registers by what they are for, and the few instructions that
// x86-64 and AArch64 have in common. What is written with it must hold on both: a system call keeps only k0 to k5, and on
// AArch64 its result comes in the register of the first argument.

import type { Architecture } from "../../src/linux/abi/syscalls.ts";
import * as arm64 from "../../src/linux/agent/arm64.ts";
import { arm64Frames } from "../../src/linux/agent/arm64-program.ts";
import { type Instruction, type Line, plain, word } from "../../src/linux/agent/assembly.ts";
import * as x64 from "../../src/linux/agent/x64.ts";
import { x64Frames } from "../../src/linux/agent/x64-program.ts";

/** Arguments of a system call, what is kept across one, what is not, and its result. k5 can be no base address. */
export type Register =
  | ("a0" | "a1" | "a2" | "a3" | "a4" | "a5")
  | ("k0" | "k1" | "k2" | "k3" | "k4" | "k5")
  | ("t0" | "result");

/** Where the frames of src/linux/agent's programs keep the current frame and the arena. */
export const FRAME_REGISTER: Register = "k0";
export const ARENA_REGISTER: Register = "k1";

/** An architecture's instructions. Each makes one or a few lines. */
export interface Machine {
  /** to = value: 32 bits, or a small negative number. */
  set(to: Register, value: number): Line[];
  copy(to: Register, from: Register): Line[];
  add(to: Register, value: number): Line[];
  shiftLeft(to: Register, count: number): Line[];
  /** The word of 64 bits at base + offset (0 to 120). */
  load(to: Register, base: Register, offset: number): Line[];
  store(from: Register, base: Register, offset: number): Line[];
  /** The byte at base, zeros above it. */
  loadByte(to: Register, base: Register): Line[];
  addressOf(to: Register, label: string): Line[];
  jump(label: string): Line[];
  ifZero(a: Register, label: string): Line[];
  ifNotZero(a: Register, label: string): Line[];
  ifEqual(a: Register, value: number, label: string): Line[];
  ifNotEqual(a: Register, value: number, label: string): Line[];
  /** Two registers. */
  ifDifferent(a: Register, b: Register, label: string): Line[];
  /** Signed, `value` from 0 to 4095. */
  ifLess(a: Register, value: number, label: string): Line[];
  /** The system call of that number; its arguments are set. */
  syscall(number: number): Line[];
  /** The frames' own loop, see wire.ts. */
  frames(): readonly Line[];

  // What stands on the stack at the entry of a program: argc, arguments, NULL, variables, NULL.
  /** k0 = where the arguments after the first are. */
  argumentsTo(): Line[];
  /** k2 = where the variables are. */
  environmentTo(): Line[];
  /** What the loader has in a register for the program: put aside, below the stack, and back. */
  keepLoaders(): Line[];
  restoreLoaders(): Line[];
  /** To an address relative to the program's start. */
  leaveTo(address: number): Line[];
}

/** Makes a machine's instructions. */
export const MACHINES: Readonly<Record<Architecture, Machine>> = { x64: x64Machine(), arm64: arm64Machine() };

function x64Machine(): Machine {
  const R: Readonly<Record<Register, x64.Register>> = {
    ...{ a0: "rdi", a1: "rsi", a2: "rdx", a3: "r10", a4: "r8", a5: "r9" },
    ...{ k0: "rbx", k1: "rbp", k2: "r13", k3: "r14", k4: "r15", k5: "r12" },
    ...{ t0: "rcx", result: "rax" },
  };
  return {
    set: (to, value) => [x64.movImmediate(R[to], value)],
    copy: (to, from) => [x64.mov(R[to], R[from])],
    add: (to, value) => [x64.addImmediate(R[to], value)],
    shiftLeft: (to, count) => [x64.shl(R[to], count)],
    load: (to, base, offset) => [x64.load(R[to], x64.at(R[base], offset))],
    store: (from, base, offset) => [x64.store(x64.at(R[base], offset), R[from])],
    loadByte: (to, base) => [x64.loadByte(R[to], R[base])],
    addressOf: (to, label) => [x64.lea(R[to], label)],
    jump: (label) => [x64.jmp(label)],
    ifZero: (a, label) => [x64.test(R[a]), x64.je(label)],
    ifNotZero: (a, label) => [x64.test(R[a]), x64.jne(label)],
    ifEqual: (a, value, label) => [x64.cmpImmediate(R[a], value), x64.je(label)],
    ifNotEqual: (a, value, label) => [x64.cmpImmediate(R[a], value), x64.jne(label)],
    ifDifferent: (a, b, label) => [x64.cmp(R[a], R[b]), x64.jne(label)],
    ifLess: (a, value, label) => [x64.cmpImmediate(R[a], value), x64.jl(label)],
    syscall: (number) => [x64.movImmediate("rax", number), x64.syscall()],
    frames: x64Frames,
    argumentsTo: () => [plain([0x48, 0x8d, 0x5c, 0x24, 0x10], "lea rbx,[rsp+0x10]")],
    environmentTo: () => [
      plain([0x48, 0x8b, 0x04, 0x24], "mov rax,QWORD PTR [rsp]"),
      plain([0x4c, 0x8d, 0x6c, 0xc4, 0x10], "lea r13,[rsp+rax*8+0x10]"),
    ],
    keepLoaders: () => [plain([0x48, 0x89, 0x54, 0x24, 0xf8], "mov QWORD PTR [rsp-0x8],rdx")],
    restoreLoaders: () => [plain([0x48, 0x8b, 0x54, 0x24, 0xf8], "mov rdx,QWORD PTR [rsp-0x8]")],
    leaveTo: (address) => [x64LeaveTo(address)],
  };
}

function arm64Machine(): Machine {
  const R: Readonly<Record<Register, arm64.Register>> = {
    ...{ a0: "x0", a1: "x1", a2: "x2", a3: "x3", a4: "x4", a5: "x5" },
    ...{ k0: "x20", k1: "x19", k2: "x22", k3: "x23", k4: "x24", k5: "x21" },
    ...{ t0: "x9", result: "x0" },
  };
  return {
    set: (to, value) => arm64Set(R[to], value),
    copy: (to, from) => [arm64.mov(R[to], R[from])],
    add: (to, value) => [arm64.addImmediate(R[to], R[to], value)],
    shiftLeft: (to, count) => [arm64.lsl(R[to], R[to], count)],
    load: (to, base, offset) => [arm64.ldr(R[to], arm64.at(R[base], offset))],
    store: (from, base, offset) => [arm64.str(R[from], arm64.at(R[base], offset))],
    loadByte: (to, base) => [arm64.ldrb(R[to], R[base])],
    addressOf: (to, label) => [arm64.adr(R[to], label)],
    jump: (label) => [arm64.b(label)],
    ifZero: (a, label) => [arm64.cbz(R[a], label)],
    ifNotZero: (a, label) => [arm64.cbnz(R[a], label)],
    ifEqual: (a, value, label) => [arm64.cmpImmediate(R[a], value), arm64.bEqual(label)],
    ifNotEqual: (a, value, label) => [arm64.cmpImmediate(R[a], value), arm64.bNotEqual(label)],
    ifDifferent: (a, b, label) => [arm64.cmp(R[a], R[b]), arm64.bNotEqual(label)],
    ifLess: (a, value, label) => [arm64.cmpImmediate(R[a], value), arm64.bLess(label)],
    syscall: (number) => [arm64.movz("x8", number), arm64.svc()],
    frames: arm64Frames,
    argumentsTo: () => [plain(word(0x910043f4), "add x20, sp, #0x10")],
    environmentTo: () => [
      plain(word(0xf94003e9), "ldr x9, [sp]"),
      plain(word(0x910043ea), "add x10, sp, #0x10"),
      arm64.addShifted("x22", "x10", "x9", 3),
    ],
    keepLoaders: () => [plain(word(0xf81f83e0), "stur x0, [sp, #-8]")],
    restoreLoaders: () => [plain(word(0xf85f83e0), "ldur x0, [sp, #-8]")],
    leaveTo: (address) => [arm64LeaveTo(address)],
  };
}

/** One instruction where one can do it. */
function arm64Set(to: arm64.Register, value: number): Line[] {
  if (value < 0) return [arm64.movn(to, -1 - value)];
  const [high, low] = [Math.floor(value / 0x1_0000), value & 0xffff];
  if (high === 0) return [arm64.movz(to, low)];
  if (low === 0) return [arm64.movz(to, high, 16)];
  return [arm64.movz(to, low), arm64.movk(to, high, 16)];
}

function x64LeaveTo(address: number): Instruction {
  if (Math.abs(address) > 0x7fff_0000) throw new Error("Cannot go on to the program: its entry is too far away");
  return {
    ...x64.jmp(""),
    encode: (place) => [0xe9, ...word(address - (place + 5))],
    text: () => `jmp ${far(address)}`,
  };
}

/** b: 26 bits of displacement in instructions, 128 MiB to either side. */
function arm64LeaveTo(address: number): Instruction {
  if (Math.abs(address) >= 0x7ff_0000) throw new Error("Cannot go on to the program: its entry is too far away");
  const encode = (place: number) => word(0x14000000 | (((address - place) / 4) & 0x3ff_ffff));
  return { size: 4, encode, text: () => `b ${far(address)}` };
}

/** An address before the program's start, as disassemblers write it. */
function far(address: number): string {
  return `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;
}
