// The agent's program for x86-64. wire.ts states the protocol; arm64-program.ts is the same, line by line.
//
// rbp holds ARENA throughout, rbx the current frame, r12 the frame's first word as it came: the result overwrites it in
// memory. The kernel keeps all registers but rax, rcx and r11. The stack is never used: one page less to be resident.

import type { Line } from "./assembly.ts";
import { ADOPT, ANY_ERRNO, ARENA, FRAME, FRAME_SIZE, HEADER, HEADER_SIZE, MESSAGE, MESSAGE_ROOM } from "./wire.ts";
import {
  add,
  addImmediate,
  at,
  bt,
  cmp,
  cmpImmediate,
  cmpMemory,
  jae,
  jb,
  je,
  jl,
  jmp,
  jne,
  load,
  mov,
  movImmediate,
  movzxByte,
  movzxWord,
  type Register,
  shl,
  shr,
  store,
  syscall,
  test,
} from "./x64.ts";

const ARENA_REGISTER: Register = "rbp";
const FRAME_REGISTER: Register = "rbx";
/** Where the kernel takes the arguments of a system call from. */
const ARGUMENTS: readonly Register[] = ["rdi", "rsi", "rdx", "r10", "r8", "r9"];
const READ = 0;
const WRITE = 1;
const CLOSE = 3;
const EXIT_GROUP = 231;

const SOCKET = at(ARENA_REGISTER, 0);
const header = (offset: number) => at(ARENA_REGISTER, MESSAGE - ARENA + offset);
const field = (offset: number) => at(FRAME_REGISTER, offset);
/** Bit of the frame's first word that holds bit `flag` of `flags`. */
const flagBit = (flag: number) => 8 * FRAME.flags + flag;
/** SKIP_ON_SUCCESS. */
const SKIP_ON_SUCCESS_BIT = flagBit(6);

/** The program, for an agent that finds its socket on descriptor `socket`. */
export function x64Program(socket: number): readonly Line[] {
  return [
    movImmediate(ARENA_REGISTER, ARENA),
    // Set by code, not by an initialised segment: the arena then needs no file page, and the image is one page.
    movImmediate("rax", socket),
    store(SOCKET, "rax"),

    "receive:",
    movImmediate("rax", READ),
    load("rdi", SOCKET),
    movImmediate("rsi", MESSAGE),
    movImmediate("rdx", MESSAGE_ROOM),
    syscall(),
    // Signed: an error is less than a header too, and so is the 0 of end of file. All of them end the agent.
    cmpImmediate("rax", HEADER_SIZE),
    jl("die"),
    movImmediate(FRAME_REGISTER, MESSAGE + HEADER_SIZE),

    "frame:",
    cmpMemory(FRAME_REGISTER, header(HEADER.end)),
    jae("reply"),
    load("r12", field(FRAME.nr)),
    ...ARGUMENTS.flatMap(loadArgument),
    movzxWord("rax", "r12"),
    cmpImmediate("rax", ADOPT),
    je("adopt"),
    syscall(),

    "done:",
    store(field(FRAME.result), "rax"),
    // Unsigned: -4095 to -1 are the largest numbers, and failures.
    cmpImmediate("rax", -4095),
    jae("failed"),
    load("rcx", field(FRAME.store)),
    test("rcx"),
    je("stored"),
    store(at("rcx", 0), "rax"),
    "stored:",
    bt("r12", SKIP_ON_SUCCESS_BIT),
    jb("skip"),

    "advance:",
    addImmediate(FRAME_REGISTER, FRAME_SIZE),
    jmp("frame"),

    "failed:",
    shr("r12", 8 * FRAME.tolerated),
    movzxWord("rcx", "r12"),
    shl("r12", 8 * FRAME.tolerated),
    cmpImmediate("rcx", ANY_ERRNO),
    je("tolerated"),
    // The result is -errno: the sum is 0 where this errno is the tolerated one, and never where none is.
    add("rcx", "rax"),
    jne("stop"),
    "tolerated:",
    bt("r12", SKIP_ON_SUCCESS_BIT),
    jb("advance"),

    "skip:",
    shr("r12", 8 * FRAME.skip),
    movzxByte("rcx", "r12"),
    shl("rcx", Math.log2(FRAME_SIZE)),
    add(FRAME_REGISTER, "rcx"),
    jmp("advance"),

    "adopt:",
    mov("rax", "rsi"),
    test("rsi"),
    jne("done"),
    // Only here: the parent must go on with its own socket, and memory is copied at the clone, not shared.
    store(field(FRAME.result), "rsi"),
    mov("r12", "rdi"),
    movImmediate("rax", CLOSE),
    load("rdi", SOCKET),
    syscall(),
    store(SOCKET, "r12"),
    jmp("reply"),

    "stop:",
    store(header(HEADER.failed), FRAME_REGISTER),

    "reply:",
    movImmediate("rax", WRITE),
    load("rdi", SOCKET),
    movImmediate("rsi", MESSAGE),
    load("rdx", header(HEADER.replyLength)),
    syscall(),
    cmp("rax", "rdx"),
    je("receive"),

    "die:",
    movImmediate("rax", EXIT_GROUP),
    movImmediate("rdi", 1),
    syscall(),
  ];
}

/** Argument i, or the word that it points to where bit i of `flags` says so. */
function loadArgument(register: Register, i: number): readonly Line[] {
  return [
    load(register, field(FRAME.args + 8 * i)),
    bt("r12", flagBit(i)),
    jae(`direct${i}`),
    load(register, at(register, 0)),
    `direct${i}:`,
  ];
}
