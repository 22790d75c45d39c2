import fc from "fast-check";
import { expect, test } from "vitest";
import { SpecError } from "../../src/spec/errors.ts";
import { parseJson } from "../../src/spec/json.ts";
import { specErrorOf } from "./fixtures.ts";

const NUMBERS: readonly [literal: string, value: unknown][] = [
  ["0", 0],
  ["-0", -0],
  ["1e3", 1000],
  ["1.0", 1],
  ["9007199254740991", 9007199254740991],
  ["9007199254740993", 9007199254740993n],
  ["-9223372036854775808", -9223372036854775808n],
  ["18446744073709551615", 18446744073709551615n],
  ["18446744073709551616", 18446744073709551616n],
  ["1.8446744073709551615e19", 18446744073709551615n],
  ["184467440737095516150e-1", 18446744073709551615n],
  ["1844674407370955161500.0e-2", 18446744073709551615n],
  ["18446744073709551615.5", Number.NaN],
  ["4.00000000000000000001", Number.NaN],
  ["0.1000000000000000000", 0.1],
  ["1000000000000000000000000000000e-30", 1],
  ["100000000000000000000e300", Number.POSITIVE_INFINITY],
];

test.each(NUMBERS)("the number %s is read exactly", (literal, value) => {
  expect((parseJson(`{"n":${literal}}`) as { n: unknown }).n).toEqual(literal === "-0" ? -0 : value);
});

test("every 64-bit integer survives, in any of its spellings", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), fc.nat(5), (integer, zeros) => {
      const value = Number.isSafeInteger(Number(integer)) ? Number(integer) : integer;
      const scaled = integer === 0n ? "0.0" : `${integer}${"0".repeat(zeros)}e-${zeros}`;
      for (const literal of [`${integer}`, `${integer}.${"0".repeat(zeros + 1)}`, scaled]) {
        expect(parseJson(`[${literal}, 1234567890123456789]`)).toEqual([value, 1234567890123456789n]);
      }
    }),
    { seed: 7, numRuns: 500 },
  );
});

test("any text is either read as JSON.parse reads it, or refused with line and column", () => {
  const text = fc.oneof(
    fc.json({ maxDepth: 3 }),
    fc
      .array(
        fc.constantFrom(
          "{",
          "}",
          "[",
          "]",
          ",",
          ":",
          '"a"',
          "1",
          "-",
          "e5",
          ".",
          " ",
          "\n",
          "null",
          "tru",
          '"',
          "\\",
          "01",
        ),
        { maxLength: 8 },
      )
      .map((parts) => parts.join("")),
  );
  fc.assert(
    fc.property(text, (candidate) => {
      let expected: unknown;
      try {
        expected = JSON.parse(candidate);
      } catch {
        expect(specErrorOf(() => parseJson(candidate)).message).toMatch(/^invalid JSON at line \d+, column \d+: /);
        return;
      }
      if (!/\d{16}/.test(candidate)) expect(parseJson(candidate)).toEqual(expected);
    }),
    { seed: 7, numRuns: 3000 },
  );
});

test("an integer of 16 digits and more is exact wherever it stands in the text", () => {
  for (let before = 0; before < 40; before++) {
    const [least, largest] = [9007199254740993n, 18446744073709551615n];
    const text = `${" ".repeat(before)}[${least}, ${largest}]`;
    expect(parseJson(text)).toEqual([least, largest]);
    expect(parseJson(`${" ".repeat(before)}${least}`)).toEqual(least);
  }
});

test.each([
  ["{]", 'invalid JSON at line 1, column 2: "]" follows where key or } is expected'],
  ['{\n  "a": 1,\n  }', 'invalid JSON at line 3, column 3: "}" follows where key is expected'],
  ["", "invalid JSON at line 1, column 1: the text ends where value is expected"],
  ['{"a": [1, 2', "invalid JSON at line 1, column 12: the text ends where , or ] is expected"],
  ["{} {}", 'invalid JSON at line 1, column 4: "{}" follows where the end is expected'],
])("the text %j is refused with its place", (text, message) => {
  expect(specErrorOf(() => parseJson(text, "/b/config.json")).message).toBe(`config.json: ${message}`);
});

test("a byte order mark is refused by name", () => {
  expect(() => parseJson("\ufeff{}")).toThrow(/byte order mark/);
});

test("the last of equal keys counts", () => {
  expect(parseJson('{"a": 1, "a": 2}')).toEqual({ a: 2 });
});

test.each(["", ', "n": 12345678901234567890'])("__proto__ is a key like any other%s", (more) => {
  const value = parseJson(`{"__proto__": {"polluted": "yes"}, "constructor": {"x": 1}${more}}`) as object;
  expect(Object.keys(value)).toContain("__proto__");
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
  expect(({} as Record<string, unknown>).polluted).toBeUndefined();
});

test("a lone surrogate becomes U+FFFD where it is encoded, as in Go's decoder", () => {
  const [text] = parseJson('["a\\ud800b"]') as [string];
  expect(Buffer.from(text, "utf8")).toEqual(Buffer.from("a\ufffdb", "utf8"));
});

test("a million open brackets are refused without exhausting the stack", () => {
  expect(() => parseJson("[".repeat(1_000_000))).toThrow(SpecError);
});
