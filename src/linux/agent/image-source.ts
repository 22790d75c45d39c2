// Makes image.gen.ts: the agent's executables as constants, because assembling one takes an engine that has just started
// 1.6 ms, a third of its whole start; an array of words is the quickest to turn into bytes. A test holds the constants against the assembler.

import type { Architecture } from "../abi/syscalls.ts";
import { assembleImage } from "./elf.ts";

/** The text of image.gen.ts. */
export function imageSource(): string {
  return [
    "// Generated from elf.ts and the two programs by scripts/generate.ts. Do not edit.",
    "",
    "/** Executables whose socket is 0, as little-endian words, and the bits that another socket is put in at. */",
    "export const IMAGES = {",
    entry("x64"),
    entry("arm64"),
    "} as const;",
    "",
  ].join("\n");
}

/** The socket is an immediate operand of one instruction: the bits that differ between 0 and 1 are where it starts. */
function entry(arch: Architecture): string {
  const image = words(assembleImage(arch, 0));
  const other = words(assembleImage(arch, 1));
  const at = image.findIndex((word, i) => word !== other[i]);
  const shift = Math.log2(((image[at] ?? 0) ^ (other[at] ?? 0)) >>> 0);
  const lines = [];
  for (let i = 0; i < image.length; i += 8) {
    lines.push(
      `      ${image
        .slice(i, i + 8)
        .map(hexWord)
        .join(", ")},`,
    );
  }
  return `  ${arch}: {\n    socketAt: ${at},\n    socketShift: ${shift},\n    words: [\n${lines.join("\n")}\n    ],\n  },`;
}

/** Little-endian 32-bit words; both architectures' files are multiples of them. */
function words(image: Uint8Array): readonly number[] {
  const view = new DataView(image.buffer);
  return Array.from({ length: image.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}

function hexWord(word: number): string {
  return `0x${word.toString(16).padStart(8, "0")}`;
}
