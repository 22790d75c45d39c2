// A console socket as an engine holds it out: the descriptor that is left on it is the master of the container's
// pseudo-terminal.

import { closeSync, readSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { DescriptorSocket } from "./descriptor-socket.ts";
import { ioctl, readable } from "./libc.ts";
import type { Sandbox } from "./sandbox.ts";
import { PATIENCE } from "./until.ts";

const TIOCGWINSZ = 0x5413;
const TCGETS = 0x5401;
const ONLCR = 0o4;

export class ConsoleSocket {
  readonly path: string;
  readonly #socket: DescriptorSocket;
  readonly #box: Sandbox;

  constructor(box: Sandbox, name = "console.sock") {
    this.#socket = new DescriptorSocket(box, name);
    this.path = this.#socket.path;
    this.#box = box;
  }

  /** Takes the terminal that the runtime sent before it ended. */
  receive(): Terminal {
    const { descriptor, text } = this.#socket.receive();
    const terminal = new Terminal(descriptor, text);
    this.#box.defer(() => terminal.close());
    return terminal;
  }
}

/** The master side of a container's terminal. */
export class Terminal {
  readonly #master: number;
  /** What the runtime wrote beside the descriptor. */
  readonly name: string;
  #seen = "";

  constructor(master: number, name: string) {
    this.#master = master;
    this.name = name;
  }

  /** Types text. */
  write(text: string): void {
    writeSync(this.#master, text);
  }

  /** Waits until the output so far matches, and returns all of it. */
  async until(pattern: RegExp): Promise<string> {
    const start = Date.now();
    while (!pattern.test(this.#seen)) {
      if (readable(this.#master)) this.#read();
      else await sleep(5);
      if (Date.now() - start > PATIENCE) throw new Error(`no ${pattern} in ${JSON.stringify(this.#seen)}`);
    }
    return this.#seen;
  }

  /** Rows and columns. */
  size(): { rows: number; columns: number } {
    const argument = Buffer.alloc(8);
    ioctl(this.#master, TIOCGWINSZ, argument);
    return { rows: argument.readUInt16LE(0), columns: argument.readUInt16LE(2) };
  }

  /** Whether the line discipline writes a carriage return before each newline. */
  addsCarriageReturns(): boolean {
    const termios = Buffer.alloc(64);
    ioctl(this.#master, TCGETS, termios);
    return (termios.readUInt32LE(4) & ONLCR) !== 0;
  }

  close(): void {
    closeSync(this.#master);
  }

  #read(): void {
    const buffer = Buffer.alloc(4096);
    const size = readSync(this.#master, buffer);
    this.#seen += buffer.toString("utf8", 0, size);
  }
}
