// The agent's executable, ready made: image.gen.ts with the number of its socket put in.

import type { Architecture } from "../abi/syscalls.ts";
import { IMAGES } from "./image.gen.ts";

/** Most sockets: the number must fit the instruction that it is an operand of, on either architecture. */
const SOCKETS = 2 ** 11;

/** The ELF file of an agent that finds its socket on descriptor `socket` (0 to 2047). */
export function agentImage(arch: Architecture, socket: number): Uint8Array<ArrayBuffer> {
  if (socket >= SOCKETS) {
    throw new RangeError(`Cannot make an agent with socket ${socket}: ${SOCKETS - 1} is the most`);
  }
  const { words, socketAt, socketShift } = IMAGES[arch];
  // The words are little-endian as both of our architectures are.
  const image = new Uint32Array(words);
  image[socketAt] = (image[socketAt] ?? 0) | (socket << socketShift);
  return new Uint8Array(image.buffer);
}
