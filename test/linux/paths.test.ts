// Paths as text, held against node:path.

import { posix } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { absolute, basename, clean, dirname, resolveFrom } from "../../src/linux/paths.ts";

const path = fc.array(fc.constantFrom("/", ".", "..", "a", "b c", "…", "//", "./", "../"), { maxLength: 9 });
const text = path.map((parts) => parts.join(""));

it("paths are cleaned and resolved as node:path does it", () => {
  fc.assert(
    fc.property(text, text, (first, second) => {
      const directory = posix.resolve("/", first);
      expect(clean(first)).toBe(directory);
      expect(resolveFrom(directory, second)).toBe(posix.resolve(directory, second));
      expect(absolute(second)).toBe(posix.resolve(second));
      expect(dirname(directory)).toBe(posix.dirname(directory));
      expect(basename(directory)).toBe(posix.basename(directory));
    }),
    { numRuns: 2000 },
  );
});
