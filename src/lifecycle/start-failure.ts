// Why init could not be the program: its last message, which `start` reads from a fifo. wire.ts has the form.

import { errnoName, errnoText } from "../linux/abi/errno.ts";
import { FRAME_SIZE, FRAMES, HEADER, HEADER_SIZE } from "../linux/agent/wire.ts";

/** The error. `calls` are init's last calls, as create recorded them. */
export function startFailure(message: Uint8Array, calls: readonly string[]): Error {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const index = (view.getUint32(HEADER.failed, true) - FRAMES) / FRAME_SIZE;
  const call = calls[index];
  if (call === undefined) return new Error("cannot start the container: its init ended");
  const errno = -view.getInt32(HEADER_SIZE + index * FRAME_SIZE, true);
  return new Error(`${call}: ${errnoName(errno)} (${errnoText(errno)})`);
}
