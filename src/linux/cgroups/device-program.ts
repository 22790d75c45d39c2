// A device filter as an eBPF program, which is how cgroup v2 restricts devices: cgroup-v2.rst, "Device controller". The
// kernel runs it for each open and mknod of a node with the type, the numbers and the accesses asked for at once (an open
// for reading and writing asks for both); 1 allows, 0 is EPERM. Pure.
//
// It answers as the kernel's own v1 controller does for the same filter. Where all is denied by default one exception
// must grant all the accesses asked for; where all is allowed, one that denies any of them is enough. (If it had to deny
// all of them, a device that may not be written could be written by whoever opens it for reading as well.)

import { BPF_CGROUP_DEV_CTX, BPF_DEVCG_ACC, BPF_DEVCG_DEV } from "../abi/bpf.ts";
import {
  and,
  exit,
  type Instruction,
  jump,
  jumpIfAny,
  jumpIfNot,
  loadWord,
  move,
  shiftRight,
} from "../bpf/instructions.ts";
import type { DeviceException, DeviceFilter } from "./device-rules.ts";

/** Registers by what is in them. */
const VERDICT = 0;
const CONTEXT = 1;
const TYPE = 2;
const ACCESS = 3;
const MAJOR = 4;
const MINOR = 5;

/** All bits that ACCESS can have, those that no kernel has yet included. */
const ANY_ACCESS = 0xffff;

/** The program that answers as `filter` says. */
export function deviceProgram({ allowByDefault, exceptions }: DeviceFilter): Instruction[] {
  const blocks = exceptions.map((exception) => (allowByDefault ? deny(exception) : allow(exception)));
  return [...unpack(), ...blocks.flat(), ...answer(allowByDefault)];
}

function unpack(): Instruction[] {
  return [
    loadWord(TYPE, CONTEXT, BPF_CGROUP_DEV_CTX.access_type),
    and(TYPE, 0xffff),
    loadWord(ACCESS, CONTEXT, BPF_CGROUP_DEV_CTX.access_type),
    shiftRight(ACCESS, 16),
    loadWord(MAJOR, CONTEXT, BPF_CGROUP_DEV_CTX.major),
    loadWord(MINOR, CONTEXT, BPF_CGROUP_DEV_CTX.minor),
  ];
}

function answer(allowed: boolean): [Instruction, Instruction] {
  return [move(VERDICT, allowed ? 1 : 0), exit()];
}

function allow(exception: DeviceException): Instruction[] {
  const block: Instruction[] = answer(true);
  requireNumbers(block, exception);
  const others = ANY_ACCESS & ~accessBits(exception);
  if (exception.access !== "rwm") onlyIf(block, (skip) => jumpIfAny(ACCESS, others, skip));
  requireType(block, exception);
  return block;
}

function deny(exception: DeviceException): Instruction[] {
  const block: Instruction[] = answer(false);
  requireNumbers(block, exception);
  onlyIf(block, jump);
  block.unshift(jumpIfAny(ACCESS, accessBits(exception), 1));
  requireType(block, exception);
  return block;
}

function requireNumbers(block: Instruction[], { major, minor }: DeviceException): void {
  if (minor !== "*") onlyIf(block, (skip) => jumpIfNot(MINOR, minor, skip));
  if (major !== "*") onlyIf(block, (skip) => jumpIfNot(MAJOR, major, skip));
}

function requireType(block: Instruction[], { type }: DeviceException): void {
  onlyIf(block, (skip) => jumpIfNot(TYPE, BPF_DEVCG_DEV[type], skip));
}

/** Puts before a block, which is written from its end, a jump to what comes after it. */
function onlyIf(block: Instruction[], jumpOver: (skip: number) => Instruction): void {
  block.unshift(jumpOver(block.length));
}

function accessBits({ access }: DeviceException): number {
  return (["r", "w", "m"] as const).reduce(
    (bits, letter) => bits | (access.includes(letter) ? BPF_DEVCG_ACC[letter] : 0),
    0,
  );
}
