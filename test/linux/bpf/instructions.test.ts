import { describe, expect, it } from "vitest";
import {
  assemble,
  exit,
  type Instruction,
  jump,
  jumpIfAny,
  jumpIfNot,
  loadWord,
  move,
} from "../../../src/linux/bpf/instructions.ts";

// The bytes of RFC 9669. The kernel's own listing is held against all but the last jump in programs.root.test.ts.
const TABLE: readonly [listing: string, bytes: string, Instruction][] = [
  ["r2 = *(u32 *)(r1 + 4)", "61 12 04 00 00 00 00 00", loadWord(2, 1, 4)],
  ["w0 = 1", "b4 00 00 00 01 00 00 00", move(0, 1)],
  ["goto +3", "05 00 03 00 00 00 00 00", jump(3)],
  ["if w3 & 0xfffa goto +6", "46 03 06 00 fa ff 00 00", jumpIfAny(3, 0xfffa, 6)],
  ["if w4 != 200 goto +258", "56 04 02 01 c8 00 00 00", jumpIfNot(4, 200, 258)],
  ["if w4 != 4294967294 goto -1 (no program of ours does)", "56 04 ff ff fe ff ff ff", jumpIfNot(4, 0xffff_fffe, -1)],
  ["exit", "95 00 00 00 00 00 00 00", exit()],
];

describe("assemble", () => {
  it.each(TABLE)("%s", (_, bytes, instruction) => {
    expect(Buffer.from(assemble([instruction])).toString("hex")).toBe(bytes.replaceAll(" ", ""));
  });

  it("puts one after the other", () => {
    const program = TABLE.map(([, , instruction]) => instruction);
    const bytes = TABLE.map(([, each]) => each.replaceAll(" ", "")).join("");
    expect(Buffer.from(assemble(program)).toString("hex")).toBe(bytes);
  });
});
