// /proc/<pid>/stat, proc_pid_stat(5): the name (2) is in parentheses and may itself hold spaces and parentheses, so the fields are
// counted from the last one. (It may also be no UTF-8, which harms nothing.)

import { FileError, readText } from "./files.ts";

const STATE = 3;

/** A flag (9): it has executed no program since it was forked. execve(2) takes this away once there is no way back. <linux/sched.h> */
export const PF_FORKNOEXEC = 0x40;

/** A field by its number in the manual page, from 3 (the state) up. */
export type StatField = (number: number) => string | undefined;

/** The fields. Undefined when there is no such process. @throws FileError where that cannot be told */
export function processFields(pid: number | "self"): StatField | undefined {
  const text = processFile(pid, "stat");
  if (text === undefined) return undefined;
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .trimEnd()
    .split(" ");
  return (number) => fields[number - STATE];
}

/** A file of /proc/<pid>. Undefined when there is no such process, or file. @throws FileError where that cannot be told */
export function processFile(pid: number | "self", file: string): string | undefined {
  try {
    return readText(`/proc/${pid}/${file}`);
  } catch (error) {
    // ESRCH when it ended between open and read. Anything else must not pass for its end: it would be left to itself.
    if (error instanceof FileError && (error.code === "ENOENT" || error.code === "ESRCH")) return undefined;
    throw error;
  }
}
