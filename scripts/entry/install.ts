// Puts our first instructions (program.ts) into an executable. elf(5).
//
// The kernel, or the dynamic loader, enters a program at e_entry with argc, argv and envp on the stack. Our instructions
// are a page of their own at the end of the file, for which the program header of the notes (PT_NOTE: a build id, nobody
// reads it) becomes a PT_LOAD; they go on to where e_entry pointed before. Nothing in them depends on where the file is
// loaded.

import type { Architecture } from "../../src/linux/abi/syscalls.ts";
import { entryCode } from "./program.ts";

/** <elf.h>: offsets in the file header and in a program header, and the values that are looked for. */
const HEADER = { type: 16, machine: 18, entry: 24, programHeaders: 32, size: 54, count: 56 } as const;
const PROGRAM = { type: 0, flags: 4, offset: 8, address: 16, physical: 24, file: 32, memory: 40, align: 48 } as const;
const MACHINES: Readonly<Record<number, Architecture>> = { 62: "x64", 183: "arm64" };
const PT_LOAD = 1;
const PT_NOTE = 4;
const FLAGS_R_X = 5;
/** The largest page that either architecture may be set up with. */
const PAGE = 0x1_0000;

/** The same program behind our first instructions. Error where the file is not the kind of program that this is made for. */
export function installEntry(program: Uint8Array): Uint8Array {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const arch = MACHINES[view.getUint16(HEADER.machine, true)];
  if (view.getUint32(0, false) !== 0x7f454c46 || arch === undefined) {
    throw new Error("Cannot install the entry: it is no ELF file of x86-64 or AArch64");
  }
  const headers = programHeaders(view);
  const note = headers.find((header) => view.getUint32(header + PROGRAM.type, true) === PT_NOTE);
  if (note === undefined) throw new Error("Cannot install the entry: it has no PT_NOTE to take the place of");
  const entry = word64(view, HEADER.entry);
  const address = roundUp(endOfMemory(view, headers), PAGE);
  const code = entryCode(arch, entry - address);
  const offset = roundUp(program.length, PAGE);

  const installed = new Uint8Array(offset + code.length);
  installed.set(program);
  installed.set(code, offset);
  const changed = new DataView(installed.buffer);
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
  return installed;
}

/** Where each program header is. */
function programHeaders(view: DataView): number[] {
  const first = word64(view, HEADER.programHeaders);
  const size = view.getUint16(HEADER.size, true);
  return Array.from({ length: view.getUint16(HEADER.count, true) }, (_, i) => first + i * size);
}

/** The end of the last segment; ours comes behind it, so that segments stay in order. */
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
