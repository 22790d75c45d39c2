// Which process is meant. A pid is used again after its process has gone; together with the time that the process started
// at it is not, until the next boot.

import { ESRCH } from "../linux/abi/errno.ts";
import { close } from "../linux/files.ts";
import { SyscallError } from "../linux/kernel.ts";
import { pidfdOpen, pidfdSendSignal } from "../linux/local.ts";
import { PF_FORKNOEXEC, processFields, processFile } from "../linux/process-stat.ts";

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
const KILLED_BEFORE_EXEC = PF_SIGNALED | PF_FORKNOEXEC;

/** Reads /proc/<pid>/stat. Undefined when there is no such process. @throws FileError where that cannot be told */
export function processStat(pid: number | "self"): ProcessStat | undefined {
  const field = processFields(pid);
  const state = field?.(3);
  if (field === undefined || state === undefined) return undefined;
  return { state, start: Number(field(22)), flags: Number(field(9)) };
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
  return state === "T" || (state === "D" && processFile(pid, "wchan") === "do_signal_stop");
}

/** Whether the process that had this pid and started then is still there. One that has ended but was not waited for is not. */
export function isAlive(pid: number, start: number): boolean {
  if (pid <= 0) return false;
  const stat = processStat(pid);
  return stat !== undefined && stat.start === start && !"ZXx".includes(stat.state);
}

/**
 * Signals the process that had this pid and started then, by a pidfd that is open before it is looked at: by its number it could be
 * another by the time of the signal, and in a container it ends when that wants it to. False where it is there no more.
 */
export function signalProcess(pid: number, start: number, signal: number): boolean {
  if (pid <= 0) return false;
  using undo = new DisposableStack();
  try {
    const pidfd = undo.adopt(pidfdOpen(pid), close);
    return isAlive(pid, start) && pidfdSendSignal(pidfd, signal);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === ESRCH) return false;
    throw error;
  }
}
