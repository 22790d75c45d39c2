import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assemble } from "../../../src/linux/bpf/instructions.ts";
import { deviceProgram } from "../../../src/linux/cgroups/device-program.ts";
import { type DeviceException, type DeviceFilter, deviceFilter } from "../../../src/linux/cgroups/device-rules.ts";
import type { DeviceRule } from "../../../src/spec/config.gen.ts";
import { list, run } from "../bpf/machine.ts";

const TYPES = { b: 1, c: 2 } as const;
const BITS = { m: 1, r: 2, w: 4 } as const;

function bits(access: string): number {
  return [...access].reduce((sum, letter) => sum | BITS[letter as keyof typeof BITS], 0);
}

interface Asked {
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
  readonly access: number;
}

function answer(filter: DeviceFilter, { type, access, major, minor }: Asked): boolean {
  return run(assemble(deviceProgram(filter)), { type: TYPES[type], access, major, minor }) === 1;
}

function names(exception: DeviceException, { type, major, minor }: Asked): boolean {
  const matches = (wanted: number | "*", number: number) => wanted === "*" || wanted === number;
  return exception.type === type && matches(exception.major, major) && matches(exception.minor, minor);
}

/** What the v1 controller answers (security/device_cgroup.c: match_exception, match_exception_partial). */
function v1Allows({ allowByDefault, exceptions }: DeviceFilter, asked: Asked): boolean {
  const named = exceptions.filter((each) => names(each, asked)).map(({ access }) => bits(access));
  if (allowByDefault) return !named.some((denied) => (denied & asked.access) !== 0);
  return named.some((granted) => (asked.access & ~granted) === 0);
}

/** The specification read plainly: of each access, the last rule that names it and the device. */
function specAllows(rules: readonly DeviceRule[], { type, major, minor, access }: Asked): boolean {
  const letters = [..."rwm"].filter((letter) => (bits(letter) & access) !== 0);
  const named = (rule: DeviceRule, letter: string) =>
    (rule.type === undefined || rule.type === "a" || rule.type === type) &&
    (rule.major === undefined || rule.major === major) &&
    (rule.minor === undefined || rule.minor === minor) &&
    (rule.access ?? "rwm").includes(letter);
  return letters.every((letter) => rules.findLast((rule) => named(rule, letter))?.allow ?? false);
}

const ACCESSES = ["r", "w", "m", "rw", "rm", "wm", "rwm"] as const;

/** Every question about a few devices: those that the rules of these tests name, and their neighbours. */
const QUESTIONS: readonly Asked[] = (["b", "c"] as const).flatMap((type) =>
  [7, 8, 9].flatMap((major) =>
    [0, 1, 2].flatMap((minor) => ACCESSES.map((access) => ({ type, major, minor, access: bits(access) }))),
  ),
);

const anyException: fc.Arbitrary<DeviceException> = fc.record({
  type: fc.constantFrom("b", "c"),
  major: fc.constantFrom<"*" | number>("*", 7, 8),
  minor: fc.constantFrom<"*" | number>("*", 0, 1),
  access: fc.constantFrom(...ACCESSES),
});

const anyRule: fc.Arbitrary<DeviceRule> = fc.record(
  {
    allow: fc.boolean(),
    type: fc.constantFrom("a", "b", "c"),
    major: fc.constantFrom(7, 8),
    minor: fc.constantFrom(0, 1),
    access: fc.constantFrom(...ACCESSES),
  },
  { requiredKeys: ["allow"] },
);

describe("deviceProgram", () => {
  it("answers as the v1 controller does, for any filter and any accesses at once", () => {
    const filter = fc.record({ allowByDefault: fc.boolean(), exceptions: fc.array(anyException, { maxLength: 6 }) });
    fc.assert(
      fc.property(filter, (each) => {
        for (const asked of QUESTIONS) expect(answer(each, asked)).toBe(v1Allows(each, asked));
      }),
      { numRuns: 300 },
    );
  });

  it("answers for any rules that are accepted what the last rule that names a device says, and never more", () => {
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(anyRule, { maxLength: 5 }), (rules) => {
        let filter: DeviceFilter;
        try {
          filter = deviceFilter(rules);
        } catch {
          return;
        }
        accepted++;
        // Every container may make any node.
        const questions = QUESTIONS.map((asked) => ({ ...asked, access: asked.access & bits("rw") }));
        for (const asked of questions.filter(({ access }) => access !== 0)) {
          const allowed = answer(filter, asked);
          if (asked.access === bits("rw")) expect(!allowed || specAllows(rules, asked)).toBe(true);
          else expect(allowed).toBe(specAllows(rules, asked));
        }
      }),
      { numRuns: 500 },
    );
    expect(accepted).toBeGreaterThan(150);
  });

  it("tells numbers apart in all their bits", () => {
    const filter: DeviceFilter = {
      allowByDefault: false,
      exceptions: [{ type: "c", major: 0x8000_0001, minor: 0xffff_fffe, access: "r" }],
    };
    const asked = { type: "c", major: 0x8000_0001, minor: 0xffff_fffe, access: bits("r") } as const;
    expect(answer(filter, asked)).toBe(true);
    expect(answer(filter, { ...asked, major: 1 })).toBe(false);
    expect(answer(filter, { ...asked, minor: 0x7fff_fffe })).toBe(false);
  });

  it("does not grant an access that no kernel has yet by a rule for others", () => {
    const exceptions: DeviceException[] = [{ type: "c", major: 8, minor: "*", access: "rw" }];
    const asked = { type: "c", major: 8, minor: 0 } as const;
    expect(answer({ allowByDefault: false, exceptions }, { ...asked, access: 8 | bits("r") })).toBe(false);
    expect(answer({ allowByDefault: false, exceptions }, { ...asked, access: bits("r") })).toBe(true);
  });

  it("is a block of tests for each exception", () => {
    const exceptions: DeviceException[] = [
      { type: "c", major: 1, minor: 3, access: "rwm" },
      { type: "b", major: 8, minor: "*", access: "r" },
    ];
    const program = (allowByDefault: boolean) => list(assemble(deviceProgram({ allowByDefault, exceptions })));
    expect(program(false)).toMatchInlineSnapshot(`
      [
        "0: (61) r2 = *(u32 *)(r1 +0)",
        "1: (46) if w2 & 0xfff8fffd goto pc+6",
        "2: (61) r2 = *(u32 *)(r1 +4)",
        "3: (56) if w2 != 0x1 goto pc+4",
        "4: (61) r2 = *(u32 *)(r1 +8)",
        "5: (56) if w2 != 0x3 goto pc+2",
        "6: (b4) w0 = 1",
        "7: (95) exit",
        "8: (61) r2 = *(u32 *)(r1 +0)",
        "9: (46) if w2 & 0xfffdfffe goto pc+4",
        "10: (61) r2 = *(u32 *)(r1 +4)",
        "11: (56) if w2 != 0x8 goto pc+2",
        "12: (b4) w0 = 1",
        "13: (95) exit",
        "14: (b4) w0 = 0",
        "15: (95) exit",
      ]
    `);
    expect(program(true)).toMatchInlineSnapshot(`
      [
        "0: (61) r2 = *(u32 *)(r1 +0)",
        "1: (46) if w2 & 0xfffd goto pc+8",
        "2: (46) if w2 & 0x70000 goto pc+1",
        "3: (05) goto pc+6",
        "4: (61) r2 = *(u32 *)(r1 +4)",
        "5: (56) if w2 != 0x1 goto pc+4",
        "6: (61) r2 = *(u32 *)(r1 +8)",
        "7: (56) if w2 != 0x3 goto pc+2",
        "8: (b4) w0 = 0",
        "9: (95) exit",
        "10: (61) r2 = *(u32 *)(r1 +0)",
        "11: (46) if w2 & 0xfffe goto pc+6",
        "12: (46) if w2 & 0x20000 goto pc+1",
        "13: (05) goto pc+4",
        "14: (61) r2 = *(u32 *)(r1 +4)",
        "15: (56) if w2 != 0x8 goto pc+2",
        "16: (b4) w0 = 0",
        "17: (95) exit",
        "18: (b4) w0 = 1",
        "19: (95) exit",
      ]
    `);
  });
});
