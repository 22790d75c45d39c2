import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Numbers, type Range, searchProgram } from "../../../src/linux/seccomp/search.ts";
import { run } from "./bpf.ts";

const PASSED = 0x7fff_0000;
const FIRST = 0xc000003e;

/** The answer, with a program behind that allows everything. */
function answer(numbers: readonly Numbers[], arch: number, nr: number): { action: number; steps: number } {
  const allow = new Uint8Array(8);
  new DataView(allow.buffer).setUint16(0, 6, true);
  new DataView(allow.buffer).setUint32(4, PASSED, true);
  return run(Buffer.concat([searchProgram(numbers), allow]), { arch, nr });
}

/** What a plain look through the ranges says. */
function expected(ranges: readonly Range[], nr: number): number {
  return ranges.findLast(({ from }) => from <= nr)?.verdict ?? PASSED;
}

describe("searchProgram", () => {
  it("is a jump to the program behind where there is nothing to say", () => {
    expect(answer([], FIRST, 1).action).toBe(PASSED);
  });

  it("leaves another architecture, and ranges without a verdict, to the program behind", () => {
    const ranges = [
      { from: 0, verdict: 7 },
      { from: 5, verdict: undefined },
      { from: 9, verdict: 0 },
    ];
    const numbers = [{ architecture: FIRST, ranges }];
    expect([0, 4, 5, 8, 9, 0xffff_ffff].map((nr) => answer(numbers, FIRST, nr).action)).toEqual([
      7,
      7,
      PASSED,
      PASSED,
      0,
      0,
    ]);
    expect(answer(numbers, FIRST + 1, 0).action).toBe(PASSED);
  });

  it("finds the range of every number on every architecture, in few steps, however many there are", () => {
    const verdict = fc.option(fc.nat(0xffff_ffff), { nil: undefined });
    const ranges = fc
      .uniqueArray(fc.oneof(fc.nat(2000), fc.nat(0xffff_ffff)), { minLength: 0, maxLength: 900, size: "max" })
      .chain((more) => {
        const starts = [...new Set([0, ...more])].sort((a, b) => a - b);
        return fc.tuple(...starts.map((from) => verdict.map((each) => ({ from, verdict: each }))));
      });
    fc.assert(
      fc.property(ranges, ranges, fc.array(fc.nat(0xffff_ffff), { maxLength: 5 }), (first, second, more) => {
        const numbers = [first, second].map((each, index) => ({ architecture: FIRST + index, ranges: each }));
        for (const [index, each] of [first, second].entries()) {
          const edges = each.slice(-40).flatMap(({ from }) => [from, Math.max(from - 1, 0)]);
          for (const nr of [...edges, ...more]) {
            const { action, steps } = answer(numbers, FIRST + index, nr);
            expect(action).toBe(expected(each, nr));
            expect(steps).toBeLessThan(36);
          }
        }
      }),
      { numRuns: 30 },
    );
  });
});
