// An agent that does not answer. Inside a container it can be seen, and signalled by whoever has its user there: SIGSTOP
// holds it for ever, and tsrun with it, which may hold the container's lock. So our end of the socket gives a read up after
// a while, SO_RCVTIMEO in socket(7), which costs nothing where there is an answer; then the process is looked at.
//
// Stopped, by a signal or by who traces it, it is taken for attacked: before its program runs nobody has a reason to stop it.
// Anything else may be slow for good reason (a file system that is a network away, a container that is frozen): that is told,
// once, and waited for.
//
// Who may trace it can also take its socket, and hold that open when the program runs (pidfd_getfd(2)): then no end of file
// says so, but the kernel's own flag does.

import { SO_RCVTIMEO, SOL_SOCKET } from "../abi/socket.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { SafetyViolation } from "../errors.ts";
import { syscall } from "../libc.ts";
import { PF_FORKNOEXEC, processFields, processFile } from "../process-stat.ts";
import { checked } from "./descriptors.ts";

/** What a silence is, in seconds. */
export const SILENCE = 5;
const TIMEVAL = new Uint8Array(BigInt64Array.of(BigInt(SILENCE), 0n).buffer);

/** Has reads of a socket end with EAGAIN after a while. */
export function limitSilence(socket: number): void {
  const result = syscall(syscallNumber("setsockopt"), socket, SOL_SOCKET, SO_RCVTIMEO, TIMEVAL, TIMEVAL.length);
  checked(result, "setsockopt", socket);
}

/** Whether a process has executed a program since it was forked. */
export function hasExecuted(pid: number): boolean {
  const flags = fieldOf(pid, 9);
  return flags !== undefined && (Number(flags) & PF_FORKNOEXEC) === 0;
}

/** What to say of a process that has been silent. @throws SafetyViolation where somebody has stopped it */
export function describeSilence(pid: number): string {
  const state = fieldOf(pid, 3) ?? "gone";
  if (state === "T" || state === "t")
    throw new SafetyViolation("agent", `process ${pid} was stopped before its program ran`);
  const where = attempt(() => processFile(pid, "wchan"));
  const what = where === undefined || where === "0" ? `state ${state}` : `state ${state}, in ${where}`;
  return `waiting for process ${pid} (${what}), which has not answered for ${SILENCE} seconds`;
}

function fieldOf(pid: number, number: number): string | undefined {
  return attempt(() => processFields(pid))?.(number);
}

/** What cannot be read is not told. */
function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}
