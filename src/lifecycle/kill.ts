// tsrun kill: sends a signal to a container's init, or to all its processes. runtime-spec runtime.md#kill.

import { Cgroup } from "../linux/cgroups/cgroup.ts";
import type { Context, ExitStatus } from "./command.ts";
import { Container } from "./container.ts";
import { isErrno } from "./output.ts";
import { SIGKILL, signalNumber } from "./signals.ts";
import { UsageError } from "./usage-error.ts";

/** Signals the container. One that does not run is an error; with --all it is none, as its leftovers may be meant. */
export function command({ root, flags, args: [id, signal = "SIGTERM"] }: Context<"kill">): ExitStatus {
  const number = signalNumber(signal);
  const container = Container.open(root, id);
  const alive = container.initIsAlive();
  if (!alive && !flags.all) throw new UsageError("container not running");
  // Without a pid namespace of its own the kernel does not end the other processes when init ends.
  const everyone = flags.all || (number === SIGKILL && !hasOwnPidNamespace(container));
  if (everyone) signalAll(cgroupOf(container), number);
  if (alive) signalInit(container, number);
  return 0;
}

/** Whether the kernel ends all of the container's processes with its init. */
export function hasOwnPidNamespace({ state }: Container): boolean {
  return state.namespaces.some(({ type, path }) => type === "pid" && path === undefined);
}

/** The cgroups of a container. */
export function cgroupOf({ state }: Container): Cgroup {
  return Cgroup.fromRecord(state.cgroups);
}

function signalAll(cgroup: Cgroup, number: number): void {
  if (number === SIGKILL) {
    cgroup.killAll();
    return;
  }
  for (const pid of cgroup.pids()) send(pid, number);
}

/**
 * The pid is init's: it was checked to have started when init did, a moment ago. A pid is used again only when all others
 * have been, so this moment is not worth the library that a pidfd would take.
 */
function signalInit(container: Container, number: number): void {
  if (!send(container.state.pid, number)) throw new UsageError("container not running");
}

/** Sends a signal; false where the process is gone. */
function send(pid: number, number: number): boolean {
  try {
    process.kill(pid, number);
    return true;
  } catch (error) {
    if (isErrno(error, "ESRCH")) return false;
    throw error;
  }
}
