// A device filter as an eBPF program, which is how cgroup v2 restricts devices: cgroup-v2.rst, "Device controller". The
// kernel runs it for each open and mknod of a node with the type, the numbers and the accesses asked for at once (an open
// for reading and writing asks for both); 1 allows, 0 is EPERM. Pure.
//
// It answers as the kernel's own v1 controller does for the same filter. Where all is denied by default one exception
// must grant all the accesses asked for; where all is allowed, one that denies any of them is enough. (If it had to deny
// all of them, a device that may not be written could be written by whoever opens it for reading as well.)
//
// Each exception is a block that tests and goes on with the next one when it is about something else. Every test loads
// what it is about anew: were it kept in a register, the kernel's verifier, which follows each value that a test tells it,
// would need time in the square of the number of blocks (500: half a second), and give up on 1500.

import { BPF_CGROUP_DEV_CTX, BPF_DEVCG_ACC, BPF_DEVCG_DEV } from "../abi/bpf.ts";
import { exit, type Instruction, jump, jumpIfAny, jumpIfNot, loadWord, move } from "../bpf/instructions.ts";
import type { DeviceException, DeviceFilter } from "./device-rules.ts";

/** Registers by what is in them. */
const VERDICT = 0;
const CONTEXT = 1;
const TESTED = 2;

/** access_type: types below, accesses above. */
const TYPES = 0xffff;
const ACCESS_SHIFT = 16;

/** The program that answers as `filter` says. */
export function deviceProgram({ allowByDefault, exceptions }: DeviceFilter): Instruction[] {
  const block = allowByDefault ? deny : allow;
  return [...exceptions.flatMap(block), ...answer(allowByDefault)];
}

function answer(allowed: boolean): [Instruction, Instruction] {
  return [move(VERDICT, allowed ? 1 : 0), exit()];
}

function allow(exception: DeviceException): Instruction[] {
  const block: Instruction[] = answer(true);
  requireNumbers(block, exception);
  // A bit of another type, or of an access that is not granted (such as one that no kernel has yet).
  const others = ~(BPF_DEVCG_DEV[exception.type] | accessBits(exception));
  onlyIf(block, (skip) => jumpIfAny(TESTED, others, skip));
  block.unshift(loadWord(TESTED, CONTEXT, BPF_CGROUP_DEV_CTX.access_type));
  return block;
}

function deny(exception: DeviceException): Instruction[] {
  const block: Instruction[] = answer(false);
  requireNumbers(block, exception);
  onlyIf(block, jump);
  block.unshift(jumpIfAny(TESTED, accessBits(exception), 1));
  const others = TYPES & ~BPF_DEVCG_DEV[exception.type];
  onlyIf(block, (skip) => jumpIfAny(TESTED, others, skip));
  block.unshift(loadWord(TESTED, CONTEXT, BPF_CGROUP_DEV_CTX.access_type));
  return block;
}

function requireNumbers(block: Instruction[], exception: DeviceException): void {
  for (const field of ["minor", "major"] as const) {
    const number = exception[field];
    if (number === "*") continue;
    onlyIf(block, (skip) => jumpIfNot(TESTED, number, skip));
    block.unshift(loadWord(TESTED, CONTEXT, BPF_CGROUP_DEV_CTX[field]));
  }
}

/** Puts before a block, which is written from its end, a jump to what comes after it. */
function onlyIf(block: Instruction[], jumpOver: (skip: number) => Instruction): void {
  block.unshift(jumpOver(block.length));
}

/** As they are in access_type. */
function accessBits({ access }: DeviceException): number {
  const letters = ["r", "w", "m"] as const;
  const bits = letters.reduce((sum, letter) => sum | (access.includes(letter) ? BPF_DEVCG_ACC[letter] : 0), 0);
  return bits << ACCESS_SHIFT;
}
