import { constants } from "node:os";
import { expect, it } from "vitest";
import { errnoName, errnoNumber, errnoText } from "../../../src/linux/abi/errno.ts";

it("every errno that the engine knows has its number, and its name where that is the only one", () => {
  const aliases = ["EWOULDBLOCK", "ENOTSUP", "EDEADLOCK"];
  for (const [name, number] of Object.entries(constants.errno)) {
    if (!aliases.includes(name)) {
      expect(errnoName(number)).toBe(name);
      expect(errnoNumber(name as Parameters<typeof errnoNumber>[0])).toBe(number);
    }
  }
});

it("texts are the C library's", () => {
  expect([1, 2, 13, 40, 95, 133].map(errnoText)).toEqual([
    "Operation not permitted",
    "No such file or directory",
    "Permission denied",
    "Too many levels of symbolic links",
    "Operation not supported",
    "Memory page has hardware error",
  ]);
});

it("an unknown number is shown as a number", () => {
  expect([errnoName(999), errnoText(999)]).toEqual(["E999", "Unknown error 999"]);
});
