// Messages for the agent as the tests write them, straight from wire.ts: nothing here is shared with what makes real ones.

import { type Architecture, type SyscallName, syscallNumber } from "../../../src/linux/abi/syscalls.ts";
import {
  ADOPT,
  FRAME,
  FRAME_SIZE,
  FRAMES,
  HEADER,
  HEADER_SIZE,
  MESSAGE,
  SKIP_ON_SUCCESS,
} from "../../../src/linux/agent/wire.ts";

/** A frame; arguments are numbers, or `{ at }`: the address of a word that holds the argument. */
export interface Frame {
  readonly call: SyscallName | "adopt";
  readonly args?: readonly (number | bigint | { readonly at: number })[];
  readonly tolerated?: number;
  readonly skip?: number;
  readonly skipOnSuccess?: boolean;
  readonly store?: number;
}

/** Address of frame i, and so of its result. */
export const frameAddress = (i: number): number => FRAMES + i * FRAME_SIZE;
/** Address of argument j of frame i. */
export const argumentAddress = (i: number, j: number): number => frameAddress(i) + FRAME.args + 8 * j;
/** Address of the data behind `frames` frames. */
export const dataAddress = (frames: number): number => frameAddress(frames);

/** A message of frames and data. The reply is the whole message. */
export function message(
  arch: Architecture,
  frames: readonly Frame[],
  data: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const dataAt = HEADER_SIZE + frames.length * FRAME_SIZE;
  const bytes = new Uint8Array(dataAt + data.length);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(HEADER.end, BigInt(dataAddress(frames.length)), true);
  view.setBigUint64(HEADER.replyLength, BigInt(bytes.length), true);
  frames.forEach((frame, i) => {
    writeFrame(view, HEADER_SIZE + i * FRAME_SIZE, arch, frame);
  });
  bytes.set(data, dataAt);
  return bytes;
}

function writeFrame(view: DataView, at: number, arch: Architecture, frame: Frame): void {
  view.setUint16(at + FRAME.nr, frame.call === "adopt" ? ADOPT : syscallNumber(frame.call, arch), true);
  view.setUint16(at + FRAME.tolerated, frame.tolerated ?? 0, true);
  view.setUint8(at + FRAME.skip, frame.skip ?? 0);
  let flags = frame.skipOnSuccess === true ? SKIP_ON_SUCCESS : 0;
  (frame.args ?? []).forEach((arg, i) => {
    const indirect = typeof arg === "object";
    flags |= indirect ? 1 << i : 0;
    view.setBigUint64(at + FRAME.args + 8 * i, BigInt.asUintN(64, BigInt(indirect ? arg.at : arg)), true);
  });
  view.setUint8(at + FRAME.flags, flags);
  view.setBigUint64(at + FRAME.store, BigInt(frame.store ?? 0), true);
}

/** What a reply says. */
export interface Reply {
  readonly results: readonly number[];
  /** Index of the frame that stopped the vector, or undefined. */
  readonly failed: number | undefined;
  readonly data: Uint8Array;
}

/** Reads a reply to a message of `frames` frames. */
export function readReply(bytes: Uint8Array, frames: number): Reply {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const failed = Number(view.getBigUint64(HEADER.failed, true));
  const result = (i: number): number => Number(view.getBigInt64(HEADER_SIZE + i * FRAME_SIZE + FRAME.result, true));
  return {
    results: Array.from({ length: frames }, (_, i) => result(i)),
    failed: failed === 0 ? undefined : (failed - FRAMES) / FRAME_SIZE,
    data: bytes.subarray(dataAddress(frames) - MESSAGE),
  };
}
