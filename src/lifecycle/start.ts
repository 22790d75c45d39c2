// tsrun start: lets init be the program, and says so if it cannot. runtime-spec runtime.md#start.
//
// The answer comes over a fifo that init holds open close-on-exec: end of file means that execve succeeded, anything else is
// init's last message, with the errno.

import { O_NONBLOCK, O_RDONLY, O_WRONLY } from "../linux/abi/fcntl.ts";
import { describeSilence, SILENCE } from "../linux/agent/silence.ts";
import { close, open, read, unlink, write } from "../linux/files.ts";
import { POLLIN, poll } from "../linux/poll.ts";
import { afterStart } from "./after-start.ts";
import type { Context, ExitStatus } from "./command.ts";
import { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import { killInit } from "./destroy.ts";
import type { Log } from "./log.ts";
import { listen } from "./notify-start.ts";
import { checkBegun, outOfMemory } from "./oom-death.ts";
import { isErrno } from "./output.ts";
import { startFailure } from "./start-failure.ts";
import { startHooks } from "./start-hooks.ts";
import { UsageError } from "./usage-error.ts";

/** Starts a created container. */
export function command({ root, args: [id], log }: Context<"start">): ExitStatus {
  using container = Container.open(root, id, { lock: true });
  const status = container.status();
  if (status === "stopped") throw hasStopped(container);
  // Init would not hear of it before it is resumed, and we would wait for it.
  if (status === "paused") throw new UsageError("cannot start a container in the paused state");
  if (status !== "created") throw new UsageError("cannot start an already running container");
  const { state } = container;
  if (!state.hasProcess)
    throw new UsageError("cannot start a container that has no process: process is missing in its config");
  if (state.hooks.startContainer.length > 0) runStartHooks(container, root);
  const ready = container.hasNotifySocket ? listen(container) : undefined;
  const failure = release(container, log);
  if (failure === undefined) throw hasStopped(container);
  removeFifos(container);
  if (failure.length > 0) throw startFailure(failure, state.lastCalls);
  checkBegun(container);
  // Neither a hook that hangs nor a container that never says that it is ready must keep `delete` waiting.
  container.unlock();
  afterStart(container);
  ready?.relay();
  return 0;
}

function runStartHooks(container: Container, root: string): void {
  try {
    startHooks(container, root);
  } catch (error) {
    // The specification has the container stopped then.
    killInit(container);
    throw error;
  }
}

/** Opens the gate and reads what init has to say until it says no more. Undefined where nobody waits at the gate. */
function release(container: Container, log: Log): Uint8Array | undefined {
  // A writer of our own lets the reader open without waiting; it is closed before the reading starts.
  const ahead = open(container.failurePath, O_RDONLY | O_NONBLOCK);
  const writer = open(container.failurePath, O_WRONLY | O_NONBLOCK);
  const reader = open(container.failurePath, O_RDONLY);
  close(ahead);
  close(writer);
  try {
    if (!openGate(container.fifoPath)) return undefined;
    waitForWord(reader, container, log);
    return readAll(reader);
  } finally {
    close(reader);
  }
}

/** Waits until init says something or nothing any more. Where it was stopped, by one who shares its pid namespace, it is ended. */
function waitForWord(reader: number, container: Container, log: Log): void {
  for (let silences = 0; poll([{ fd: reader, events: POLLIN }], SILENCE * 1000)[0] === 0; silences++) {
    try {
      const what = describeSilence(container.state.pid);
      log.tell(what, silences > 0);
    } catch (error) {
      killInit(container);
      throw error;
    }
  }
}

function hasStopped(container: Container): Error {
  const why = outOfMemory(cgroupOf(container));
  const what = "cannot start a container that has stopped";
  return new UsageError(why === undefined ? what : `${what}: ${why}`);
}

function removeFifos(container: Container): void {
  unlink(container.fifoPath);
  unlink(container.failurePath);
}

/** Returns false where nobody waits at it. */
function openGate(path: string): boolean {
  let gate: number;
  try {
    gate = open(path, O_WRONLY | O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, "ENXIO")) return false;
    throw error;
  }
  write(gate, Uint8Array.of(0x30));
  close(gate);
  return true;
}

function readAll(fd: number): Uint8Array {
  const buffer = new Uint8Array(4096);
  let length = 0;
  for (let count = 1; count > 0 && length < buffer.length; length += count) count = read(fd, buffer.subarray(length));
  return buffer.subarray(0, length);
}
