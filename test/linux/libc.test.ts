import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { EngineProgram } from "../engine/program.ts";
import { facts } from "./libc-checks.ts";

const FACTS = {
  pid: true,
  errno: -9,
  errnoAgain: -2,
  empty: -22,
  bigint: -9,
  out: true,
  pipe: true,
  memory: true,
  memoryIsZeroed: true,
  library: 4,
  noLibrary: true,
  noFunction: true,
};

it("the C library is called from Node, through koffi", () => {
  expect(facts()).toEqual(FACTS);
});

it("the C library is called from the built program, through functions of its own", async () => {
  using program = await EngineProgram.build(fileURLToPath(new URL("../engine/checks.ts", import.meta.url)));
  expect(JSON.parse(execFileSync(program.path, ["libc"], { encoding: "utf8" }))).toEqual(FACTS);
});
