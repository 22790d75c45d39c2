// What is wrong with a file that somebody gave us: all of it at once, each with the JSON pointer (RFC 6901) of the place.
// The specification: invalid values MUST generate an error (spec.md, Valid values; runtime.md, Errors).

/** One thing wrong, and where: a JSON pointer, "" is the whole document. */
export interface Issue {
  readonly pointer: string;
  readonly message: string;
}

/** More lines than this help nobody, and callers keep only some kilobytes of what we print. */
const LINES_MAX = 100;

/** A file that is not what the specification asks for. Its message has a line an issue: `config.json: /root: is required`. */
export class SpecError extends Error {
  override readonly name = "SpecError";
  readonly issues: readonly Issue[];
  readonly file?: string;

  constructor(issues: readonly Issue[], file?: string) {
    super(describe(issues, file));
    this.issues = issues;
    if (file !== undefined) this.file = file;
  }
}

function describe(issues: readonly Issue[], file: string | undefined): string {
  const prefix = file === undefined ? [] : [file.slice(file.lastIndexOf("/") + 1)];
  const lines = issues
    .slice(0, LINES_MAX)
    .map(({ pointer, message }) => [...prefix, ...(pointer === "" ? [] : [pointer]), message].join(": "));
  if (issues.length > LINES_MAX) lines.push(`and ${issues.length - LINES_MAX} more`);
  return lines.join("\n");
}
