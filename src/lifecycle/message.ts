// An error as one message: what it says, why, the hint, and what went wrong besides while cleaning up after it.

import { UsageError } from "./usage-error.ts";

/** The message of anything that was thrown. A cause is added where the message does not already tell it. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (isSuppressed(error)) {
    return `${messageOf(error.suppressed)}; and cleaning up failed: ${messageOf(error.error)}`;
  }
  const hint = error instanceof UsageError && error.hint !== undefined ? ` (${error.hint})` : "";
  const cause = error.cause === undefined ? "" : messageOf(error.cause);
  const why = cause === "" || error.message.includes(cause) ? "" : `: ${cause}`;
  return `${error.message}${why}${hint}`;
}

/** What a DisposableStack throws when the block failed (`suppressed`) and then a disposal too (`error`). */
function isSuppressed(error: Error): error is Error & { error: unknown; suppressed: unknown } {
  return error.name === "SuppressedError" && "suppressed" in error && "error" in error;
}

/** Where an error comes from, call by call. Node's stack begins with name and message, QuickJS's does not. */
export function traceOf({ name, message, stack = "" }: Error): string {
  return stack.startsWith(name) ? stack : `${name}: ${message}\n${stack.trimEnd()}`;
}
