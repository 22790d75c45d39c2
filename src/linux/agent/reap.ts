// How a process ended, and how to make sure that it has. wait4(2), waitid(2), pidfd_open(2), kill(2).
//
// A process number may only be signalled while it is a child of ours that nobody has waited for: only then it cannot
// have become another process's. wait4 with WNOHANG tells, because it fails for what is not our child.

import { EINTR, ESRCH } from "../abi/errno.ts";
import { SIGKILL, signalName } from "../abi/signal.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { SyscallError } from "../kernel.ts";
import { syscall } from "../libc.ts";
import { processFields } from "../process-stat.ts";
import { close } from "./descriptors.ts";

const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x1000000;
const P_PID = 1;
const ANY = -1;
const POLLIN = 1;
/** How long a process may take from closing its socket to its end before it is taken for one that lives on. */
const END_MS = 1000;
/** Between two looks after others that must be reaped first. */
const SOON_MS = 2;
/** The field of proc_pid_stat(5). */
const EXIT_CODE = 52;

/** How a child of ours is ended. */
export type End = (pid: number) => void;

/**
 * Kills and reaps a child of ours; a process that is not one is left alone. 0 and less are groups of processes: kill(2). No
 * other is reaped on the way: one that was left to the caller to wait for may have ended.
 */
export function killAndReap(pid: number): void {
  endAndReap(pid, pid);
}

/**
 * The same with a container's first process. That of a pid namespace ends only when all others in it have been reaped, and one
 * of these may be a child of ours that we were never told of, since the agent that made it was killed: all that have ended are
 * reaped on the way. pid_namespaces(7)
 */
export function killAndReapInit(pid: number): void {
  endAndReap(pid, ANY);
}

function endAndReap(pid: number, waitedFor: number): void {
  if (pid <= 0) return;
  if (syscall(syscallNumber("wait4"), pid, 0, WNOHANG, 0) !== 0) {
    return;
  }
  syscall(syscallNumber("kill"), pid, SIGKILL);
  // Never a wait4 that waits: one whom somebody in the container traces has ended for us when his tracer has taken notice, who
  // need not. ptrace(2)
  for (let ended = false; !reaps(pid, waitedFor) && !ended; )
    ended = waitForEnd(pid, waitedFor === ANY ? SOON_MS : END_MS);
}

/** Reaps what has ended, until it is `pid`'s turn. Whether that is no child of ours any more. */
function reaps(pid: number, waitedFor: number): boolean {
  for (;;) {
    const reaped = syscall(syscallNumber("wait4"), waitedFor, 0, WNOHANG, 0);
    if (reaped === 0) return false;
    if (reaped === pid || (reaped < 0 && reaped !== -EINTR)) return true;
  }
}

/** Whether a process is a child of ours that nobody has waited for. waitid(2) */
export function isChild(pid: number): boolean {
  return syscall(syscallNumber("waitid"), P_PID, pid, 0, WEXITED | WNOHANG | WNOWAIT, 0) === 0;
}

/**
 * Waits for a child of ours to end; its wait status, which procfs tells of one whom his tracer keeps from us, as above.
 * @throws SyscallError, FileError: no status must not pass for success
 */
export function waitFor(pid: number): number {
  const status = new Int32Array(2);
  for (let ended = false; ; ended = waitForEnd(pid, END_MS)) {
    const reaped = syscall(syscallNumber("wait4"), pid, new Uint8Array(status.buffer), WNOHANG, 0);
    if (reaped === pid) return status[0] ?? 0;
    const traced = ended ? processFields(pid)?.(EXIT_CODE) : undefined;
    if (traced !== undefined) return Number(traced);
    if (reaped < 0 && reaped !== -EINTR) throw new SyscallError({ name: "wait4", args: [pid] }, -reaped, "");
  }
}

/** Reaps the children that have ended. Whether there are others. */
export function reapEnded(): boolean {
  for (;;) {
    const reaped = syscall(syscallNumber("wait4"), ANY, 0, WNOHANG, 0);
    if (reaped <= 0) return reaped === 0;
  }
}

/** How a process that closed its socket ended, as the end of a sentence. Reaps it where it is a child of ours. */
export function endOf(pid: number): string {
  waitForEnd(pid, END_MS);
  const status = new Int32Array(2);
  const reaped = syscall(syscallNumber("wait4"), pid, new Uint8Array(status.buffer), WNOHANG, 0);
  if (reaped === 0) {
    return "closed its socket";
  }
  return reaped < 0 ? "is gone" : describeStatus(status[0] ?? 0);
}

/** A wait status in words: "exited with 1", "was killed by SIGSEGV". */
export function describeStatus(status: number): string {
  const signal = status & 0x7f;
  return signal === 0 ? `exited with ${(status >> 8) & 0xff}` : `was killed by ${signalName(signal)}`;
}

/** Waits so long, at most, for the end of a process: its socket closes a moment before. Whether it has ended. */
function waitForEnd(pid: number, milliseconds: number): boolean {
  const pidfd = syscall(syscallNumber("pidfd_open"), pid, 0);
  if (pidfd === -ESRCH) return true;
  const pollfd = Int32Array.of(pidfd, POLLIN); // where there is no descriptor left, none is polled
  const timeout = BigInt64Array.of(BigInt(Math.floor(milliseconds / 1000)), BigInt((milliseconds % 1000) * 1_000_000));
  const ended = syscall(syscallNumber("ppoll"), new Uint8Array(pollfd.buffer), 1, new Uint8Array(timeout.buffer), 0, 0);
  if (pidfd >= 0) close(pidfd);
  return ended > 0;
}
