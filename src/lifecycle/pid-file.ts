// --pid-file: decimal digits and nothing else, since callers parse it strictly; in place whole or not at all.

import { O_CREAT, O_EXCL } from "../linux/abi/fcntl.ts";
import { rename, unlink, writeText } from "../linux/files.ts";
import { absolute, basename, dirname } from "../linux/paths.ts";

/** Writes a process id to a file, by rename(2) of a new one beside it. Returns what removes it again. */
export function writePidFile(file: string, pid: number): () => void {
  const path = absolute(file);
  try {
    replace(path, String(pid));
  } catch (error) {
    throw new Error("--pid-file", { cause: error });
  }
  return () => unlink(path);
}

function replace(path: string, text: string): void {
  const temporary = `${dirname(path)}/.${basename(path)}`;
  unlink(temporary);
  try {
    writeText(temporary, text, 0o644, O_CREAT | O_EXCL);
    rename(temporary, path);
  } catch (error) {
    unlink(temporary);
    throw error;
  }
}
