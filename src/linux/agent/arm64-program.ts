// The agent's program for AArch64. wire.ts states the protocol; x64-program.ts is the same, line by line.
//
// x19 holds ARENA throughout, x20 the current frame, x21 the frame's first word as it came: the result overwrites it in
// memory. The kernel keeps all registers but x0. The stack is never used: one page less to be resident.

import {
  addImmediate,
  addShifted,
  at,
  b,
  bCarrySet,
  bEqual,
  bLess,
  bNotEqual,
  cbnz,
  cbz,
  cmn,
  cmnImmediate,
  cmp,
  cmpImmediate,
  ldr,
  mov,
  movz,
  type Register,
  str,
  svc,
  tbnz,
  tbz,
  ubfx,
} from "./arm64.ts";
import type { Line } from "./assembly.ts";
import { ADOPT, ANY_ERRNO, ARENA, FRAME, FRAME_SIZE, HEADER, HEADER_SIZE, MESSAGE, MESSAGE_ROOM } from "./wire.ts";

const ARENA_REGISTER: Register = "x19";
const FRAME_REGISTER: Register = "x20";
/** Where the kernel takes the arguments of a system call from. */
const ARGUMENTS: readonly Register[] = ["x0", "x1", "x2", "x3", "x4", "x5"];
const READ = 63;
const WRITE = 64;
const CLOSE = 57;
const EXIT_GROUP = 94;

const SOCKET = at(ARENA_REGISTER, 0);
const header = (offset: number) => at(ARENA_REGISTER, MESSAGE - ARENA + offset);
const field = (offset: number) => at(FRAME_REGISTER, offset);
/** Bit of the frame's first word that holds bit `flag` of `flags`. */
const flagBit = (flag: number) => 8 * FRAME.flags + flag;
/** SKIP_ON_SUCCESS. */
const SKIP_ON_SUCCESS_BIT = flagBit(6);

/** The program, for an agent that finds its socket on descriptor `socket`. */
export function arm64Program(socket: number): readonly Line[] {
  return [
    // ARENA and MESSAGE_ROOM are multiples of 64 KiB, so each is one instruction.
    movz(ARENA_REGISTER, ARENA / 2 ** 16, 16),
    // Set by code, not by an initialised segment: the arena then needs no file page, and the image is one page.
    movz("x0", socket),
    str("x0", SOCKET),

    "receive:",
    movz("x8", READ),
    ldr("x0", SOCKET),
    addImmediate("x1", ARENA_REGISTER, MESSAGE - ARENA),
    movz("x2", MESSAGE_ROOM / 2 ** 16, 16),
    svc(),
    // Signed: an error is less than a header too, and so is the 0 of end of file. All of them end the agent.
    cmpImmediate("x0", HEADER_SIZE),
    bLess("die"),
    addImmediate(FRAME_REGISTER, ARENA_REGISTER, MESSAGE - ARENA + HEADER_SIZE),

    "frame:",
    ldr("x9", header(HEADER.end)),
    cmp(FRAME_REGISTER, "x9"),
    bCarrySet("reply"),
    ldr("x21", field(FRAME.nr)),
    ...ARGUMENTS.flatMap(loadArgument),
    ubfx("x8", "x21", 8 * FRAME.nr, 16),
    movz("x9", ADOPT),
    cmp("x8", "x9"),
    bEqual("adopt"),
    svc(),

    "done:",
    str("x0", field(FRAME.result)),
    // Carry: -4095 to -1 are the largest unsigned numbers, and failures.
    cmnImmediate("x0", 4095),
    bCarrySet("failed"),
    ldr("x9", field(FRAME.store)),
    cbz("x9", "stored"),
    str("x0", at("x9", 0)),
    "stored:",
    tbnz("x21", SKIP_ON_SUCCESS_BIT, "skip"),

    "advance:",
    addImmediate(FRAME_REGISTER, FRAME_REGISTER, FRAME_SIZE),
    b("frame"),

    "failed:",
    ubfx("x9", "x21", 8 * FRAME.tolerated, 16),
    movz("x10", ANY_ERRNO),
    cmp("x9", "x10"),
    bEqual("tolerated"),
    // The result is -errno: the sum is 0 where this errno is the tolerated one, and never where none is.
    cmn("x0", "x9"),
    bNotEqual("stop"),
    "tolerated:",
    tbnz("x21", SKIP_ON_SUCCESS_BIT, "advance"),

    "skip:",
    ubfx("x9", "x21", 8 * FRAME.skip, 8),
    addShifted(FRAME_REGISTER, FRAME_REGISTER, "x9", Math.log2(FRAME_SIZE)),
    b("advance"),

    "adopt:",
    mov("x9", "x0"),
    mov("x0", "x1"),
    cbnz("x0", "done"),
    // Only here: the parent must go on with its own socket, and memory is copied at the clone, not shared.
    str("x0", field(FRAME.result)),
    movz("x8", CLOSE),
    ldr("x0", SOCKET),
    svc(),
    str("x9", SOCKET),
    b("reply"),

    "stop:",
    str(FRAME_REGISTER, header(HEADER.failed)),

    "reply:",
    movz("x8", WRITE),
    ldr("x0", SOCKET),
    addImmediate("x1", ARENA_REGISTER, MESSAGE - ARENA),
    ldr("x2", header(HEADER.replyLength)),
    svc(),
    cmp("x0", "x2"),
    bEqual("receive"),

    "die:",
    movz("x8", EXIT_GROUP),
    movz("x0", 1),
    svc(),
  ];
}

/** Argument i, or the word that it points to where bit i of `flags` says so. */
function loadArgument(register: Register, i: number): readonly Line[] {
  return [
    ldr(register, field(FRAME.args + 8 * i)),
    tbz("x21", flagBit(i), `direct${i}`),
    ldr(register, at(register, 0)),
    `direct${i}:`,
  ];
}
