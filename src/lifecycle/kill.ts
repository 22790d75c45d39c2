// tsrun kill: sends a signal to a container's init, or to all its processes. runtime-spec runtime.md#kill.

import { SIGKILL } from "../linux/abi/signal.ts";
import type { Context, ExitStatus } from "./command.ts";
import { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import { signalProcess } from "./process-identity.ts";
import { signalNumber } from "./signals.ts";
import { UsageError } from "./usage-error.ts";

/** Signals the container. One that does not run is an error; with --all it is none, as its leftovers may be meant. */
export function command({ root, flags, args: [id, signal] }: Context<"kill">): ExitStatus {
  const number = signalNumber(signal || "SIGTERM"); // runc's default for an empty word, too
  const container = Container.open(root, id);
  const alive = container.initIsAlive();
  if (!alive && !flags.all) throw new UsageError("container not running");
  // Without a pid namespace of its own the kernel does not end the other processes when init ends.
  const everyone = flags.all || (number === SIGKILL && !hasOwnPidNamespace(container));
  const { pid, pidStart } = container.state;
  const reached = everyone && signalAll(container, number);
  if (alive && !reached && !signalProcess(pid, pidStart, number)) throw new UsageError("container not running");
  // cgroup v1: a frozen process does not die. Any other signal waits until the container is resumed.
  if (number === SIGKILL) cgroupOf(container).letDie();
  return 0;
}

/** Whether the kernel ends all of the container's processes with its init. */
function hasOwnPidNamespace({ state }: Container): boolean {
  return state.namespaces.some(({ type, path }) => type === "pid" && path === undefined);
}

/** Signals every process in the container's cgroups. Returns whether init has got the signal. */
function signalAll(container: Container, number: number): boolean {
  const cgroup = cgroupOf(container);
  const { pid, pidStart } = container.state;
  if (number !== SIGKILL) return cgroup.signalAll(number).includes(pid);
  // Init by itself, and first: it may have left its cgroup. Nobody is listed before they are all killed, since a container can have
  // so many cgroups, and make more, that this takes long.
  signalProcess(pid, pidStart, SIGKILL);
  cgroup.killAll();
  return true;
}
