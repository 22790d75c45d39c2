// --pid-file: decimal digits and nothing else, since callers parse it strictly; in place whole or not at all.

import { unlink } from "../linux/files.ts";
import { absolute } from "../linux/paths.ts";
import { putFile } from "../linux/whole-file.ts";

/** Writes a process id to a file. Returns what removes it again. */
export function writePidFile(file: string, pid: number): () => void {
  const path = absolute(file);
  try {
    putFile(path, new TextEncoder().encode(String(pid)), 0o644);
  } catch (error) {
    throw new Error("--pid-file", { cause: error });
  }
  return () => unlink(path);
}
