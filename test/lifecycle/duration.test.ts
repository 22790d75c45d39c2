import { expect, test } from "vitest";
import { milliseconds } from "../../src/lifecycle/duration.ts";

test.each([
  ["5s", 5000],
  ["100ms", 100],
  ["1m30s", 90_000],
  ["1.5h", 5_400_000],
  [".5s", 500],
  ["250us", 0.25],
  ["0", 0],
  ["-1s", -1000],
  ["5", undefined],
  ["", undefined],
  ["s", undefined],
  ["1 s", undefined],
  ["1.2.3s", undefined],
])("%j is a duration of %s ms", (text, expected) => {
  const found = milliseconds(text);
  if (expected === undefined) expect(found).toBeUndefined();
  else expect(found).toBeCloseTo(expected);
});
