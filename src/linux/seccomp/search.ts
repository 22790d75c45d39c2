// The front of a filter: a binary search among ranges of system call numbers, for each architecture. Neighbours in the numbers
// have mostly the same verdict (a range of Docker's profile has five calls), so ten steps find it. What depends on more than
// the number is left to the program behind this one.
//
//        ld [arch]
//     a: jeq #ARCH, else ja to the next a        one block for each architecture
//        ld [nr]
//        jge #MIDDLE, else ...                   down to a range, and there:
//        ret #VERDICT                            or ja to the program behind
//        ja to the program behind                behind the last block
//
// Classic BPF, <linux/bpf_common.h>. A conditional jump reaches 255 instructions, `ja` all.

/** What a filter answers, SECCOMP_RET_* with its data; undefined: what the program behind this one answers. */
export type Verdict = number | undefined;

/** From a number up to where the next one begins. */
export interface Range {
  readonly from: number;
  readonly verdict: Verdict;
}

/** The numbers of one architecture, all of them: the first range is from 0. */
export interface Numbers {
  /** AUDIT_ARCH, as in seccomp_data.arch. */
  readonly architecture: number;
  readonly ranges: readonly Range[];
}

const LOAD = 0x20;
const JUMP = 0x05;
const JUMP_EQUAL = 0x15;
const JUMP_GREATER_OR_EQUAL = 0x35;
const RETURN = 0x06;
const JUMP_MAX = 255;
/** Stands in a `ja` for the program behind, until it is known how far that is. */
const TO_BEHIND = -1;

// struct seccomp_data
const NR = 0;
const ARCH = 4;

/** The program to put before another. */
export function searchProgram(all: readonly Numbers[]): Uint8Array {
  const most = all.reduce((sum, { ranges }) => sum + 3 * ranges.length + 3, 2);
  const words = new Int32Array(2 * most);
  let length = put(words, 0, LOAD, ARCH);
  for (const { architecture, ranges } of all) {
    const other = put(words, length, JUMP_EQUAL | (1 << 16), architecture);
    length = putSearch(words, put(words, other + 1, LOAD, NR), ranges, 0, ranges.length);
    put(words, other, JUMP, length - other - 1);
  }
  length = put(words, length, JUMP, TO_BEHIND);
  for (let n = 0; n < length; n++) {
    if (words[2 * n] === JUMP && words[2 * n + 1] === TO_BEHIND) words[2 * n + 1] = length - n - 1;
  }
  return new Uint8Array(words.buffer, 0, 8 * length);
}

/** Finds a number among the ranges from `first` to before `end`. Where it ends. */
function putSearch(words: Int32Array, at: number, ranges: readonly Range[], first: number, end: number): number {
  if (end - first === 1) {
    const { verdict } = ranges[first] as Range;
    return verdict === undefined ? put(words, at, JUMP, TO_BEHIND) : put(words, at, RETURN, verdict);
  }
  const middle = (first + end) >> 1;
  const { from } = ranges[middle] as Range;
  let above = putSearch(words, at + 1, ranges, first, middle);
  if (above - at - 1 <= JUMP_MAX) {
    put(words, at, JUMP_GREATER_OR_EQUAL | ((above - at - 1) << 16), from);
  } else {
    // Again, behind a jump that reaches so far.
    above = putSearch(words, at + 2, ranges, first, middle);
    put(words, at, JUMP_GREATER_OR_EQUAL | (1 << 24), from);
    put(words, at + 1, JUMP, above - at - 2);
  }
  return putSearch(words, above, ranges, middle, end);
}

/**
 * One `struct sock_filter`: u16 code, u8 jt, u8 jf, u32 k. Where the next one is. (As words, which both of our architectures have
 * little-endian: somebody waits for five hundred of these.)
 */
function put(words: Int32Array, at: number, code: number, operand: number): number {
  words[2 * at] = code;
  words[2 * at + 1] = operand;
  return at + 1;
}
