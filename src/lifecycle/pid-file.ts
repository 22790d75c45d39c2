// --pid-file: decimal digits and nothing else, since callers parse it strictly; in place whole or not at all.

import { renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";

/** Writes a process id to a file, by rename(2) of a new one beside it. Returns what removes it again. */
export function writePidFile(file: string, pid: number): () => void {
  const path = resolve(file);
  const temporary = `${dirname(path)}/.${basename(path)}`;
  rmSync(temporary, { force: true });
  try {
    writeFileSync(temporary, String(pid), { flag: "wx", mode: 0o644 });
    renameSync(temporary, path);
    return () => rmSync(path, { force: true });
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
