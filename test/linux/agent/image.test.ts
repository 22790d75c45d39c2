import { describe, expect, it } from "vitest";
import { assembleImage } from "../../../src/linux/agent/elf.ts";
import { agentImage } from "../../../src/linux/agent/image.ts";
import { ARENA, ARENA_SIZE, TEXT } from "../../../src/linux/agent/wire.ts";

const HUGE_PAGE = 2 * 1024 * 1024;

describe.each(["x64", "arm64"] as const)("The agent's image for %s", (arch) => {
  it.each([0, 3, 250, 251, 1023, 2047])("is what the assembler makes, with socket %d", (socket) => {
    expect(agentImage(arch, socket)).toEqual(assembleImage(arch, socket));
  });

  it("cannot have a socket that its instruction has no room for", () => {
    expect(() => agentImage(arch, 2048)).toThrow("2047 is the most");
  });

  it("fits a page, and has text that cannot be written and data and stack that cannot be executed", () => {
    const image = agentImage(arch, 250);
    expect(image.length).toBeLessThan(1024);
    const view = new DataView(image.buffer);
    const segments = [0, 1, 2].map((i) => 64 + 56 * i);
    const flags = segments.map((at) => view.getUint32(at + 4, true));
    expect(flags).toEqual([5, 6, 6]);
    for (const at of segments.slice(0, 2)) {
      const [offset, address, align] = [8, 16, 48].map((field) => view.getBigUint64(at + field, true));
      expect((address ?? 0n) % (align ?? 1n)).toBe((offset ?? 0n) % (align ?? 1n));
    }
  });

  it("shares no page with its arena, on the largest pages that the architecture has", () => {
    expect(ARENA - TEXT).toBeGreaterThanOrEqual(0x1_0000);
  });
});

it("the arena's first touched pages cannot become a huge page", () => {
  // A huge page is aligned and wholly inside one mapping; the arena starts inside the text's 2 MiB.
  expect(Math.floor(ARENA / HUGE_PAGE)).toBe(Math.floor(TEXT / HUGE_PAGE));
  expect(ARENA % HUGE_PAGE).not.toBe(0);
  expect(ARENA_SIZE % 0x1_0000).toBe(0);
});
