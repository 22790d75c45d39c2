// /proc/<pid>/stat, proc_pid_stat(5): the name (2) is in parentheses and may itself hold spaces and parentheses, so the fields are
// counted from the last one. (It may also be no UTF-8, which harms nothing.)

import { FileError, readText } from "./files.ts";

const STATE = 3;

/** A field by its number in the manual page, from 3 (the state) up. */
export type StatField = (number: number) => string | undefined;

/** The fields. Undefined when there is no such process. @throws FileError where that cannot be told */
export function processFields(pid: number | "self"): StatField | undefined {
  let text: string;
  try {
    text = readText(`/proc/${pid}/stat`);
  } catch (error) {
    // ESRCH when it ended between open and read. Anything else must not pass for its end: it would be left to itself.
    if (error instanceof FileError && (error.code === "ENOENT" || error.code === "ESRCH")) return undefined;
    throw error;
  }
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .trimEnd()
    .split(" ");
  return (number) => fields[number - STATE];
}
