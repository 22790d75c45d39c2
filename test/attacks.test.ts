// test/root/attacks/guards.ts says where every guard is and which test sees it gone. Trying that takes minutes and root
// (mutate.ts); that the list still speaks of what is there takes neither.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { GUARDS } from "./root/attacks/guards.ts";

const read = (file: string): string => readFileSync(fileURLToPath(new URL(`../${file}`, import.meta.url)), "utf8");

describe("The list of attacks", () => {
  for (const { id, test, edits } of GUARDS) {
    it(`finds the guard and the test of ${id}`, () => {
      for (const { file, find, replace } of edits) {
        expect(read(file).split(find).length - 1, `${file}: ${find}`).toBe(1);
        expect(replace).not.toBe(find);
      }
      const [file, name] = test;
      // Names of tests are made of parts: one of them must be there.
      const text = read(file);
      const parts = Array.from({ length: name.length - 11 }, (_, i) => name.slice(i, i + 12));
      expect(
        parts.filter((part) => text.includes(part)),
        `${file}: ${name}`,
      ).not.toEqual([]);
    });
  }
});
