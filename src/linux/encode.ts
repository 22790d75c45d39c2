// A plan as the agent's message, and the agent's reply as results. The layout is wire.ts's; behind the frames come the
// `Out` areas, which are part of the reply, then the data that calls point to, which is not.
//
// (Loops by index, because a container has some 400 frames, and QuickJS takes twice as long for iterators.)
//
// A message has a most of bytes. Data that does not fit (a large environment) goes ahead, in pieces that the agent reads
// to a far part of its arena; frames that do not fit go in slices, later ones with the results of earlier ones filled in.

import { errnoNumber } from "./abi/errno.ts";
import { syscallNumber } from "./abi/syscalls.ts";
import {
  ADOPT,
  ANY_ERRNO,
  ARENA,
  ARENA_SIZE,
  FRAME,
  FRAME_SIZE,
  FRAMES,
  HEADER,
  HEADER_SIZE,
  MESSAGE,
  MESSAGE_MAX,
  SKIP_ON_SUCCESS,
} from "./agent/wire.ts";
import { encodeTextInto } from "./bytes.ts";
import type { Arg, Out, Step, Strings, Struct, Tolerance } from "./plan.ts";

/** Address that data is loaded to ahead of a message that it does not fit in. */
export const FAR = MESSAGE + MESSAGE_MAX;

const FAR_MAX = ARENA + ARENA_SIZE - FAR;

/** What to send for a list of steps, and how to read the answer. */
export interface Encoded {
  readonly message: Uint8Array;
  /** Bytes to be loaded at FAR before `message`; empty when all fits. */
  readonly far: Uint8Array;
  /** Where each Out lies in the reply. */
  readonly outs: ReadonlyMap<Out, number>;
  readonly replyLength: number;
}

/** Fewer steps at once would do. */
export class ReplyTooLong extends RangeError {}

/** Encodes steps. Results must refer to steps of this list, counted from `first`. */
export function encode(steps: readonly Step[], first = 0): Encoded {
  const outs = new Map<Out, number>();
  const outStart = HEADER_SIZE + steps.length * FRAME_SIZE;
  const replyLength = placeOuts(steps, outStart, outs);
  if (replyLength > MESSAGE_MAX)
    throw new ReplyTooLong("Cannot run so many system calls at once: their results are too large");
  const near = new Data(MESSAGE + replyLength, MESSAGE_MAX - replyLength);
  const message = encodeInto(steps, first, outs, replyLength, near);
  if (message !== undefined) return { message, far: new Uint8Array(0), outs, replyLength };
  const far = new Data(FAR, FAR_MAX);
  const head = encodeInto(steps, first, outs, replyLength, far);
  if (head === undefined) throw new RangeError("Cannot send the arguments of a system call: they are too large");
  return { message: head.subarray(0, replyLength), far: far.bytes.subarray(0, far.length), outs, replyLength };
}

function placeOuts(steps: readonly Step[], start: number, outs: Map<Out, number>): number {
  let end = start;
  for (let i = 0; i < steps.length; i++) {
    const { args } = (steps[i] as Step).call;
    for (let k = 0; k < args.length; k++) {
      const arg = args[k];
      if (typeof arg !== "object" || arg.kind !== "out" || outs.has(arg)) continue;
      outs.set(arg, end);
      end += (arg.size + 7) & ~7;
    }
  }
  return end;
}

function encodeInto(
  steps: readonly Step[],
  first: number,
  outs: ReadonlyMap<Out, number>,
  replyLength: number,
  data: Data,
): Uint8Array | undefined {
  const head = new Uint8Array(replyLength);
  const view = new DataView(head.buffer);
  setWord(view, HEADER.end, FRAMES + steps.length * FRAME_SIZE);
  setWord(view, HEADER.replyLength, replyLength);
  for (const [out, offset] of outs) if (out.initial !== undefined) head.set(out.initial, offset);
  // Both of our architectures are little-endian, as the message is.
  const words = new Uint32Array(head.buffer, 0, replyLength >> 2);
  const addresses = new Addresses(first, outs, data);
  for (let i = 0; i < steps.length; i++) {
    encodeFrame(words, (HEADER_SIZE + i * FRAME_SIZE) >> 2, steps[i] as Step, addresses);
  }
  if (data.overflowed) return undefined;
  if (data.start !== MESSAGE + replyLength) return head;
  const message = new Uint8Array(replyLength + data.length);
  message.set(head);
  message.set(data.bytes.subarray(0, data.length), replyLength);
  return message;
}

/** A frame, from word `at` on; words have 32 bits. */
function encodeFrame(words: Uint32Array, at: number, step: Step, addresses: Addresses): void {
  const { call, tolerance } = step;
  const { args } = call;
  let flags = 0;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] as Arg;
    const place = at + ((FRAME.args + i * 8) >> 2);
    if (typeof arg === "number") {
      words[place] = arg;
      if (arg < 0 || arg > 0xffff_ffff) words[place + 1] = Math.floor(arg / 0x1_0000_0000);
    } else if (typeof arg === "string") {
      words[place] = addresses.ofString(arg);
    } else if (typeof arg === "bigint") {
      words[place] = Number(BigInt.asUintN(32, arg));
      words[place + 1] = Number(BigInt.asUintN(32, arg >> 32n));
    } else {
      words[place] = addresses.of(arg); // the arena is in the lowest 4 GiB
      const { kind } = arg;
      // Only the agent knows these: it gets the word at the address.
      if (kind === "result" || kind === "word" || kind === "socket") flags |= 1 << i;
    }
  }
  words[at] = call.name === "adopt" ? ADOPT : syscallNumber(call.name);
  words[at + 1] = flags << 8;
  if (tolerance !== undefined) encodeTolerance(words, at, tolerance, flags);
  if (step.becomesSocket) words[at + (FRAME.store >> 2)] = ARENA;
}

/** `tolerated` is the upper half of the frame's first word, `skip` and `flags` are the lower half of its second. */
function encodeTolerance(words: Uint32Array, at: number, tolerance: Tolerance, flags: number): void {
  const { errno, skip, skipOnSuccess } = tolerance;
  if (skip > 255) throw new RangeError(`Cannot skip ${skip} calls: 255 is the most`);
  const tolerated = errno === undefined ? 0 : errno === "any" ? ANY_ERRNO : errnoNumber(errno);
  words[at] = (words[at] ?? 0) | (tolerated << 16);
  words[at + 1] = skip | ((skipOnSuccess ? flags | SKIP_ON_SUCCESS : flags) << 8);
}

/** An argument that is an address in the agent's arena. */
type Placed = Exclude<Arg, number | bigint | string>;

/** Where arguments are, or come to be. */
class Addresses {
  readonly #first: number;
  readonly #outs: ReadonlyMap<Out, number>;
  readonly #data: Data;

  constructor(first: number, outs: ReadonlyMap<Out, number>, data: Data) {
    this.#first = first;
    this.#outs = outs;
    this.#data = data;
  }

  ofString(text: string): number {
    return this.#data.string(text);
  }

  of(arg: Placed): number {
    switch (arg.kind) {
      case "result":
        return FRAMES + (arg.index - this.#first) * FRAME_SIZE + FRAME.result;
      case "socket":
        return ARENA;
      case "out":
        return MESSAGE + (this.#outs.get(arg) ?? 0);
      case "word":
        return MESSAGE + (this.#outs.get(arg.out) ?? 0) + arg.offset;
      case "strings":
        return putStrings(arg, this.#data);
      case "struct":
        return putStruct(arg, this.#data);
      default:
        return this.#data.once(arg);
    }
  }
}

function putStrings({ strings }: Strings, data: Data): number {
  const pointers = new Uint8Array((strings.length + 1) * 8);
  const view = new DataView(pointers.buffer);
  strings.forEach((string, i) => {
    setWord(view, i * 8, typeof string === "string" ? data.string(string) : data.put(string, 1, true));
  });
  return data.put(pointers, 8);
}

function putStruct(struct: Struct, data: Data): number {
  const bytes = struct.bytes.slice();
  const view = new DataView(bytes.buffer);
  for (const [offset, to] of struct.pointers) setWord(view, offset, data.put(to, 8));
  return data.put(bytes, 8);
}

/** Writes a signed or unsigned integer of up to 53 bits as 64 bits. */
function setWord(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / 0x1_0000_0000) >>> 0, true);
}

/** Bytes to point to, at addresses from `start`; equal strings, and the same bytes, are stored once. */
class Data {
  readonly start: number;
  readonly #limit: number;
  readonly #stored = new Map<string | Uint8Array, number>();
  bytes: Uint8Array;
  length = 0;
  overflowed = false;

  constructor(start: number, limit: number) {
    this.start = start;
    this.#limit = limit;
    this.bytes = new Uint8Array(Math.min(4096, limit));
  }

  string(text: string): number {
    const known = this.#stored.get(text);
    if (known !== undefined) return known;
    const address = this.start + this.length;
    let end = this.#endOf(text);
    if (end > this.bytes.length) {
      if (!this.#makeRoom(end)) return 0;
      end = this.#endOf(text);
    }
    this.length = end;
    this.#stored.set(text, address);
    return address;
  }

  /** Appends bytes that the kernel reads. */
  once(bytes: Uint8Array): number {
    const known = this.#stored.get(bytes);
    if (known !== undefined) return known;
    const address = this.put(bytes, 8);
    this.#stored.set(bytes, address);
    return address;
  }

  /** Appends bytes, aligned, with a NUL behind them when asked; returns their address. */
  put(bytes: Uint8Array, align: number, terminated = false): number {
    const at = (this.length + align - 1) & -align;
    const end = at + bytes.length + (terminated ? 1 : 0);
    if (end > this.bytes.length && !this.#makeRoom(end)) return 0;
    this.bytes.set(bytes, at);
    this.length = end;
    return this.start + at;
  }

  /** Writes a text and its NUL where there is room for it; where its end would be. */
  #endOf(text: string): number {
    return this.length + encodeTextInto(text, this.bytes, this.length) + 1;
  }

  /** False where there is to be no more. */
  #makeRoom(end: number): boolean {
    this.overflowed ||= end > this.#limit;
    if (this.overflowed) return false;
    const bytes = new Uint8Array(Math.min(Math.max(end, this.bytes.length * 2), this.#limit));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
    return true;
  }
}
