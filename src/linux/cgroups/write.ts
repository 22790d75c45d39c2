// A setting of a cgroup is a text written to a file. What to write is planned as data (tables in memory.ts, cpu.ts, …)
// from the config alone, and carried out here, so that a plan can be tested, printed and explained without a cgroup.
// A file that does not exist is a controller that is not there: never created, cgroup file systems have no O_CREAT.

import { O_WRONLY } from "../abi/fcntl.ts";
import { ConfigError } from "../errors.ts";
import { close, open, readText, write } from "../files.ts";
import { CgroupError, errnoOf, failed } from "./error.ts";

/** One text for one file of the container's cgroup. */
export interface Write {
  /** Where in config.json it comes from: "linux.resources.memory.limit". */
  readonly field: string;
  /** Whose hierarchy (v1) or which controller (v2) the file belongs to. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** On this errno the write is tried again after the others of its plan: two values that limit each other. */
  readonly retryOn?: "EINVAL";
  /** On this errno nothing is lost: the kernel lacks what would be switched off. */
  readonly ignore?: "ENOENT";
}

/** JSON numbers; those that a double cannot hold arrive as bigint. */
export type Int = number | bigint;

/** Makes one Write of a field, or none when the config leaves it unset. */
export function setting(
  field: string,
  file: string,
  value: Int | string | undefined,
  more: Pick<Write, "retryOn" | "ignore"> = {},
): Write[] {
  if (value === undefined) return [];
  const controller = file.slice(0, file.indexOf("."));
  return [{ field: `linux.resources.${field}`, controller, file, value: String(value), ...more }];
}

/**
 * Carries out a plan.
 * @throws CgroupError naming field, file, value and errno, at the first write that fails
 */
export function writeAll(plan: readonly Write[], directoryOf: DirectoryOf): void {
  const again = plan.filter((write) => !writeOne(write, directoryOf, write.retryOn));
  for (const write of again) writeOne(write, directoryOf);
}

/** The container's directory for a controller; undefined when it has none. */
export type DirectoryOf = (controller: string) => string | undefined;

/** Returns false when the write failed with `postpone`. */
function writeOne(write: Write, directoryOf: DirectoryOf, postpone?: string): boolean {
  const path = `${directoryFor(write, directoryOf)}/${write.file}`;
  const code = writeFile(path, write.value);
  if (code === undefined || code === write.ignore) return true;
  if (code === postpone) return false;
  throw refused(write, path, code);
}

function directoryFor(write: Write, directoryOf: DirectoryOf): string {
  const directory = directoryOf(write.controller);
  if (directory !== undefined) return directory;
  const reason = `cannot set ${write.controller} limit: container could not join or create cgroup`;
  throw new ConfigError(write.field, reason);
}

/** Writes one text with one write(2), as cgroup files want it. Returns the errno name of a failure. */
export function writeFile(path: string, text: string): string | undefined {
  return writeLines(path, [text])?.code;
}

/** Opens a file once and writes each text with a write(2) of its own. Returns what failed first. */
export function writeLines(path: string, lines: readonly string[]): { line: string; code: string } | undefined {
  let line = lines[0] ?? "";
  try {
    const fd = open(path, O_WRONLY);
    try {
      for (line of lines) write(fd, new TextEncoder().encode(line));
    } finally {
      close(fd);
    }
    return undefined;
  } catch (error) {
    return { line, code: errnoOf(error) };
  }
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

function refused(write: Write, path: string, code: string): CgroupError {
  const error = failed(`${write.field}: write ${path} ${JSON.stringify(write.value)}`, code);
  const why = reason(path, code);
  return why === undefined ? error : new CgroupError(`${error.message}: ${why}`, code);
}

/** What the errno alone does not say, looked up only once something has failed. */
function reason(path: string, code: string): string | undefined {
  const directory = path.slice(0, path.lastIndexOf("/"));
  const controller = path.slice(directory.length + 1).split(".")[0] ?? "";
  if (code === "EBUSY" && controller === "memory") {
    // v1 takes no limit below what is charged and cannot be reclaimed.
    const usage = readFile(`${directory}/memory.usage_in_bytes`);
    const peak = readFile(`${directory}/memory.max_usage_in_bytes`);
    return usage === undefined ? undefined : `current usage: ${usage}, peak usage: ${peak}`;
  }
  const enabled = code === "ENOENT" ? readFile(`${directory}/cgroup.controllers`) : undefined;
  if (enabled === undefined || enabled.split(" ").includes(controller)) return undefined;
  return `controller ${controller} is not enabled in ${directory} (it has: ${enabled || "none"})`;
}
