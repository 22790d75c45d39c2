// The agent's executable, assembled once, when this module is loaded: in the built program that was when it was built.

import { ARCHITECTURES, type Architecture } from "../abi/syscalls.ts";
import { assembleImage } from "./elf.ts";

/** Most sockets: the number must fit the instruction that it is an operand of, on either architecture. */
const SOCKETS = 2 ** 11;

/** An executable whose socket is 0, as little-endian words, and the bits that another socket is put in at. */
interface Template {
  readonly words: Uint32Array<ArrayBuffer>;
  readonly socketAt: number;
  readonly socketShift: number;
}

const TEMPLATES = Object.fromEntries(ARCHITECTURES.map((arch) => [arch, template(arch)])) as Record<
  Architecture,
  Template
>;

/** The socket is an immediate operand of one instruction: the bits that differ between 0 and 1 are where it starts. */
function template(arch: Architecture): Template {
  const words = new Uint32Array(assembleImage(arch, 0).buffer);
  const others = new Uint32Array(assembleImage(arch, 1).buffer);
  const socketAt = words.findIndex((word, i) => word !== others[i]);
  const difference = (words[socketAt] ?? 0) ^ (others[socketAt] ?? 0);
  let socketShift = 0;
  while (difference >>> socketShift !== 1) socketShift++;
  return { words, socketAt, socketShift };
}

/** The ELF file of an agent that finds its socket on descriptor `socket` (0 to 2047). */
export function agentImage(arch: Architecture, socket: number): Uint8Array<ArrayBuffer> {
  if (socket >= SOCKETS) {
    throw new RangeError(`Cannot make an agent with socket ${socket}: ${SOCKETS - 1} is the most`);
  }
  const { words, socketAt, socketShift } = TEMPLATES[arch];
  const image = words.slice();
  image[socketAt] = (image[socketAt] ?? 0) | (socket << socketShift);
  return new Uint8Array(image.buffer);
}
