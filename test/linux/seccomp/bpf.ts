// Runs a seccomp program as the kernel does: classic BPF, <linux/bpf_common.h>, on struct seccomp_data. It refuses what
// the kernel's checker refuses, so that a program that these tests accept can be loaded.

/** struct seccomp_data, without the instruction pointer. */
export interface Call {
  readonly arch: number;
  readonly nr: number;
  readonly args?: readonly bigint[];
}

const JUMPS: Readonly<Record<number, (a: number, k: number) => boolean>> = {
  21: (a, k) => a === k, // 0x15 jeq
  37: (a, k) => a > k, // 0x25 jgt
  53: (a, k) => a >= k, // 0x35 jge
  69: (a, k) => (a & k) !== 0, // 0x45 jset
};

/** What the program returns for a call, and after how many instructions. */
export function run(program: Uint8Array, call: Call): { action: number; steps: number } {
  if (program.length === 0 || program.length % 8 !== 0 || program.length / 8 > 4096) throw new Error("bad length");
  const code = new DataView(program.buffer, program.byteOffset, program.length);
  const data = seccompData(call);
  let a = 0;
  for (let pc = 0, steps = 1; ; pc++, steps++) {
    const op = code.getUint16(8 * pc, true);
    const k = code.getUint32(8 * pc + 4, true);
    const jump = JUMPS[op];
    if (jump !== undefined) pc += code.getUint8(8 * pc + (jump(a, k) ? 2 : 3));
    else if (op === 0x20) a = data.getUint32(k, true);
    else if (op === 0x54) a = (a & k) >>> 0;
    else if (op === 0x05) pc += k;
    else if (op === 0x06) return { action: k, steps };
    else throw new Error(`instruction ${op.toString(16)} at ${pc}`);
  }
}

function seccompData({ arch, nr, args = [] }: Call): DataView {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, nr, true);
  data.setUint32(4, arch, true);
  for (const [n, arg] of args.entries()) data.setBigUint64(16 + 8 * n, arg, true);
  return data;
}
