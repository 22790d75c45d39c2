// A mistake in how tsrun was called: a wrong flag, a missing argument, a container in the wrong state. The caller can mend
// it by calling differently. Thrown once, printed once, by main.

import type { CommandName } from "./command-table.ts";

/** What else there is to say about a mistake. */
export interface UsageErrorDetails {
  /** What the caller may have meant. Printed after the message. */
  readonly hint?: string | undefined;
  /** Whose help to print on stdout: a command's, or that of tsrun. Only mistakes of the command line have it. */
  readonly help?: CommandName | "tsrun";
}

/** The command line or the request cannot be carried out as given. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly hint: string | undefined;
  readonly help: CommandName | "tsrun" | undefined;

  constructor(message: string, details: UsageErrorDetails = {}) {
    super(message);
    this.hint = details.hint;
    this.help = details.help;
  }
}
