// eBPF instructions, as far as a device filter needs them: Documentation/bpf/standardization/instruction-set.rst. All
// arithmetic and comparisons are of 32 bits, which is what the context has; the upper half of a register becomes zero.
//
//    0       1           2         4           8
//    +-------+-----------+---------+-----------+
//    | code  | src | dst | offset  | immediate |      little endian; dst is the lower half of its byte
//    +-------+-----------+---------+-----------+
//
// A jump's offset counts instructions, from the one after it. Registers: r0 is the result, r1 at first the context.

/** One instruction. */
export interface Instruction {
  readonly code: number;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  /** Signed or unsigned 32 bits. */
  readonly immediate: number;
}

/** Bytes of an instruction. */
const SIZE = 8;

/** Class, then operation or mode, then operand: an immediate, or a word in memory. */
const CODES = {
  ldxw: 0x01 | 0x60 | 0x00, // BPF_LDX | BPF_MEM | BPF_W
  mov32: 0x04 | 0xb0 | 0x00, // BPF_ALU | BPF_MOV | BPF_K
  ja: 0x05 | 0x00 | 0x00, // BPF_JMP | BPF_JA
  jset32: 0x06 | 0x40 | 0x00, // BPF_JMP32 | BPF_JSET | BPF_K
  jne32: 0x06 | 0x50 | 0x00, // BPF_JMP32 | BPF_JNE | BPF_K
  exit: 0x05 | 0x90 | 0x00, // BPF_JMP | BPF_EXIT
} as const;

function instruction(name: keyof typeof CODES, operands: Partial<Omit<Instruction, "code">>): Instruction {
  return { code: CODES[name], dst: 0, src: 0, offset: 0, immediate: 0, ...operands };
}

/** `dst` = the u32 that lies `offset` bytes after where `src` points. */
export function loadWord(dst: number, src: number, offset: number): Instruction {
  return instruction("ldxw", { dst, src, offset });
}

/** `dst` = `immediate` */
export function move(dst: number, immediate: number): Instruction {
  return instruction("mov32", { dst, immediate });
}

/** Skips `offset` instructions. */
export function jump(offset: number): Instruction {
  return instruction("ja", { offset });
}

/** Skips `offset` instructions when `dst` has any bit of `immediate`. */
export function jumpIfAny(dst: number, immediate: number, offset: number): Instruction {
  return instruction("jset32", { dst, immediate, offset });
}

/** Skips `offset` instructions when `dst` is not `immediate`. */
export function jumpIfNot(dst: number, immediate: number, offset: number): Instruction {
  return instruction("jne32", { dst, immediate, offset });
}

/** Ends the program; r0 is its answer. */
export function exit(): Instruction {
  return instruction("exit", {});
}

/** The program as the kernel takes it: `struct bpf_insn[]`. */
export function assemble(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * SIZE);
  const view = new DataView(bytes.buffer);
  for (const [i, { code, dst, src, offset, immediate }] of program.entries()) {
    view.setUint8(i * SIZE, code);
    view.setUint8(i * SIZE + 1, (src << 4) | dst);
    view.setInt16(i * SIZE + 2, offset, true);
    view.setUint32(i * SIZE + 4, immediate, true);
  }
  return bytes;
}
