// A plan as the agent's message, and the agent's reply as results. The layout is wire.ts's; behind the frames come the
// `Out` areas, which are part of the reply, then the data that calls point to, which is not.
//
// (Loops by index, because a container has some 400 frames, and QuickJS takes twice as long for iterators.)
//
// A message has a most of bytes. Data that does not fit (a large environment) goes ahead, in pieces that the agent reads
// to a far part of its arena; frames that do not fit go in slices, later ones with the results of earlier ones filled in.

import { type Engine, engine } from "../engine/engine.ts";
import { errnoNumber } from "./abi/errno.ts";
import { hostArchitecture, syscallTable } from "./abi/syscalls.ts";
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
import type { Arg, Out, Result, Step, Strings, Struct, Tolerance } from "./plan.ts";

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
  const frames = new Frames(steps, first);
  const { outs, replyLength } = frames;
  if (replyLength > MESSAGE_MAX)
    throw new ReplyTooLong("Cannot run so many system calls at once: their results are too large");
  const near = new Data(MESSAGE + replyLength, MESSAGE_MAX - replyLength);
  frames.pointTo(near);
  if (!near.overflowed) return { message: frames.message(near), far: new Uint8Array(0), outs, replyLength };
  const far = new Data(FAR, FAR_MAX);
  frames.pointTo(far);
  if (far.overflowed) throw new RangeError("Cannot send the arguments of a system call: they are too large");
  return { message: frames.message(), far: far.bytes.subarray(0, far.length), outs, replyLength };
}

/** The frames of steps, complete but for addresses of data: `pointTo`. */
class Frames {
  readonly outs = new Map<Out, number>();
  readonly replyLength: number;
  readonly #bytes: Uint8Array;
  /** Both of our architectures are little-endian, as the frames are. */
  readonly #words: Uint32Array;
  /** Arguments that data is needed for: pairs of an offset in the frames and the argument. */
  readonly #strings: (number | string)[] = [];
  readonly #objects: (number | Placed)[] = [];

  constructor(steps: readonly Step[], first: number) {
    this.#bytes = new Uint8Array(steps.length * FRAME_SIZE);
    this.#words = new Uint32Array(this.#bytes.buffer);
    const results = FRAMES + FRAME.result - first * FRAME_SIZE;
    putCalls(steps, this.#bytes, numbers(), results, this.#strings, this.#objects);
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i] as Step;
      if (step.tolerance !== undefined) encodeTolerance(this.#words, (i * FRAME_SIZE) >> 2, step.tolerance);
      if (step.becomesSocket) this.#words[(i * FRAME_SIZE + FRAME.store) >> 2] = ARENA;
    }
    this.replyLength = this.#placeOuts(HEADER_SIZE + this.#bytes.length);
  }

  /** Where in the reply each is, from `start` on. The reply's end. */
  #placeOuts(start: number): number {
    let end = start;
    const objects = this.#objects;
    for (let i = 1; i < objects.length; i += 2) {
      const arg = objects[i] as Placed;
      if (arg.kind !== "out" || this.outs.has(arg)) continue;
      this.outs.set(arg, end);
      end += (arg.size + 7) & ~7;
    }
    return end;
  }

  /** Has the arguments that are addresses point to where `data`, which gets what is there, comes to be. */
  pointTo(data: Data): void {
    const [words, strings, objects] = [this.#words, this.#strings, this.#objects];
    for (let i = 0; i < strings.length; i += 2)
      words[(strings[i] as number) >> 2] = data.string(strings[i + 1] as string);
    const addresses = new Addresses(this.outs, data);
    for (let i = 0; i < objects.length; i += 2) {
      const place = objects[i] as number;
      const arg = objects[i + 1] as Placed;
      words[place >> 2] = addresses.of(arg); // the arena is in the lowest 4 GiB
      const { kind } = arg;
      // Only the agent knows these: it gets the word at the address.
      if (kind === "word" || kind === "socket") this.#setFlag(place);
    }
  }

  #setFlag(place: number): void {
    const argument = ((place % FRAME_SIZE) - FRAME.args) >> 3;
    const flags = place - (place % FRAME_SIZE) + FRAME.flags;
    this.#bytes[flags] = (this.#bytes[flags] ?? 0) | (1 << argument);
  }

  /** Header, frames, what results go to, and data. */
  message(data?: Data): Uint8Array {
    const message = new Uint8Array(this.replyLength + (data?.length ?? 0));
    const view = new DataView(message.buffer);
    setWord(view, HEADER.end, FRAMES + this.#bytes.length);
    setWord(view, HEADER.replyLength, this.replyLength);
    message.set(this.#bytes, HEADER_SIZE);
    for (const [out, offset] of this.outs) if (out.initial !== undefined) message.set(out.initial, offset);
    if (data !== undefined) message.set(data.bytes.subarray(0, data.length), this.replyLength);
    return message;
  }
}

type PutCalls = Engine["putCalls"];

/** As engine.ts says. The engine has it in C, since it was half of the work of encoding. */
const putCalls: PutCalls = engine()?.putCalls ?? putCallsHere;

function putCallsHere(...[steps, frames, numbers, results, strings, objects]: Parameters<PutCalls>): void {
  const view = new DataView(frames.buffer, frames.byteOffset, frames.byteLength);
  const put = (place: number, arg: unknown): boolean => {
    const isResult = typeof arg === "object" && arg !== null && "index" in arg;
    if (isResult) setWord(view, place, results + (arg as Result).index * FRAME_SIZE);
    else if (typeof arg === "string") strings.push(place, arg);
    else if (typeof arg === "object") objects.push(place, arg as object);
    else view.setBigInt64(place, BigInt.asIntN(64, BigInt(arg as number | bigint)), true);
    return isResult;
  };
  for (const [i, { call }] of steps.entries()) {
    const at = i * FRAME_SIZE;
    const flags = call.args.map((arg, k) => (put(at + FRAME.args + 8 * k, arg) ? 1 << k : 0));
    view.setUint16(at + FRAME.nr, numbers[call.name] as number, true);
    view.setUint8(
      at + FRAME.flags,
      flags.reduce((all, flag) => all | flag, 0),
    );
  }
}

let known: Readonly<Record<string, number>> | undefined;

/** The number of each call, also of the agent's own. */
function numbers(): Readonly<Record<string, number>> {
  const make = () => Object.assign(Object.create(syscallTable(hostArchitecture())) as object, { adopt: ADOPT });
  known ??= make();
  return known;
}

/** `tolerated` is the upper half of the frame's first word, `skip` and `flags` are the lower half of its second. */
function encodeTolerance(words: Uint32Array, at: number, { errno, skip, skipOnSuccess }: Tolerance): void {
  if (skip > 255) throw new RangeError(`Cannot skip ${skip} calls: 255 is the most`);
  const tolerated = errno === undefined ? 0 : errno === "any" ? ANY_ERRNO : errnoNumber(errno);
  words[at] = (words[at] ?? 0) | (tolerated << 16);
  words[at + 1] = (words[at + 1] ?? 0) | skip | (skipOnSuccess ? SKIP_ON_SUCCESS << 8 : 0);
}

/** An argument that is an address in the agent's arena. */
type Placed = Exclude<Arg, number | bigint | string | Result>;

/** Where arguments are, or come to be. */
class Addresses {
  readonly #outs: ReadonlyMap<Out, number>;
  readonly #data: Data;

  constructor(outs: ReadonlyMap<Out, number>, data: Data) {
    this.#outs = outs;
    this.#data = data;
  }

  of(arg: Placed): number {
    switch (arg.kind) {
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
