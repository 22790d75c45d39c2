// The log of criu(8), which is where it says why it failed: to its caller it says hardly more than that it did.

import { readText } from "../files.ts";

/** Lines of a failure that are told. */
const LAST = 5;
/** CRIU tries it for itself, and does without. */
const HARMLESS = "RLIMIT_NOFILE for self";

/** The last errors in a log, in one line, since callers show the first line of a message; "" where there are none. */
export function lastErrors(path: string): string {
  let text: string;
  try {
    text = readText(path);
  } catch {
    return ""; // it did not come so far
  }
  return errorsIn(text);
}

/** The last errors in the text of a log, without their times. */
export function errorsIn(text: string): string {
  const errors = text.split("\n").filter((line) => line.includes("Error (") && !line.includes(HARMLESS));
  return errors
    .slice(-LAST)
    .map((line) =>
      line
        .slice(line.indexOf("Error ("))
        .replace(/^Error \(([^)]*)\):\s*/, "$1: ")
        .trim(),
    )
    .join("; ");
}
