// Bytes on the way from one descriptor to another, in the order read, write, read, write: read(2), write(2), poll(2).
//
// Whether the descriptors block is their owners' business, who may share them with others: nothing is changed about them.
// It is read only what poll says is there, and written, after poll says that there is room, no more than that promises: a
// pipe with room takes PIPE_BUF bytes whole. pipe(7).

import { EAGAIN } from "../linux/abi/errno.ts";
import { read, write } from "../linux/agent/descriptors.ts";
import { POLLIN, POLLOUT, type Polled } from "../linux/poll.ts";

const PIPE_BUF = 4096;

/** Moves bytes until its source ends or its target takes no more. */
export class Channel {
  readonly #from: number;
  readonly #to: number;
  readonly #last: ((final: number | undefined) => Uint8Array) | undefined;
  readonly #buffer = new Uint8Array(PIPE_BUF);
  #rest: Uint8Array = new Uint8Array(0);
  #final: number | undefined;
  #sourceEnded = false;
  #ended = false;

  /** `last` is told the final byte of the source, if there was one, and makes what is to follow it. */
  constructor(from: number, to: number, last?: (final: number | undefined) => Uint8Array) {
    this.#from = from;
    this.#to = to;
    this.#last = last;
  }

  /** Whether nothing will move any more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether something was read that is not written yet. */
  get pending(): boolean {
    return this.#rest.length > 0;
  }

  /** What to wait for before `move`. */
  wanted(): Polled {
    if (this.#ended) return { fd: -1, events: 0 };
    return this.pending ? { fd: this.#to, events: POLLOUT } : { fd: this.#from, events: POLLIN };
  }

  /** Reads, or writes what was read. */
  move(): void {
    if (this.#ended) return;
    if (this.pending) this.#empty();
    else this.fill();
  }

  /** Reads once; whether there is something to write now. */
  fill(): boolean {
    if (this.#ended || this.#sourceEnded) return false;
    const length = read(this.#from, this.#buffer);
    if (length > 0) this.#took(length);
    else if (length !== -EAGAIN) this.#endSource();
    return this.pending;
  }

  #took(length: number): void {
    this.#rest = this.#buffer.subarray(0, length);
    this.#final = this.#rest.at(-1);
  }

  #empty(): void {
    const written = write(this.#to, this.#rest);
    if (written === -EAGAIN) return;
    if (written < 0) this.end();
    else this.#rest = this.#rest.subarray(written);
    if (this.#sourceEnded && !this.pending) this.end();
  }

  #endSource(): void {
    this.#sourceEnded = true;
    this.#rest = this.#last?.(this.#final) ?? this.#rest;
    if (!this.pending) this.end();
  }

  /** Drops what is on the way. */
  end(): void {
    this.#ended = true;
    this.#rest = this.#rest.subarray(this.#rest.length);
  }
}
