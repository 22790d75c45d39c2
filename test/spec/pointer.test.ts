import { expect, test } from "vitest";
import { pointerTo, valueAt } from "../../src/spec/pointer.ts";

test.each([
  [[], ""],
  [["a", 0, ""], "/a/0/"],
  [["a/b", "m~n", "~1"], "/a~1b/m~0n/~01"],
] as const)("the keys %j are written %j, and lead back", (keys, pointer) => {
  expect(pointerTo(...keys)).toBe(pointer);
  const document = [...keys].reverse().reduce<unknown>((inner, key) => ({ [key]: inner }), "found");
  expect(valueAt(document, pointer)).toBe("found");
});

test("a pointer that leads nowhere, or to what is inherited, gives undefined", () => {
  expect(valueAt({ a: [1] }, "/a/1")).toBeUndefined();
  expect(valueAt({}, "/constructor")).toBeUndefined();
  expect(valueAt(null, "/a")).toBeUndefined();
});
