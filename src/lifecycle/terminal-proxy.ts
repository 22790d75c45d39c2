// Serves the terminal of a foreground process from tsrun's own standard streams: keys go to the master end of the
// container's pseudoterminal, what the programs write comes from it. pty(7), termios(3).
//
// tsrun keeps the other end open too. Without it the master reports a hang-up whenever the container has the terminal open
// nowhere, which a program may do and then open /dev/console again: poll(2) would never rest and output would be lost.
// So the end is not seen on the master, but on the process; what lies in the master then is the last of it.
//
//    stdin    stdout   tsrun's terminal                     newline in the container
//    tty      tty      raw: the container's is in charge    \r\n, as on any terminal
//    tty      other    raw, but for output (messages)       \n, as the program wrote it
//    other    any      left alone                           \n; tsrun's terminal, if any, makes it \r\n

import { close } from "../linux/agent/descriptors.ts";
import { stopBlocking } from "../linux/pipe.ts";
import { POLLIN, type Polled, poll } from "../linux/poll.ts";
import { ignoring } from "../linux/signal-pipe.ts";
import {
  clearOnlcr,
  copySize,
  endOfFile,
  hasSize,
  type Modes,
  modesOf,
  openPeer,
  rawModes,
  setModes,
} from "../linux/termios.ts";
import { Channel } from "./channel.ts";

const STDIN = 0;
const STDOUT = 1;
const STREAMS = [0, 1, 2] as const;
const SIGTTOU = 22;

/** Owns the master end, and tsrun's terminal for as long as that is raw. */
export class TerminalProxy implements Disposable {
  readonly #master: number;
  readonly #peer: number;
  readonly #input: Channel;
  readonly #output: Channel;
  /** Modes of stdin as they were; undefined where it is no terminal. */
  readonly #before: Modes | undefined;
  readonly #wholly: boolean;
  #raw = false;
  #open = true;

  /** Takes the master over, before the program runs: it finds a size and modes that stay. */
  constructor(master: number) {
    this.#master = master;
    this.#peer = openPeer(master);
    stopBlocking(master);
    this.#input = new Channel(STDIN, master, (final) => endInput(master, final));
    this.#output = new Channel(master, STDOUT);
    this.#before = modesOf(STDIN);
    this.#wholly = this.#before !== undefined && modesOf(STDOUT) !== undefined;
    if (!this.#wholly) clearOnlcr(master);
    if (!hasSize(master)) this.resize();
  }

  /** Gives tsrun's terminal to the container: to be called again when tsrun was stopped and goes on. */
  begin(): void {
    if (this.#before === undefined) return;
    this.#raw = setModes(STDIN, rawModes(this.#before, { output: !this.#wholly })) || this.#raw;
  }

  /** Gives the container's terminal the size of tsrun's. */
  resize(): void {
    const own = STREAMS.find((fd) => modesOf(fd) !== undefined);
    if (own !== undefined) copySize(own, this.#master);
  }

  /** What to poll for; `move` takes the events of these. */
  wanted(): readonly Polled[] {
    return [this.#input.wanted(), this.#output.wanted()];
  }

  /** Moves what can be moved without waiting. */
  move([input, output]: readonly number[]): void {
    if (input) this.#input.move();
    if (output) this.#output.move();
    // Nobody is there to read: a terminal that is gone, as the programs on it are told by its hang-up.
    if (this.#output.ended) this.#hangUp();
  }

  /** After the process's end: writes the last of its output. `interrupted` says, when `wake` is readable, whether to give up. */
  drain(wake: number, interrupted: () => boolean): void {
    while (this.#open && !this.#output.ended) {
      if (!this.#output.pending && !this.#output.fill()) return;
      const [woken, writable] = poll([{ fd: wake, events: POLLIN }, this.#output.wanted()]);
      if (woken && interrupted()) return;
      if (writable) this.#output.move();
    }
  }

  /** Puts tsrun's terminal back as it was, and closes the container's. */
  [Symbol.dispose](): void {
    this.#hangUp();
    const before = this.#before;
    if (!this.#raw || before === undefined) return;
    this.#raw = false;
    // Also from the background, where the kernel would stop tsrun for it.
    ignoring(SIGTTOU, () => setModes(STDIN, before));
  }

  #hangUp(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#input.end();
    this.#output.end();
    close(this.#peer);
    close(this.#master);
  }
}

/**
 * The end of tsrun's input, told as a person tells it: by a key, which ends a shell or cat(1). After an unfinished line it
 * is needed twice: the first time it only hands that line on.
 */
function endInput(master: number, final: number | undefined): Uint8Array {
  const NEWLINE = 10;
  const key = endOfFile(master);
  if (key === 0) return new Uint8Array(0);
  return Uint8Array.from(final === undefined || final === NEWLINE ? [key] : [key, key]);
}
