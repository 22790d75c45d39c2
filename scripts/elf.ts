// A segment of an executable, given other contents. elf(5).

/** <elf.h>: offsets in the file header. */
const HEADER = { programHeaders: 32, size: 54, count: 56 } as const;
/** Offsets in a program header; p_type has 32 bits, the others 64. */
const PROGRAM = { type: 0, offset: 8, address: 16, file: 32, memory: 40 } as const;
const PT_LOAD = 1;
/** The largest page that either architecture may be set up with. */
const PAGE = 0x1_0000;

/** The executable with these contents in the segment that begins at `address`. Error when it has none there. */
export function withSegment(executable: Uint8Array, address: number, contents: Uint8Array): Uint8Array {
  const offset = Math.ceil(executable.length / PAGE) * PAGE;
  const longer = new Uint8Array(offset + contents.length);
  longer.set(executable);
  longer.set(contents, offset);
  const view = new DataView(longer.buffer);
  const header = programHeaders(view).find(
    (at) => view.getUint32(at + PROGRAM.type, true) === PT_LOAD && word(view, at + PROGRAM.address) === address,
  );
  if (header === undefined) throw new Error(`No segment begins at 0x${address.toString(16)}`);
  view.setBigUint64(header + PROGRAM.offset, BigInt(offset), true);
  view.setBigUint64(header + PROGRAM.file, BigInt(contents.length), true);
  view.setBigUint64(header + PROGRAM.memory, BigInt(contents.length), true);
  return longer;
}

/** Where each program header is. */
function programHeaders(view: DataView): number[] {
  const first = word(view, HEADER.programHeaders);
  const size = view.getUint16(HEADER.size, true);
  return Array.from({ length: view.getUint16(HEADER.count, true) }, (_, i) => first + i * size);
}

function word(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}
