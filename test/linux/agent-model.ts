// The agent's loop as wire.ts states it, in TypeScript: reads the bytes that are sent, makes the calls of a scripted kernel,
// writes the results over the frames. What it shares with the encoder is the layout only.

import { hostArchitecture, syscallTable } from "../../src/linux/abi/syscalls.ts";
import {
  ADOPT,
  AGENT_SOCKET,
  ANY_ERRNO,
  ARENA,
  ARENA_SIZE,
  FRAME,
  FRAME_SIZE,
  FRAMES,
  HEADER,
  MESSAGE,
  MESSAGE_MAX,
  MESSAGE_ROOM,
  SKIP_ON_SUCCESS,
} from "../../src/linux/agent/wire.ts";
import type { Channel } from "../../src/linux/kernel.ts";

/** A call that reached the kernel. */
export interface Made {
  readonly name: string;
  /** As the registers have them: six, unsigned. */
  readonly args: readonly bigint[];
  readonly memory: Memory;
}

/** What a call returns: a result, or minus an errno. */
export type Script = (made: Made, index: number) => number;

/** The agent's memory, by its addresses. */
export class Memory {
  readonly #bytes = new Uint8Array(ARENA_SIZE);
  readonly #view = new DataView(this.#bytes.buffer);

  word(address: bigint | number): bigint {
    return this.#view.getBigUint64(this.#at(address, 8), true);
  }

  setWord(address: bigint | number, value: bigint): void {
    this.#view.setBigInt64(this.#at(address, 8), BigInt.asIntN(64, value), true);
  }

  bytes(address: bigint | number, length: number): Uint8Array {
    const at = this.#at(address, length);
    return this.#bytes.subarray(at, at + length);
  }

  string(address: bigint | number): string {
    const at = this.#at(address, 1);
    return new TextDecoder().decode(this.#bytes.subarray(at, this.#bytes.indexOf(0, at)));
  }

  /** An array of pointers to strings, up to its NULL. */
  strings(address: bigint | number): string[] {
    const all: string[] = [];
    for (let at = BigInt(address); this.word(at) !== 0n; at += 8n) all.push(this.string(this.word(at)));
    return all;
  }

  #at(address: bigint | number, length: number): number {
    const at = Number(address) - ARENA;
    if (at < 0 || at + length > ARENA_SIZE) throw new RangeError(`EFAULT: ${Number(address).toString(16)}`);
    return at;
  }
}

/** An agent that calls a script. */
export class AgentModel implements Channel {
  readonly memory = new Memory();
  /** Every call in order but the agent's reads of its own socket. */
  readonly made: Made[] = [];
  /** Lengths of the messages that held frames, of data that was sent ahead, and of replies. */
  readonly messages: number[] = [];
  readonly pieces: number[] = [];
  /** Replies that were written to another descriptor than the first socket. */
  readonly elsewhere: { readonly fd: number; readonly reply: Uint8Array }[] = [];
  readonly #script: Script;
  readonly #inbox: Uint8Array[] = [];
  readonly #names = new Map<number, string>(
    Object.entries(syscallTable(hostArchitecture())).map(([name, number]) => [number, name]),
  );
  #ended = false;

  constructor(script: Script = () => 0) {
    this.#script = script;
    this.memory.setWord(ARENA, BigInt(AGENT_SOCKET));
  }

  send(message: Uint8Array): void {
    // What a unix socket refuses, and what tsrun promises itself.
    if (message.length > MESSAGE_MAX) throw new Error(`EMSGSIZE: ${message.length}`);
    this.#inbox.push(message.slice());
  }

  receive(buffer: Uint8Array): number {
    const length = this.receiveOrEnd(buffer);
    if (length === 0) throw new Error("the agent has ended");
    return length;
  }

  receiveOrEnd(buffer: Uint8Array): number {
    const reply = this.runNext();
    if (reply === undefined) return 0;
    buffer.set(reply.subarray(0, buffer.length));
    return Math.min(buffer.length, reply.length);
  }

  /** Runs the next message; its reply where that comes by the first socket. */
  runNext(): Uint8Array | undefined {
    const message = this.#inbox.shift();
    if (message === undefined || message.length > MESSAGE_ROOM) throw new Error("nothing to read: both sides wait");
    this.messages.push(message.length);
    this.memory.bytes(MESSAGE, message.length).set(message);
    this.#runFrames();
    if (this.#ended) return undefined;
    const reply = this.memory.bytes(MESSAGE, Number(this.memory.word(MESSAGE + HEADER.replyLength))).slice();
    const fd = Number(this.memory.word(ARENA));
    if (fd === AGENT_SOCKET) return reply;
    this.elsewhere.push({ fd, reply });
    return undefined;
  }

  #runFrames(): void {
    const end = Number(this.memory.word(MESSAGE + HEADER.end));
    for (let frame: number = FRAMES; frame < end; frame += FRAME_SIZE) {
      const head = new DataView(this.memory.bytes(frame, 8).slice().buffer);
      const flags = head.getUint8(FRAME.flags);
      const result = this.#call(head.getUint16(FRAME.nr, true), this.#arguments(frame, flags));
      if (this.#ended) return;
      this.memory.setWord(frame, BigInt(result));
      const failed = result < 0 && result >= -4095;
      if (failed && !isTolerated(head.getUint16(FRAME.tolerated, true), result)) {
        this.memory.setWord(MESSAGE + HEADER.failed, BigInt(frame));
        return;
      }
      const store = this.memory.word(frame + FRAME.store);
      if (!failed && store !== 0n) this.memory.setWord(store, BigInt(result));
      const skips = failed !== ((flags & SKIP_ON_SUCCESS) !== 0);
      if (skips) frame += head.getUint8(FRAME.skip) * FRAME_SIZE;
    }
  }

  #arguments(frame: number, flags: number): bigint[] {
    return Array.from({ length: 6 }, (_, i) => {
      const word = this.memory.word(frame + FRAME.args + 8 * i);
      return (flags & (1 << i)) === 0 ? word : this.memory.word(word);
    });
  }

  #call(nr: number, args: readonly bigint[]): number {
    const name = nr === ADOPT ? "adopt" : this.#names.get(nr);
    if (name === undefined) return -38;
    const [fd = 0n, address = 0n, length = 0n] = args;
    if (name === "read" && fd === this.memory.word(ARENA)) return this.#readAhead(address, Number(length));
    const made = { name, args, memory: this.memory };
    this.made.push(made);
    const result = name === "adopt" ? Number(address) : this.#script(made, this.made.length - 1);
    this.#ended = name === "execve" && result === 0;
    return result;
  }

  #readAhead(address: bigint, length: number): number {
    const piece = this.#inbox.shift();
    if (piece === undefined || piece.length > length) throw new Error("the piece is not what the agent reads");
    this.pieces.push(piece.length);
    this.memory.bytes(address, piece.length).set(piece);
    return piece.length;
  }
}

function isTolerated(tolerated: number, result: number): boolean {
  return tolerated === ANY_ERRNO || tolerated === -result;
}
