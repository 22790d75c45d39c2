// Answers ENOSYS to system calls that are newer than the profile, before the profile's own program.
//
// A profile that denies by default answers EPERM to what its author never heard of, and programs that try a new call and
// fall back on ENOSYS then fail. So what has a larger number than any call that the profile names does not exist. runc
// does the same; the order of numbers is the order of history on every architecture.
//
//        ld [arch]
//     a: jeq #ARCH, else next a              one block for each architecture of the filter
//        ld [nr]
//        jgt #LARGEST, ret ENOSYS
//        ja to the profile's program

import { SECCOMP_RET_ERRNO } from "./actions.ts";

/** The largest number that a profile names on one architecture. */
export interface Largest {
  /** AUDIT_ARCH, as in seccomp_data.arch. */
  readonly architecture: number;
  readonly number: number;
  /** x86-64 with x32: the largest of x32's, which have bit 30 set and the same AUDIT_ARCH. */
  readonly x32?: number;
}

// <linux/bpf_common.h>
const LOAD = 0x20;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER = 0x25;
const JUMP_GREATER_OR_EQUAL = 0x35;
const RETURN = 0x06;

// struct seccomp_data
const NR = 0;
const ARCH = 4;

const X32_BIT = 0x4000_0000;
const ENOSYS = 38;

type Instruction = readonly [code: number, onTrue: number, onFalse: number, operand: number];

/** The program to put before the profile's. Jumps count instructions from the next one. */
export function enosysProgram(largest: readonly Largest[]): Uint8Array {
  const blocks = largest.map(block);
  const program: Instruction[] = [[LOAD, 0, 0, ARCH]];
  const length = 1 + blocks.reduce((sum, { length }) => sum + length + 1, 0);
  for (const instructions of blocks) {
    program.push(...instructions);
    program.push([JUMP, 0, 0, length - program.length - 1]);
  }
  return encode(program);
}

/** Falls out of its end when the call is not newer, and one further when the architecture is another. */
function block({ architecture, number, x32 }: Largest): Instruction[] {
  const newer: Instruction = [RETURN, 0, 0, SECCOMP_RET_ERRNO | ENOSYS];
  if (x32 === undefined) {
    return [[JUMP_EQUAL, 0, 4, architecture], [LOAD, 0, 0, NR], [JUMP_GREATER, 0, 1, number], newer];
  }
  return [
    [JUMP_EQUAL, 0, 6, architecture],
    [LOAD, 0, 0, NR],
    [JUMP_GREATER_OR_EQUAL, 1, 0, X32_BIT],
    [JUMP_GREATER, 1, 2, number],
    [JUMP_GREATER, 0, 1, x32],
    newer,
  ];
}

/** struct sock_filter: u16 code, u8 jt, u8 jf, u32 k. */
function encode(program: readonly Instruction[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * program.length));
  for (const [n, [code, onTrue, onFalse, operand]] of program.entries()) {
    view.setUint16(8 * n, code, true);
    view.setUint8(8 * n + 2, onTrue);
    view.setUint8(8 * n + 3, onFalse);
    view.setUint32(8 * n + 4, operand, true);
  }
  return new Uint8Array(view.buffer);
}
