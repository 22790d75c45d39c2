// The end of what a program says, which is where it says why it failed. read(2) on a descriptor that does not block.

import { read } from "./agent/descriptors.ts";

/** Bytes that are kept. */
const KEPT = 16 * 1024;
const BUFFER = 64 * 1024;
/** Reads that empty any pipe: users may make them 1 MiB (/proc/sys/fs/pipe-max-size, which pipe(7) describes). */
const READS_TO_EMPTY = 16;

/** The last 16 KiB of what comes out of a descriptor. */
export class Tail {
  /** -1 once it has come to its end. */
  fd: number;
  readonly #buffer = new Uint8Array(BUFFER);
  #bytes = new Uint8Array(0);
  #lost = false;

  constructor(fd: number) {
    this.fd = fd;
  }

  /** Reads once; whether there may be more. */
  read(): boolean {
    const length = read(this.fd, this.#buffer);
    if (length === 0) this.fd = -1;
    if (length <= 0) return false;
    const all = new Uint8Array(this.#bytes.length + length);
    all.set(this.#bytes);
    all.set(this.#buffer.subarray(0, length), this.#bytes.length);
    this.#lost ||= all.length > KEPT;
    this.#bytes = all.slice(-KEPT);
    return true;
  }

  /** Reads what is there, but not for as long as somebody goes on writing. */
  readAll(): void {
    for (let i = 0; i < READS_TO_EMPTY && this.fd >= 0 && this.read(); i++);
  }

  /** What was read, with a mark where something before it was not kept. */
  text(): string {
    const text = new TextDecoder().decode(this.#bytes);
    return this.#lost ? `[…]${text}` : text;
  }
}
