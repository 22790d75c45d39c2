// Runs and prints device programs, from their bytes alone: RFC 9669. It knows the instructions that device programs are
// made of, and throws for what the kernel would not load: other instructions, jumps backwards or out of the program,
// registers that were never set, a program without end.

/** What the kernel asks a device program: `struct bpf_cgroup_dev_ctx`. */
export interface Access {
  /** 1: block, 2: character. */
  readonly type: number;
  /** 1: mknod, 2: read, 4: write, or several. */
  readonly access: number;
  readonly major: number;
  readonly minor: number;
}

interface Decoded {
  readonly code: number;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  readonly immediate: number;
}

function decode(program: Uint8Array): Decoded[] {
  const view = new DataView(program.buffer, program.byteOffset, program.length);
  return Array.from({ length: program.length / 8 }, (_, i) => ({
    code: view.getUint8(8 * i),
    dst: view.getUint8(8 * i + 1) & 15,
    src: view.getUint8(8 * i + 1) >> 4,
    offset: view.getInt16(8 * i + 2, true),
    immediate: view.getUint32(8 * i + 4, true),
  }));
}

/** What the program answers. */
export function run(program: Uint8Array, { type, access, major, minor }: Access): number {
  const context = [((access << 16) | type) >>> 0, major, minor];
  const registers: (number | undefined)[] = [undefined, Number.NaN];
  const read = (register: number): number => {
    const value = registers[register];
    if (value === undefined) throw new Error(`r${register} was never set`);
    return value;
  };
  const code = decode(program);
  for (let pc = 0; ; pc++) {
    const at = code[pc];
    if (at === undefined) throw new Error("ran out of the program");
    if (at.offset < 0) throw new Error("jumps backwards");
    const { dst, immediate } = at;
    if (at.code === 0x95) return read(0);
    if (at.code === 0x05) pc += at.offset;
    else if (at.code === 0x46) pc += (read(dst) & immediate) !== 0 ? at.offset : 0;
    else if (at.code === 0x56) pc += read(dst) !== immediate ? at.offset : 0;
    else if (at.code === 0xb4) registers[dst] = immediate;
    else if (at.code === 0x61 && at.src === 1) registers[dst] = context[at.offset / 4] as number;
    else throw new Error(`instruction 0x${at.code.toString(16)} at ${pc}`);
  }
}

const PRINTED: Readonly<Record<number, (i: Decoded) => string>> = {
  5: ({ offset }) => `goto pc+${offset}`,
  70: ({ dst, immediate, offset }) => `if w${dst} & 0x${immediate.toString(16)} goto pc+${offset}`,
  86: ({ dst, immediate, offset }) => `if w${dst} != 0x${immediate.toString(16)} goto pc+${offset}`,
  97: ({ dst, src, offset }) => `r${dst} = *(u32 *)(r${src} +${offset})`,
  149: () => "exit",
  180: ({ dst, immediate }) => `w${dst} = ${immediate}`,
};

/** One line an instruction, as the kernel's verifier prints them. */
export function list(program: Uint8Array): string[] {
  return decode(program).map((each, i) => {
    const code = each.code.toString(16).padStart(2, "0");
    return `${i}: (${code}) ${PRINTED[each.code]?.(each) ?? "unknown"}`;
  });
}
