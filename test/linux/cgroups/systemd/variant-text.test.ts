import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseVariant } from "../../../../src/linux/cgroups/systemd/variant-text.ts";

const GOOD: readonly (readonly [text: string, signature: string, value: unknown])[] = [
  ["true", "b", true],
  ["9", "i", 9n],
  ["-2147483648", "i", -2147483648n],
  ["0x10", "i", 16n],
  ["010", "i", 8n],
  ["uint64 18446744073709551615", "t", 18446744073709551615n],
  ["@t 7", "t", 7n],
  ["byte 255", "y", 255n],
  ["2.5", "d", 2.5],
  ["double 3", "d", 3],
  ["1e3", "d", 1000],
  ["'inactive-or-failed'", "s", "inactive-or-failed"],
  ['"it\'s"', "s", "it's"],
  ["'a\\n\\u00e9\\'\\\\'", "s", "a\né'\\"],
  ["objectpath '/a/b'", "o", "/a/b"],
  ["['crio.service', 'b']", "as", ["crio.service", "b"]],
  ["@as []", "as", []],
  ["[uint32 1, 2]", "au", [1n, 2n]],
  ["('a', true, 3)", "(sbi)", ["a", true, 3n]],
  ["@a(st) [('/dev/sda', 5)]", "a(st)", [["/dev/sda", 5n]]],
  ["<'x'>", "v", { signature: "s", value: "x" }],
  ["  [ 1 , 2 ]  ", "ai", [1n, 2n]],
];

const BAD: readonly (readonly [text: string, message: string])[] = [
  ["", "it ends too early"],
  ["1 2", "2 after its end"],
  ["[1", "it ends too early"],
  ["[]", "an empty array without a type"],
  ["[1, 'a']", '"a" is no value of type i'],
  ["[1 2]", "2 between the members of a list"],
  ["byte 256", "256 is out of range of type y"],
  ["2147483648", "2147483648 is out of range of type i"],
  ["uint64 -1", "-1 is out of range of type t"],
  ["uint64 1.5", "1.5 is no value of type t"],
  ["boolean 1", "1 is no value of type b"],
  ["nonsense", "nonsense is no value"],
  ["'open", "cannot read"],
  ["@(st) ('a',)", "a value of type (s), not (st)"],
  ["{'a': 1}", "{ is no value"],
];

describe("the text of a GVariant", () => {
  for (const [text, signature, value] of GOOD) {
    test(`${text} is ${signature}`, () => expect(parseVariant(text)).toEqual({ signature, value }));
  }

  for (const [text, message] of BAD) {
    test(`${JSON.stringify(text)} is none`, () => expect(() => parseVariant(text)).toThrow(message));
  }

  test("any string comes through its quotes", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (string) => {
        const text = `'${string.replace(/[\\']/g, "\\$&")}'`;
        expect(parseVariant(text)).toEqual({ signature: "s", value: string });
      }),
    );
  });

  test("any text is a value or an Error", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseVariant(text);
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
          expect(error).not.toBeInstanceOf(TypeError);
        }
      }),
    );
  });
});
