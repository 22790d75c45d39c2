// AArch64 instructions that the agent needs, and no others. Each is one 32-bit word.
// Arm Architecture Reference Manual for A-profile, C6 (base instructions); mnemonics are those that objdump prints.

import { type AddressOf, hex, type Instruction, plain, word } from "./assembly.ts";

/** A 64-bit general register. */
export type Register = `x${number}`;

/** A 64-bit word in memory: base + offset, a multiple of 8 from 0 to 32760. */
export interface Memory {
  readonly base: Register;
  readonly offset: number;
}

/** The word at `base` + `offset`. */
export const at = (base: Register, offset: number): Memory => ({ base, offset });

/** dst = value (0 to 65535) shifted left by 0, 16, 32 or 48. */
export function movz(dst: Register, value: number, shift = 0): Instruction {
  // The disassembler writes the whole number: "mov x0, #0x10000".
  return one(0xd2800000 | ((shift / 16) << 21) | (value << 5) | number(dst), `mov ${dst}, #${hex(value * 2 ** shift)}`);
}
/** dst = src. */
export const mov = (dst: Register, src: Register): Instruction =>
  one(0xaa0003e0 | (number(src) << 16) | number(dst), `mov ${dst}, ${src}`);
/** dst = a + value (0 to 4095). */
export const addImmediate = (dst: Register, a: Register, value: number): Instruction =>
  one(0x91000000 | (value << 10) | (number(a) << 5) | number(dst), `add ${dst}, ${a}, #${hex(value)}`);
/** dst = a + (b << shift). */
export const addShifted = (dst: Register, a: Register, b: Register, shift: number): Instruction =>
  one(
    0x8b000000 | (number(b) << 16) | (shift << 10) | (number(a) << 5) | number(dst),
    `add ${dst}, ${a}, ${b}, lsl #${shift}`,
  );
/** Compares a with b. */
export const cmp = (a: Register, b: Register): Instruction =>
  one(0xeb00001f | (number(b) << 16) | (number(a) << 5), `cmp ${a}, ${b}`);
/** Compares a with value (0 to 4095). */
export const cmpImmediate = (a: Register, value: number): Instruction =>
  one(0xf100001f | (value << 10) | (number(a) << 5), `cmp ${a}, #${hex(value)}`);
/** Compares a with -b. */
export const cmn = (a: Register, b: Register): Instruction =>
  one(0xab00001f | (number(b) << 16) | (number(a) << 5), `cmn ${a}, ${b}`);
/** Compares a with -value (0 to 4095). */
export const cmnImmediate = (a: Register, value: number): Instruction =>
  one(0xb100001f | (value << 10) | (number(a) << 5), `cmn ${a}, #${hex(value)}`);
/** dst = `width` bits of src from bit `low` on. */
export const ubfx = (dst: Register, src: Register, low: number, width: number): Instruction =>
  one(
    0xd3400000 | (low << 16) | ((low + width - 1) << 10) | (number(src) << 5) | number(dst),
    `ubfx ${dst}, ${src}, #${low}, #${width}`,
  );

/** dst = memory. */
export const ldr = (dst: Register, src: Memory): Instruction => transfer(0xf9400000, "ldr", dst, src);
/** memory = src. */
export const str = (src: Register, dst: Memory): Instruction => transfer(0xf9000000, "str", src, dst);

/** The system call: number in x8, arguments in x0 to x5, result in x0; every other register is kept. */
export const svc = (): Instruction => one(0xd4000001, "svc #0x0");

/** Branches. */
export const b = (label: string): Instruction => branch(0x14000000, 26, 0, "b ", label);
export const cbnz = (a: Register, label: string): Instruction =>
  branch(0xb5000000 | number(a), 19, 5, `cbnz ${a}, `, label);
export const cbz = (a: Register, label: string): Instruction =>
  branch(0xb4000000 | number(a), 19, 5, `cbz ${a}, `, label);
/** Branch when the bit of a is set. */
export const tbnz = (a: Register, bit: number, label: string): Instruction =>
  branch(0x37000000 | bitField(bit) | number(a), 14, 5, `tbnz ${bitRegister(a, bit)}, #${bit}, `, label);
/** Branch when the bit of a is clear. */
export const tbz = (a: Register, bit: number, label: string): Instruction =>
  branch(0x36000000 | bitField(bit) | number(a), 14, 5, `tbz ${bitRegister(a, bit)}, #${bit}, `, label);
export const bEqual = (label: string): Instruction => branch(0x54000000, 19, 5, "b.eq ", label);
export const bNotEqual = (label: string): Instruction => branch(0x54000001, 19, 5, "b.ne ", label);
/** Unsigned >=, and: carry set. */
export const bCarrySet = (label: string): Instruction => branch(0x54000002, 19, 5, "b.cs ", label);
/** Signed <. */
export const bLess = (label: string): Instruction => branch(0x5400000b, 19, 5, "b.lt ", label);

function number(register: Register): number {
  return Number(register.slice(1));
}

function one(instruction: number, text: string): Instruction {
  return plain(word(instruction), text);
}

function transfer(opcode: number, name: string, register: Register, { base, offset }: Memory): Instruction {
  const place = offset === 0 ? `[${base}]` : `[${base}, #${offset}]`;
  return one(opcode | ((offset / 8) << 10) | (number(base) << 5) | number(register), `${name} ${register}, ${place}`);
}

/** tbz and tbnz hold bit 5 of the bit number in bit 31 and the other five in bits 19 to 23. */
function bitField(bit: number): number {
  return ((bit >> 5) << 31) | ((bit & 31) << 19);
}

/** Disassemblers name the 32-bit half of the register where the bit is in it. */
function bitRegister(register: Register, bit: number): string {
  return bit < 32 ? register.replace("x", "w") : register;
}

/** A branch whose displacement, counted in instructions, is `width` bits from bit `low` on. */
function branch(opcode: number, width: number, low: number, text: string, label: string): Instruction {
  return {
    size: 4,
    encode: (place: number, addressOf: AddressOf) => {
      const displacement = (addressOf(label) - place) / 4;
      return word(opcode | ((displacement & (2 ** width - 1)) << low));
    },
    text: (addressOf: AddressOf) => `${text}${hex(addressOf(label))}`,
  };
}
