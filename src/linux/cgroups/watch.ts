// A cgroup v2 file that tells when it has changed: cgroup-v2.rst, "[Un]populated Notification". Whoever has read it and
// polls it wakes up (POLLPRI) at the next change, also one between the read and the poll. cgroup.events (populated,
// frozen) and memory.events (oom_kill) are such files; cgroup v1 has none.

import { O_RDONLY } from "../abi/fcntl.ts";
import { close, fileCall, open } from "../files.ts";
import { POLLPRI, type Polled, poll } from "../poll.ts";

/** Room for what these files hold: a dozen words and numbers. */
const SIZE = 4096;

/** An open file of `key value` lines. Disposing of it closes it. */
export class WatchedFile implements Disposable {
  readonly #path: string;
  readonly #fd: number;

  /** @throws FileError */
  constructor(path: string) {
    this.#path = path;
    this.#fd = open(path, O_RDONLY);
  }

  /** What to poll for to hear of a change since the last `read`. */
  get polled(): Polled {
    return { fd: this.#fd, events: POLLPRI };
  }

  /** The value of a key as it is now; 0 where there is none. @throws FileError: ENODEV when the cgroup is gone */
  read(key: string): number {
    const buffer = new Uint8Array(SIZE);
    const length = fileCall("pread64", this.#path, this.#fd, buffer, SIZE, 0);
    return numberAfter(new TextDecoder().decode(buffer.subarray(0, length)), key);
  }

  /** Waits until `key` has `value`; false when it has not by `deadline`, a moment of performance.now(). */
  waitFor(key: string, value: number, deadline: number): boolean {
    while (this.read(key) !== value) {
      const left = deadline - performance.now();
      if (left <= 0) return false;
      poll([this.polled], left);
    }
    return true;
  }

  [Symbol.dispose](): void {
    close(this.#fd);
  }
}

/** The number after `key` in lines of keys and values; 0 where it is not there. */
function numberAfter(text: string, key: string): number {
  const line = text.split("\n").find((each) => each.startsWith(`${key} `));
  return line === undefined ? 0 : Number(line.slice(key.length + 1));
}
