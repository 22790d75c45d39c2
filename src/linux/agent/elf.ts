// The agent's executable: a static ELF64 file of one page, made here instead of by a linker. elf(5), <elf.h>.
//
//    offset 0   ELF header, 64 bytes                       mapped read-only and executable at TEXT by the first
//    64         three program headers of 56 bytes          program header, headers and all: the file has no other page
//    232        text; the entry point
//
// The second program header is the arena: readable, writable, no bytes in the file, so the kernel maps zero pages. The
// third, PT_GNU_STACK, makes the stack (that nobody uses) not executable; without it some kernels make all data so.

import type { Architecture } from "../abi/syscalls.ts";
import { arm64Program } from "./arm64-program.ts";
import { machineCode } from "./assembly.ts";
import { ARENA, ARENA_SIZE, TEXT } from "./wire.ts";
import { x64Program } from "./x64-program.ts";

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const TEXT_OFFSET = HEADER_BYTES + 3 * PROGRAM_HEADER_BYTES;
/** Segments are placed for the largest pages that the architecture may be set up with. */
const TARGETS = {
  x64: { machine: 62, pageSize: 0x1000, program: x64Program },
  arm64: { machine: 183, pageSize: 0x1_0000, program: arm64Program },
} as const;

const ELF_MAGIC_64_LITTLE_ENDIAN = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] as const;
const ET_EXEC = 2;
const PT_LOAD = 1;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;

/** The ELF file of an agent that finds its socket on descriptor `socket`. */
export function assembleImage(arch: Architecture, socket: number): Uint8Array<ArrayBuffer> {
  const { machine, pageSize, program } = TARGETS[arch];
  const code = machineCode(program(socket));
  // A multiple of 4, so that the file can be seen as words (image.ts).
  const size = (TEXT_OFFSET + code.length + 3) & ~3;
  const image = new Uint8Array(size);
  const view = new DataView(image.buffer);
  writeHeader(view, machine);
  writeProgramHeader(view, 0, { type: PT_LOAD, flags: PF_R | PF_X, address: TEXT, file: size, memory: size, pageSize });
  const arena = { type: PT_LOAD, flags: PF_R | PF_W, address: ARENA, file: 0, memory: ARENA_SIZE, pageSize };
  writeProgramHeader(view, 1, arena);
  const stack = { type: PT_GNU_STACK, flags: PF_R | PF_W, address: 0, file: 0, memory: 0, pageSize: 16 };
  writeProgramHeader(view, 2, stack);
  image.set(code, TEXT_OFFSET);
  return image;
}

function writeHeader(view: DataView, machine: number): void {
  ELF_MAGIC_64_LITTLE_ENDIAN.forEach((byte, i) => {
    view.setUint8(i, byte);
  });
  view.setUint16(16, ET_EXEC, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true); // version
  setUint64(view, 24, TEXT + TEXT_OFFSET); // entry point
  setUint64(view, 32, HEADER_BYTES); // place of the program headers
  view.setUint16(52, HEADER_BYTES, true);
  view.setUint16(54, PROGRAM_HEADER_BYTES, true);
  view.setUint16(56, 3, true); // program headers
  view.setUint16(58, 64, true); // size of a section header, though there is none: tools expect it
}

interface Segment {
  readonly type: number;
  readonly flags: number;
  readonly address: number;
  readonly file: number;
  readonly memory: number;
  readonly pageSize: number;
}

/** Every segment starts at file offset 0, which is congruent with its address for any page size. */
function writeProgramHeader(view: DataView, index: number, segment: Segment): void {
  const at = HEADER_BYTES + index * PROGRAM_HEADER_BYTES;
  view.setUint32(at, segment.type, true);
  view.setUint32(at + 4, segment.flags, true);
  setUint64(view, at + 16, segment.address);
  setUint64(view, at + 24, segment.address);
  setUint64(view, at + 32, segment.file);
  setUint64(view, at + 40, segment.memory);
  setUint64(view, at + 48, segment.pageSize);
}

function setUint64(view: DataView, at: number, value: number): void {
  view.setBigUint64(at, BigInt(value), true);
}
