// Talks with a child process until it ends: gives it its input, takes what it says, and kills it when its time is up.
// ppoll(2), wait4(2), kill(2). All in one thread without an event loop; no order in which the process reads and writes
// can stop it, because nothing here waits for one pipe only.
//
// It is the process's end that counts, not its pipes': a daemon that it started may hold these for ever. So once the
// process has ended, what lies in the pipes is taken, and no more.

import { EAGAIN } from "./abi/errno.ts";
import { SIGKILL } from "./abi/signal.ts";
import { close, write } from "./agent/descriptors.ts";
import { waitFor } from "./agent/reap.ts";
import { call, pidfdOpen } from "./local.ts";
import { pipe, stopBlocking } from "./pipe.ts";
import { POLLIN, POLLOUT, poll, until } from "./poll.ts";
import { Tail } from "./tail.ts";

/** How a conversation ended. */
export interface Ended {
  /** As wait4(2) gives it. */
  readonly status: number;
  /** Whether it was killed because its time was up. */
  readonly timedOut: boolean;
  /** The last of what it wrote, up to 16 KiB each. */
  readonly stdout: string;
  readonly stderr: string;
}

/** The pipes of a process's standard streams. */
export class StandardPipes implements Disposable {
  readonly #open = new Set<number>();
  /** The process's ends: descriptors 0, 1 and 2 of its. */
  readonly theirs: readonly [stdin: number, stdout: number, stderr: number];
  readonly #stdin: number;
  readonly #stdout: number;
  readonly #stderr: number;

  /** Makes them. SyscallError where there are no descriptors left. */
  constructor() {
    using undo = new DisposableStack();
    undo.defer(() => this[Symbol.dispose]());
    const [stdin, toStdin] = this.#pipe();
    const [fromStdout, stdout] = this.#pipe();
    const [fromStderr, stderr] = this.#pipe();
    this.theirs = [stdin, stdout, stderr];
    [this.#stdin, this.#stdout, this.#stderr] = [toStdin, fromStdout, fromStderr];
    for (const ours of [toStdin, fromStdout, fromStderr]) stopBlocking(ours);
    undo.move();
  }

  /**
   * Talks with the process until it ends, and reaps it. It must be a child of ours and lead a process group of its own,
   * which is killed as a whole at `deadline`, a moment of performance.now().
   */
  converse(pid: number, input: Uint8Array, deadline: number | undefined): Ended {
    for (const fd of this.theirs) this.#close(fd); // it has its own, and only their end is to be waited for
    const said = [new Tail(this.#stdout), new Tail(this.#stderr)] as const;
    const timedOut = this.#talk(pid, input, said, deadline);
    if (timedOut) call("", "kill", -pid, SIGKILL);
    // The number cannot be another's before this: the process has not been waited for.
    const status = waitFor(pid);
    for (const tail of said) tail.readAll();
    return { status, timedOut, stdout: said[0].text(), stderr: said[1].text() };
  }

  /** Until the process ends or its time is up; whether it is the latter. */
  #talk(pid: number, input: Uint8Array, said: readonly Tail[], deadline: number | undefined): boolean {
    const pidfd = pidfdOpen(pid);
    let rest = input;
    try {
      for (;;) {
        const stdin = rest.length > 0 ? this.#stdin : this.#close(this.#stdin);
        const left = until(deadline);
        if (left !== undefined && left <= 0) return true;
        const outputs = said.map(({ fd }) => ({ fd, events: POLLIN }));
        const wanted = [{ fd: pidfd, events: POLLIN }, { fd: stdin, events: POLLOUT }, ...outputs];
        const [ended, writable, ...readable] = poll(wanted, left);
        if (writable) rest = feed(stdin, rest);
        for (const [i, tail] of said.entries()) if (readable[i]) tail.read();
        if (ended) return false;
      }
    } finally {
      close(pidfd);
    }
  }

  #pipe(): readonly [number, number] {
    const ends = pipe();
    for (const end of ends) this.#open.add(end);
    return ends;
  }

  /** Closes one of them, once. Returns what poll passes over. */
  #close(fd: number): -1 {
    if (this.#open.delete(fd)) close(fd);
    return -1;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#open) this.#close(fd);
  }
}

/** Writes what fits; what is left. Nothing is when nobody reads: a process need not want its input. */
function feed(fd: number, input: Uint8Array): Uint8Array {
  const written = write(fd, input);
  if (written === -EAGAIN) return input;
  return written < 0 ? input.subarray(input.length) : input.subarray(written);
}
