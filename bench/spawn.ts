// Whole processes, timed: posix_spawn(3) and waitpid(2), called directly because an engine's own child_process adds a
// millisecond of event loop, and what we measure is three. Input is /dev/null, output goes there too, errors to a file.

import { setTimeout as later } from "node:timers/promises";
import koffi from "koffi";

const O_RDWR = 2;
const O_ERRORS = 0o2101; // O_WRONLY | O_CREAT | O_APPEND

interface Libc {
  posix_spawnp(
    pid: Buffer,
    file: string,
    actions: Buffer,
    attributes: null,
    argv: (string | null)[],
    envp: (string | null)[],
  ): number;
  waitpid(pid: number, status: Buffer, options: number): number;
}

/** How a process ended: `status` as a shell says it, 128 and the signal's number when one killed it. */
export interface Ended {
  readonly pid: number;
  readonly status: number;
}

export class Spawner {
  readonly #libc: Libc;
  readonly #actions = Buffer.alloc(80);
  readonly #environment: (string | null)[];

  /** All processes started by this object write their errors to the file. */
  constructor(errorFile: string) {
    const library = koffi.load("libc.so.6");
    this.#libc = {
      posix_spawnp: library.func(
        "int posix_spawnp(void *pid, const char *file, void *actions, void *attributes, const char **argv, const char **envp)",
      ),
      waitpid: library.func("int waitpid(int pid, void *status, int options)"),
    } as unknown as Libc;
    const initialise = library.func("int posix_spawn_file_actions_init(void *actions)");
    const open = library.func(
      "int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, uint32_t mode)",
    );
    initialise(this.#actions);
    for (const fd of [0, 1]) open(this.#actions, fd, "/dev/null", O_RDWR, 0);
    open(this.#actions, 2, errorFile, O_ERRORS, 0o600);
    this.#environment = [`PATH=${process.env.PATH ?? ""}:/usr/sbin:/sbin`, null];
  }

  /** Starts a process; returns its id. */
  start(words: readonly string[]): number {
    const pid = Buffer.alloc(4);
    const error = this.#libc.posix_spawnp(
      pid,
      words[0] ?? "",
      this.#actions,
      null,
      [...words, null],
      this.#environment,
    );
    if (error !== 0) throw new Error(`Cannot start ${words[0]}: errno ${error}`);
    return pid.readInt32LE();
  }

  /** Waits for one of our processes, or with -1 for any. */
  wait(pid: number): Ended {
    const status = Buffer.alloc(4);
    const ended = this.#libc.waitpid(pid, status, 0);
    if (ended < 0) throw new Error("Cannot wait: no such child");
    const word = status.readInt32LE();
    return { pid: ended, status: (word & 0x7f) === 0 ? (word >> 8) & 0xff : 128 + (word & 0x7f) };
  }

  /** Runs a process to its end; returns milliseconds. Fails when its status is not 0. */
  time(words: readonly string[]): number {
    const start = process.hrtime.bigint();
    const { status } = this.wait(this.start(words));
    const elapsed = Number(process.hrtime.bigint() - start) / 1e6;
    if (status !== 0) throw new Error(`status ${status}: ${words.join(" ")}`);
    return elapsed;
  }
}

/** Lets the machine come to rest: callers come seldom, and locks that were warm are cold then (DESIGN §5a). */
export async function idle(milliseconds: number): Promise<void> {
  if (milliseconds > 0) await later(milliseconds);
}
