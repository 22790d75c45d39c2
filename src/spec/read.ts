// Reading a file that a caller names, config.json or process.json: a regular file, of sane size, in UTF-8 (RFC 8259, 8.1).
// A FIFO would block us, a device or a directory is a mistake, and a huge file would cost memory before it costs an error.
// Text that is not UTF-8 is refused: replacing what does not decode, as Go does, would change paths and environment without
// a word, and JSON has no way to carry bytes.

import { SpecError } from "./errors.ts";

/** Largest file that is read, in bytes. Docker's usual config.json has 40 KiB. */
export const FILE_MAX = 16 * 1024 * 1024;

/** What reading takes of a file system. Errors have a `code` as node's do. */
export interface FileCalls {
  /** Opens for reading, without waiting for a FIFO's writer (O_NONBLOCK, open(2)) or taking a terminal (O_NOCTTY). */
  open(file: string): number;
  status(fd: number): { readonly kind: string; readonly size: number };
  /** Reads once; the number of bytes, 0 at the end. */
  read(fd: number, buffer: Uint8Array): number;
  close(fd: number): void;
}

/**
 * The text of a JSON file.
 * @param calls undefined: those of node:fs, which the built program does not have
 * @throws SpecError when it is not there, no regular file, too large, or not UTF-8.
 */
export function readText(file: string, calls: FileCalls = nodeCalls()): string {
  const bytes = readRegular(file, calls);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw refused("is not UTF-8", file);
  }
}

function refused(message: string, file: string): SpecError {
  return new SpecError([{ pointer: "", message }], file);
}

function readRegular(file: string, calls: FileCalls): Uint8Array {
  const fd = open(file, calls);
  try {
    const { kind, size } = calls.status(fd);
    if (kind !== "file") throw refused(`is ${KINDS[kind] ?? "a device"}, not a regular file`, file);
    if (size > FILE_MAX) throw refused(`has ${size} bytes, more than the ${FILE_MAX} that are read`, file);
    return readAll(fd, size, file, calls);
  } finally {
    calls.close(fd);
  }
}

const KINDS: Readonly<Record<string, string>> = { directory: "a directory", fifo: "a FIFO", socket: "a socket" };

function open(file: string, calls: FileCalls): number {
  try {
    return calls.open(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    // The phrase is runc's, which callers know.
    const slash = file.lastIndexOf("/");
    const message =
      code === "ENOENT"
        ? `JSON specification file ${file.slice(slash + 1)} not found in ${slash < 0 ? "." : file.slice(0, slash) || "/"}`
        : `cannot open ${file}: ${code}`;
    throw new SpecError([{ pointer: "", message }]);
  }
}

/** Up to the end, whatever size was told: files of /proc tell 0, and a file may grow. */
function readAll(fd: number, size: number, file: string, calls: FileCalls): Uint8Array {
  let bytes = new Uint8Array(size + 1);
  let length = 0;
  for (;;) {
    const count = calls.read(fd, bytes.subarray(length));
    if (count === 0) return bytes.subarray(0, length);
    length += count;
    if (length > FILE_MAX) throw refused(`has more than the ${FILE_MAX} bytes that are read`, file);
    if (length === bytes.length) {
      const larger = new Uint8Array(length * 2 + 4096);
      larger.set(bytes);
      bytes = larger;
    }
  }
}

function nodeCalls(): FileCalls {
  const fs = process.getBuiltinModule("node:fs");
  const { O_RDONLY, O_NONBLOCK, O_NOCTTY } = fs.constants;
  return {
    open: (file) => fs.openSync(file, O_RDONLY | O_NONBLOCK | O_NOCTTY),
    status(fd) {
      const stats = fs.fstatSync(fd);
      const directory = stats.isDirectory() ? "directory" : stats.isFIFO() ? "fifo" : undefined;
      return {
        kind: stats.isFile() ? "file" : (directory ?? (stats.isSocket() ? "socket" : "device")),
        size: stats.size,
      };
    },
    read: (fd, buffer) => fs.readSync(fd, buffer),
    close: fs.closeSync,
  };
}
