// A step of the page: what is said, the commands that show it, and what each must print. The test runs them in this order, and
// `npm run article` writes the page from what they printed.

/** One line of a shell. */
export interface Command {
  readonly line: string;
  /** What its output must hold, each of them. */
  readonly shows: readonly (RegExp | string)[];
  /** Its status; 0 when nothing is said. */
  readonly status?: number;
}

export interface Step {
  readonly title: string;
  /** A paragraph of the page, in Markdown. */
  readonly text: string;
  readonly commands: readonly Command[];
}

/** A command that must succeed and show these. */
export function shell(line: string, ...shows: readonly (RegExp | string)[]): Command {
  return { line, shows };
}

/** One that must end with a status. */
export function fails(status: number, line: string, ...shows: readonly (RegExp | string)[]): Command {
  return { line, shows, status };
}
