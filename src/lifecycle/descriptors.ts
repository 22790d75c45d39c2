// The descriptors that an agent starts with. tsrun opens what lies on the host; the agent has each under the number that it
// has here, so that plans can name it.

import { AGENT_SOCKET } from "../linux/agent/wire.ts";
import { close, open } from "../linux/files.ts";

/** Owns descriptors that are handed to an agent; disposing closes tsrun's own. */
export class Descriptors implements Disposable {
  readonly #opened: number[] = [];
  readonly #lent: number[] = [];

  /** Opens a file for the agent, with open(2)'s flags. It is close-on-exec here; handing on clears that in the agent. */
  open(path: string, flags: number): number {
    const fd = open(path, flags);
    this.#opened.push(fd);
    return fd;
  }

  /** Takes over a descriptor. */
  own(fd: number): number {
    this.#opened.push(fd);
    return fd;
  }

  /** Takes over one that may be none. */
  ownIfAny(fd: number | undefined): number | undefined {
    return fd === undefined ? undefined : this.own(fd);
  }

  /** Hands on a descriptor that somebody else closes. */
  lend(fd: number): number {
    this.#lent.push(fd);
    return fd;
  }

  /** All, as [here, there] pairs. */
  pairs(): (readonly [number, number])[] {
    return [...this.#opened, ...this.#lent].map((fd) => [fd, fd] as const);
  }

  /** A number that none of them has, for the agent's socket; low, since a table of descriptors grows in steps of 64. */
  free(): number {
    return Math.max(AGENT_SOCKET, ...this.#opened.map((fd) => fd + 1), ...this.#lent.map((fd) => fd + 1));
  }

  [Symbol.dispose](): void {
    for (const fd of this.#opened.splice(0)) close(fd);
  }
}
