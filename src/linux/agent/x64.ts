// x86-64 instructions that the agent needs, and no others. Every operation has one encoding, the plain one: 64-bit
// registers with a REX prefix, memory as base + 8-bit displacement, branches with 32-bit displacements.
// Intel's manual, volume 2 (opcode maps); mnemonics and operand order are those of `objdump -M intel`.

import { type AddressOf, hex, type Instruction, plain, word } from "./assembly.ts";

const REGISTERS = [
  ..."rax rcx rdx rbx rsp rbp rsi rdi".split(" "),
  ..."r8 r9 r10 r11 r12 r13 r14 r15".split(" "),
] as const;
const LOW_WORDS = "ax cx dx bx sp bp si di r8w r9w r10w r11w r12w r13w r14w r15w".split(" ");
const LOW_BYTES = "al cl dl bl spl bpl sil dil r8b r9b r10b r11b r12b r13b r14b r15b".split(" ");

/** A 64-bit register, by its name. */
export type Register =
  | "rax"
  | "rcx"
  | "rdx"
  | "rbx"
  | "rbp"
  | "rsi"
  | "rdi"
  | "r8"
  | "r9"
  | "r10"
  | "r11"
  | "r12"
  | "r13"
  | "r14"
  | "r15"; // prettier-ignore

/** A 64-bit word in memory. */
export interface Memory {
  readonly base: Register;
  readonly displacement: number;
}

/** The word at `base` + `displacement` (-128 to 127). */
export function at(base: Register, displacement: number): Memory {
  if (base === "r12") {
    throw new Error("Cannot assemble: r12 as a base needs a SIB byte");
  }
  return { base, displacement };
}

/** dst = src. */
export const mov = (dst: Register, src: Register): Instruction => registers(0x89, "mov", dst, src);
/** dst += src. */
export const add = (dst: Register, src: Register): Instruction => registers(0x01, "add", dst, src);
/** Compares a with b. */
export const cmp = (a: Register, b: Register): Instruction => registers(0x39, "cmp", a, b);
/** Zero flag: is a zero? */
export const test = (a: Register): Instruction => registers(0x85, "test", a, a);

/** dst = memory. */
export const load = (dst: Register, src: Memory): Instruction =>
  plain(memoryBytes(0x8b, dst, src), `mov ${dst},${memoryText(src)}`);
/** memory = src. */
export const store = (dst: Memory, src: Register): Instruction =>
  plain(memoryBytes(0x89, src, dst), `mov ${memoryText(dst)},${src}`);
/** Compares a with memory. */
export const cmpMemory = (a: Register, b: Memory): Instruction =>
  plain(memoryBytes(0x3b, a, b), `cmp ${a},${memoryText(b)}`);

/** dst = value (sign-extended from 32 bits). */
export const movImmediate = (dst: Register, value: number): Instruction => immediate(0xc7, 0, "mov", dst, value);
/** dst += value. */
export const addImmediate = (dst: Register, value: number): Instruction => immediate(0x81, 0, "add", dst, value);
/** Compares dst with value (sign-extended from 32 bits). */
export const cmpImmediate = (dst: Register, value: number): Instruction => immediate(0x81, 7, "cmp", dst, value);

/** dst = low 16 bits of src. */
export const movzxWord = (dst: Register, src: Register): Instruction => extended(0xb7, dst, src, LOW_WORDS);
/** dst = low 8 bits of src. */
export const movzxByte = (dst: Register, src: Register): Instruction => extended(0xb6, dst, src, LOW_BYTES);

/** dst <<= count. */
export const shl = (dst: Register, count: number): Instruction => shift(4, "shl", dst, count);
/** dst >>= count, zeros come in. */
export const shr = (dst: Register, count: number): Instruction => shift(5, "shr", dst, count);
/** Carry flag: bit of src. */
export const bt = (src: Register, bit: number): Instruction =>
  plain([rex("rax", src), 0x0f, 0xba, modRm(3, 4, src), bit], `bt ${src},${hex(bit)}`);

/** The system call: number in rax, arguments in rdi rsi rdx r10 r8 r9, result in rax; rcx and r11 are lost. */
export const syscall = (): Instruction => plain([0x0f, 0x05], "syscall");

/** Branches. */
export const jmp = (label: string): Instruction => branch([0xe9], "jmp", label);
/** Unsigned >=, and: carry flag clear. */
export const jae = (label: string): Instruction => branch([0x0f, 0x83], "jae", label);
/** Unsigned <, and: carry flag set. */
export const jb = (label: string): Instruction => branch([0x0f, 0x82], "jb", label);
/** Signed <. */
export const jl = (label: string): Instruction => branch([0x0f, 0x8c], "jl", label);
export const je = (label: string): Instruction => branch([0x0f, 0x84], "je", label);
export const jne = (label: string): Instruction => branch([0x0f, 0x85], "jne", label);

function number(register: Register): number {
  return REGISTERS.indexOf(register);
}

/** REX.W with the high bits of the `reg` and `rm` fields of the ModRM byte that follows. */
function rex(reg: Register, rm: Register): number {
  return 0x48 | ((number(reg) >> 3) << 2) | (number(rm) >> 3);
}

function modRm(mode: number, reg: number, rm: Register): number {
  return (mode << 6) | ((reg & 7) << 3) | (number(rm) & 7);
}

function registers(opcode: number, name: string, rm: Register, reg: Register): Instruction {
  return plain([rex(reg, rm), opcode, modRm(3, number(reg), rm)], `${name} ${rm},${reg}`);
}

function memoryBytes(opcode: number, reg: Register, { base, displacement }: Memory): readonly number[] {
  return [rex(reg, base), opcode, modRm(1, number(reg), base), displacement & 0xff];
}

function memoryText({ base, displacement }: Memory): string {
  const sign = displacement < 0 ? "-" : "+";
  return `QWORD PTR [${base}${sign}${hex(Math.abs(displacement))}]`;
}

function immediate(opcode: number, digit: number, name: string, rm: Register, value: number): Instruction {
  const shown = hex(BigInt.asUintN(64, BigInt(value)));
  return plain([rex("rax", rm), opcode, modRm(3, digit, rm), ...word(value)], `${name} ${rm},${shown}`);
}

function extended(opcode: number, reg: Register, rm: Register, names: readonly string[]): Instruction {
  const bytes = [rex(reg, rm), 0x0f, opcode, modRm(3, number(reg), rm)];
  return plain(bytes, `movzx ${reg},${names[number(rm)]}`);
}

function shift(digit: number, name: string, rm: Register, count: number): Instruction {
  return plain([rex("rax", rm), 0xc1, modRm(3, digit, rm), count], `${name} ${rm},${hex(count)}`);
}

function branch(opcode: readonly number[], name: string, label: string): Instruction {
  const size = opcode.length + 4;
  return {
    size,
    // A displacement counts from the instruction after the branch.
    encode: (place: number, addressOf: AddressOf) => [...opcode, ...word(addressOf(label) - (place + size))],
    text: (addressOf: AddressOf) => `${name} ${hex(addressOf(label))}`,
  };
}
