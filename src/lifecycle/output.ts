// Writing to stdout and stderr by write(2) alone. The engine's own streams are never touched: they can set O_NONBLOCK on
// descriptors that the caller and the container share, they start threads, and what they buffer is lost at exit.
// The caller may have made the descriptor non-blocking itself, and a pipe may take less than it is given: both are
// handled here.

import { write as writeOnce } from "../linux/files.ts";
import { sleep } from "../linux/poll.ts";

/** How long to sleep when a non-blocking descriptor is full, in milliseconds. */
const FULL_PAUSE = 2;

/** Writes some of the `length` bytes at `offset`. Returns how many. */
type Write = (fd: number, bytes: Uint8Array, offset: number, length: number) => number;

const writeSome: Write = (fd, bytes, offset, length) => writeOnce(fd, bytes.subarray(offset, offset + length));

/** Writes all of `text` to descriptor `fd`, waiting while it is full. Fails as write(2) does, EAGAIN excepted. */
export function writeAll(fd: number, text: string, write: Write = writeSome): void {
  const bytes = new TextEncoder().encode(text);
  let done = 0;
  while (done < bytes.length) {
    try {
      done += write(fd, bytes, done, bytes.length - done);
    } catch (error) {
      if (!isErrno(error, "EAGAIN")) throw error;
      sleep(FULL_PAUSE);
    }
  }
}

/** Writes to stdout. */
export function print(text: string): void {
  writeAll(1, text);
}

/** Writes to stderr. That nobody can read it is no reason to fail: there is nowhere left to say so. */
export function complain(text: string): void {
  try {
    writeAll(2, printable(text));
  } catch {
    // Closed, or a full disk behind it.
  }
}

/** Words may be those of a container or an image: no control character of theirs may reach the caller's terminal. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Whether `error` is a failed system call of the engine's with this errno, given by name. */
export function isErrno(error: unknown, name: string): boolean {
  return error instanceof Error && "code" in error && error.code === name;
}
