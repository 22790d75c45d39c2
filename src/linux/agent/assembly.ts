// A one-pass-sized assembler: a program is a table of instructions and labels, every instruction knows its size before
// the labels are known, and encodes itself once they are. The instructions are made by typed constructors (x64.ts,
// arm64.ts), which also write them as a disassembler would: tests hold that listing against the real one, byte by byte.

/** One instruction. Addresses are byte offsets from the start of the program. */
export interface Instruction {
  readonly size: number;
  /** The bytes of this instruction when it stands at `at` and labels resolve by `addressOf`. */
  encode(at: number, addressOf: AddressOf): readonly number[];
  /** As objdump writes it (Intel syntax on x86-64), branch targets as hexadecimal offsets. */
  text(addressOf: AddressOf): string;
}

/** Looks the address of a label up. */
export type AddressOf = (label: string) => number;

/** What a program is made of: instructions, and labels written as `"name:"` before the instruction that they name. */
export type Line = Instruction | `${string}:`;

/** An instruction in its place. */
export interface Placed {
  readonly at: number;
  readonly bytes: readonly number[];
  readonly text: string;
}

/** Lays a program out and encodes it. A label that is missing or defined twice is a mistake in the program: Error. */
export function assemble(program: readonly Line[]): readonly Placed[] {
  const { places, addressOf } = layOut(program);
  return places.map(([at, line]) => ({ at, bytes: line.encode(at, addressOf), text: line.text(addressOf) }));
}

/** The bytes of a program alone. */
export function machineCode(program: readonly Line[]): Uint8Array {
  const { places, addressOf } = layOut(program);
  const last = places.at(-1);
  const code = new Uint8Array(last === undefined ? 0 : last[0] + last[1].size);
  for (const [at, line] of places) {
    code.set(line.encode(at, addressOf), at);
  }
  return code;
}

function layOut(program: readonly Line[]): { places: [number, Instruction][]; addressOf: AddressOf } {
  const labels = new Map<string, number>();
  const places: [number, Instruction][] = [];
  let at = 0;
  for (const line of program) {
    if (typeof line === "string") {
      define(labels, line.slice(0, -1), at);
    } else {
      places.push([at, line]);
      at += line.size;
    }
  }
  return { places, addressOf: (label) => lookUp(labels, label) };
}

function define(labels: Map<string, number>, label: string, at: number): void {
  if (labels.has(label)) {
    throw new Error(`Cannot assemble: label ${label} is defined twice`);
  }
  labels.set(label, at);
}

function lookUp(labels: ReadonlyMap<string, number>, label: string): number {
  const address = labels.get(label);
  if (address === undefined) {
    throw new Error(`Cannot assemble: no label ${label}`);
  }
  return address;
}

/** An instruction that depends on no label. */
export function plain(bytes: readonly number[], text: string): Instruction {
  return { size: bytes.length, encode: () => bytes, text: () => text };
}

/** The four bytes of a 32-bit word, little-endian. */
export function word(value: number): readonly number[] {
  return [value & 0xff, (value >> 8) & 0xff, (value >> 16) & 0xff, (value >> 24) & 0xff];
}

/** As the disassembler writes numbers. */
export function hex(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}
