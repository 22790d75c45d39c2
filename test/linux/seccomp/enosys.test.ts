import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { enosysProgram, type Largest } from "../../../src/linux/seccomp/enosys.ts";
import { run } from "./bpf.ts";

const X86_64 = 0xc000003e;
const I386 = 0x40000003;
const X32_BIT = 0x40000000;
const ENOSYS = 0x0005_0026;
const PASSED = 0x7fff_0000;

/** The answer, with a program behind the guard that allows everything. */
function answer(largest: readonly Largest[], arch: number, nr: number): number {
  const allow = new Uint8Array(8);
  new DataView(allow.buffer).setUint16(0, 6, true);
  new DataView(allow.buffer).setUint32(4, PASSED, true);
  return run(Buffer.concat([enosysProgram(largest), allow]), { arch, nr }).action;
}

describe("enosysProgram", () => {
  const largest: Largest[] = [
    { architecture: X86_64, number: 450, x32: X32_BIT + 440 },
    { architecture: I386, number: 460 },
  ];

  it.each([
    ["the newest named call goes on", X86_64, 450, PASSED],
    ["a newer one does not exist", X86_64, 451, ENOSYS],
    ["x32: the newest goes on", X86_64, X32_BIT + 440, PASSED],
    ["x32: a newer one does not exist", X86_64, X32_BIT + 441, ENOSYS],
    ["another architecture has its own newest", I386, 460, PASSED],
    ["and its own newer ones", I386, 461, ENOSYS],
    ["an architecture that is not in the filter is the filter's business", 0xc00000b7, 9999, PASSED],
    ["no call at all is the filter's business (-1: a tracer skips the call)", I386, 3, PASSED],
  ])("%s", (_, arch, nr, expected) => {
    expect(answer(largest, arch, nr)).toBe(expected);
  });

  it("takes x32 calls for newer where x32 is not in the filter", () => {
    expect(answer([{ architecture: X86_64, number: 450 }], X86_64, X32_BIT + 1)).toBe(ENOSYS);
  });

  it("is nothing but one load where there is nothing to compare", () => {
    expect(answer([], X86_64, 1)).toBe(PASSED);
  });

  it("compares with the number of the call's own architecture, however many there are", () => {
    const number = fc.nat(1000);
    fc.assert(
      fc.property(fc.array(number, { maxLength: 8 }), fc.nat(8), number, (numbers, which, nr) => {
        const all = numbers.map((n, index) => ({ architecture: 0xc0000000 + index, number: n }));
        const limit = numbers[which];
        const expected = limit !== undefined && nr > limit ? ENOSYS : PASSED;
        expect(answer(all, 0xc0000000 + which, nr)).toBe(expected);
      }),
    );
  });
});
