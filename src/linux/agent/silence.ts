// An agent that does not answer. Inside a container it can be seen, and signalled by whoever has its user there: SIGSTOP
// holds it for ever, and tsrun with it, which may hold the container's lock. So our end of the socket gives a read up after
// a while, SO_RCVTIMEO in socket(7), which costs nothing where there is an answer; then the process is looked at.
//
// Stopped, it is taken for attacked: before its program runs nobody has a reason to stop it. Anything else may be slow for
// good reason (a file system that is a network away, a container that is frozen): that is told, once, and waited for.

import { SO_RCVTIMEO, SOL_SOCKET } from "../abi/socket.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { SafetyViolation } from "../errors.ts";
import { readText } from "../files.ts";
import { syscall } from "../libc.ts";
import { checked } from "./descriptors.ts";

/** What a silence is, in seconds. */
export const SILENCE = 5;
const TIMEVAL = new Uint8Array(BigInt64Array.of(BigInt(SILENCE), 0n).buffer);

/** Has reads of a socket end with EAGAIN after a while. */
export function limitSilence(socket: number): void {
  const result = syscall(syscallNumber("setsockopt"), socket, SOL_SOCKET, SO_RCVTIMEO, TIMEVAL, TIMEVAL.length);
  checked(result, "setsockopt", socket);
}

/** What to say of a process that has been silent. @throws SafetyViolation where somebody has stopped it */
export function describeSilence(pid: number): string {
  const state = stateOf(pid);
  if (state === "T") throw new SafetyViolation("agent", `process ${pid} was stopped before its program ran`);
  const where = textOf(`/proc/${pid}/wchan`);
  const what = where === undefined || where === "0" ? `state ${state}` : `state ${state}, in ${where}`;
  return `waiting for process ${pid} (${what}), which has not answered for ${SILENCE} seconds`;
}

/** The letter that proc_pid_stat(5) has behind the name; "gone" where there is none. */
function stateOf(pid: number): string {
  const stat = textOf(`/proc/${pid}/stat`);
  return stat?.charAt(stat.lastIndexOf(")") + 2) ?? "gone";
}

function textOf(path: string): string | undefined {
  try {
    return readText(path);
  } catch {
    return undefined;
  }
}
