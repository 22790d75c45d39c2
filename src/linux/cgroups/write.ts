// Carries out a plan of writes (setting.ts), and reads and writes the one-line files that cgroups are made of.
// A file that does not exist is never created: cgroup file systems have no O_CREAT.

import { O_WRONLY } from "../abi/fcntl.ts";
import { close, open, readText, write as writeBytes } from "../files.ts";
import { errnoOf } from "./error.ts";
import { noController, refused } from "./refused.ts";
import type { Write } from "./setting.ts";

/** The container's directory for a controller; undefined when it has none. */
export type DirectoryOf = (controller: string) => string | undefined;

/**
 * Carries out a plan.
 * @throws ConfigError for a controller that the container has no directory of
 * @throws CgroupError naming field, file, value and errno, at the first write that fails
 */
export function writeAll(plan: readonly Write[], directoryOf: DirectoryOf): void {
  using file = new OpenFile();
  const again = plan.filter((write) => !writeOne(file, write, directoryOf, write.retryOn));
  for (const write of again) writeOne(file, write, directoryOf);
}

/** Returns false when the write failed with `postpone`. */
function writeOne(file: OpenFile, write: Write, directoryOf: DirectoryOf, postpone?: string): boolean {
  const directory = directoryOf(write.controller);
  if (directory === undefined) throw noController(write);
  const path = `${directory}/${write.file}`;
  const code = file.write(path, write.value);
  if (code === undefined || write.ignore?.some((name) => name === code)) return true;
  if (code === "ENOENT" && write.otherwise !== undefined) return writeOne(file, write.otherwise, directoryOf);
  if (code === postpone) return false;
  throw refused(write, path, code, readFile);
}

/** The file that was written last stays open: limits for devices are one write each, into one file. */
class OpenFile implements Disposable {
  #path = "";
  #fd = -1;

  /** Writes one text with one write(2), as cgroup files want it. Returns the errno name of a failure. */
  write(path: string, text: string): string | undefined {
    try {
      if (path !== this.#path) {
        this[Symbol.dispose]();
        this.#fd = open(path, O_WRONLY);
        this.#path = path;
      }
      writeBytes(this.#fd, new TextEncoder().encode(text));
      return undefined;
    } catch (error) {
      return errnoOf(error);
    }
  }

  [Symbol.dispose](): void {
    if (this.#path !== "") close(this.#fd);
    this.#path = "";
  }
}

/** Writes one text into a file. Returns the errno name of a failure. */
export function writeFile(path: string, text: string): string | undefined {
  return writeLines(path, [text])?.code;
}

/** Opens a file once and writes each text with a write(2) of its own. Returns what failed first. */
export function writeLines(path: string, lines: readonly string[]): { line: string; code: string } | undefined {
  using file = new OpenFile();
  for (const line of lines) {
    const code = file.write(path, line);
    if (code !== undefined) return { line, code };
  }
  return undefined;
}

/** A cgroup file's text without the newline; undefined when it cannot be read. */
export function readFile(path: string): string | undefined {
  try {
    return readText(path).trimEnd();
  } catch (error) {
    errnoOf(error);
    return undefined;
  }
}
