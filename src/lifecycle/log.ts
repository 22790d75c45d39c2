// The log, in the form that engines read from runc. containerd takes the last line of level "error" of the file; Podman
// reads the whole file as one JSON object and finds nothing when there are two lines. So a run that fails writes exactly
// one line, and nothing else writes any unless debugging was asked for.
//
// With --log the line goes to that file and the bare message to stderr, which is where Podman's and CRI-O's conmon looks.
// Without, the line goes to stderr. The file is open for no longer than a write: no container can inherit it.

import { O_NONBLOCK } from "../linux/abi/fcntl.ts";
import { linkStatusOf } from "../linux/file-status.ts";
import { appendText } from "../linux/files.ts";
import { messageOf } from "./message.ts";
import { complain } from "./output.ts";
import { isTrusted } from "./users.ts";

/** The levels, by how much they say. */
const LEVELS = { error: 0, warning: 1, debug: 2 } as const;

/** A level by its name in the log. */
export type Level = keyof typeof LEVELS;

/** Where the log goes and what is in it. */
export interface LogSettings {
  /** Absolute path. Undefined: stderr. */
  readonly file: string | undefined;
  readonly format: "text" | "json";
  /** The last level that is written. */
  readonly level: Level;
}

/** The log of one run of tsrun. */
export class Log {
  readonly #settings: LogSettings;

  constructor(settings: LogSettings) {
    this.#settings = settings;
  }

  /** What the run failed of. Once a run, by main. */
  error(message: string): void {
    const { file } = this.#settings;
    this.#write("error", message);
    if (file !== undefined) complain(`${message}\n`);
  }

  /** Something odd that the run survived. Engines would take it for the failure: it is not written by default. */
  warn(message: string): void {
    this.#write("warning", message);
  }

  /**
   * Says on stderr what somebody who waits there wants to know, once. Not in the log, which is for the one failure of a run.
   */
  readonly tell = (message: string, again = false): void => {
    if (!again) complain(`tsrun: ${message}\n`);
  };

  /** Whether lines of a level are written: what nobody reads need not be found out. */
  wants(level: Level): boolean {
    return LEVELS[level] <= LEVELS[this.#settings.level];
  }

  /** What is being done. */
  debug(message: string): void {
    this.#write("debug", message);
  }

  #write(level: Level, message: string): void {
    if (!this.wants(level)) return;
    const { file, format } = this.#settings;
    const line = FORMATS[format](level, message, new Date());
    if (file === undefined) complain(line);
    else append(file, line);
  }
}

/**
 * A log that cannot be written is no reason to fail, and none to stay silent. In a directory of all users' another user's link would
 * lead to any file of the caller's, and a FIFO that nobody reads keep him waiting: what the kernel has fs.protected_symlinks and
 * fs.protected_fifos for, where they are set.
 */
function append(file: string, line: string): void {
  try {
    const there = linkStatusOf(file);
    if (there?.kind === "link" && !isTrusted(there.uid)) throw new Error(`${file} is a link of user ${there.uid}'s`);
    appendText(file, line, 0o644, O_NONBLOCK);
  } catch (error) {
    complain(`cannot write the log: ${messageOf(error)}\n`);
  }
}

/** A line of the log as logrus, which runc uses, writes it. Times are UTC, RFC 3339, in seconds. */
const FORMATS = {
  json: (level: Level, message: string, time: Date) =>
    `${JSON.stringify({ level, msg: message, time: seconds(time) })}\n`,
  text: (level: Level, message: string, time: Date) =>
    `time="${seconds(time)}" level=${level} msg=${quoteUnlessPlain(message)}\n`,
} as const;

function seconds(time: Date): string {
  return `${time.toISOString().slice(0, 19)}Z`;
}

function quoteUnlessPlain(message: string): string {
  return /^[\w\-./@^+]+$/.test(message) ? message : JSON.stringify(message);
}
