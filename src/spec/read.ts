// Reading a file that a caller names, config.json or process.json: a regular file, of sane size, in UTF-8 (RFC 8259, 8.1).
// A FIFO would block us, a device or a directory is a mistake, and a huge file would cost memory before it costs an error.
// Text that is not UTF-8 is refused: replacing what does not decode, as Go does, would change paths and environment without
// a word, and JSON has no way to carry bytes.

import { isUtf8 } from "node:buffer";
import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { basename, dirname } from "node:path";
import { SpecError } from "./errors.ts";

/** Largest file that is read, in bytes. Docker's usual config.json has 40 KiB. */
export const FILE_MAX = 16 * 1024 * 1024;

/**
 * The text of a JSON file.
 * @throws SpecError when it is not there, no regular file, too large, or not UTF-8.
 */
export function readText(file: string): string {
  const bytes = readRegular(file);
  if (!isUtf8(bytes)) throw refused("is not UTF-8", file);
  return bytes.toString("utf8");
}

function refused(message: string, file: string): SpecError {
  return new SpecError([{ pointer: "", message }], file);
}

function readRegular(file: string): Buffer {
  const fd = open(file);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) throw refused(`is ${kindOf(stats)}, not a regular file`, file);
    if (stats.size > FILE_MAX) throw refused(`has ${stats.size} bytes, more than the ${FILE_MAX} that are read`, file);
    return readAll(fd, stats.size, file);
  } finally {
    closeSync(fd);
  }
}

/** Non-blocking: the open of a FIFO without a writer returns at once. open(2). */
function open(file: string): number {
  try {
    return openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // The phrase is runc's, which callers know.
    const message =
      code === "ENOENT"
        ? `JSON specification file ${basename(file)} not found in ${dirname(file)}`
        : `cannot open ${file}: ${code}`;
    throw new SpecError([{ pointer: "", message }]);
  }
}

/** Up to the end, whatever size was told: files of /proc tell 0, and a file may grow. */
function readAll(fd: number, size: number, file: string): Buffer {
  let bytes = Buffer.allocUnsafe(size + 1);
  let length = 0;
  for (;;) {
    const count = readSync(fd, bytes, length, bytes.length - length, null);
    if (count === 0) return bytes.subarray(0, length);
    length += count;
    if (length > FILE_MAX) throw refused(`has more than the ${FILE_MAX} bytes that are read`, file);
    if (length === bytes.length) bytes = Buffer.concat([bytes, Buffer.allocUnsafe(length + 4096)]);
  }
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return "a FIFO";
  if (stats.isSocket()) return "a socket";
  return "a device";
}
