// Why init could not be the program: its last message, which `start` reads from a fifo. wire.ts has the form.

import { errnoName, errnoText } from "../linux/abi/errno.ts";
import { FRAME_SIZE, FRAMES, HEADER, HEADER_SIZE } from "../linux/agent/wire.ts";

/** The error. `calls` are init's last calls, as create recorded them. What says nothing of them is no reason. */
export function startFailure(message: Uint8Array, calls: readonly string[]): Error {
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const failed = message.length < HEADER_SIZE ? 0 : view.getUint32(HEADER.failed, true);
  const index = (failed - FRAMES) / FRAME_SIZE;
  const call = calls[index];
  const at = HEADER_SIZE + index * FRAME_SIZE;
  if (call === undefined || at + 8 > message.length) return new Error("cannot start the container: its init ended");
  const errno = -view.getInt32(at, true);
  return new Error(`${call}: ${errnoName(errno)} (${errnoText(errno)})`);
}
