// Which process is meant. A pid is used again after its process has gone; together with the time that the process started
// at it is not, until the next boot. /proc/<pid>/stat, proc_pid_stat(5): the name (2) is in parentheses and may itself
// hold spaces and parentheses, so the fields are counted from the last one. (It may also be no UTF-8, which harms nothing.)

import { readText } from "../linux/files.ts";
import { isErrno } from "./output.ts";

/** What /proc says of a process. */
export interface ProcessStat {
  /** One letter: R, S, D, T, … Z: it has ended and waits for its parent to notice. */
  readonly state: string;
  /** In clock ticks since boot. */
  readonly start: number;
  /** PF_*, <linux/sched.h>. */
  readonly flags: number;
}

/** It is ending, or has, by a signal. The kernel says so before it closes the process's files. */
const PF_SIGNALED = 0x400;
/** It has not executed a program since it was forked. execve(2) takes this away once there is no way back. */
const PF_FORKNOEXEC = 0x40;
const KILLED_BEFORE_EXEC = PF_SIGNALED | PF_FORKNOEXEC;

/** Reads /proc/<pid>/stat. Undefined when there is no such process. @throws FileError where that cannot be told */
export function processStat(pid: number | "self"): ProcessStat | undefined {
  const text = readOf(pid, "stat");
  if (text === undefined) return undefined;
  const [state, ...rest] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return state === undefined ? undefined : { state, start: Number(rest[22 - 4]), flags: Number(rest[9 - 4]) };
}

function readOf(pid: number | "self", file: string): string | undefined {
  try {
    return readText(`/proc/${pid}/${file}`);
  } catch (error) {
    // ESRCH when it ended between open and read. Anything else must not pass for its end: it would be left to itself.
    if (isErrno(error, "ENOENT") || isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}

/**
 * Whether a signal ends, or has ended, the process that had this pid and started then before it was another program than at its
 * fork. Of one that is there no more nobody can tell.
 */
export function isKilledBeforeExec(pid: number, start: number): boolean {
  const stat = processStat(pid);
  return stat?.start === start && (stat.flags & KILLED_BEFORE_EXEC) === KILLED_BEFORE_EXEC;
}

/**
 * Whether a signal has stopped a process. One that is frozen as well has no T for its state, and where it waits tells, on kernels
 * that do: proc_pid_wchan(5).
 */
export function isStopped(pid: number): boolean {
  const state = processStat(pid)?.state;
  return state === "T" || (state === "D" && readOf(pid, "wchan") === "do_signal_stop");
}

/** Whether the process that had this pid and started then is still there. One that has ended but was not waited for is not. */
export function isAlive(pid: number, start: number): boolean {
  if (pid <= 0) return false;
  const stat = processStat(pid);
  return stat !== undefined && stat.start === start && !"ZXx".includes(stat.state);
}
