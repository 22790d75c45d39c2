// tsrun restore: makes a container that `checkpoint` wrote to files, under any id, and has it go on. From there it is as `run`:
// detached, or waited for, with its signals, its terminal and its status.

import { afterStart } from "./after-start.ts";
import { Attendance } from "./attendance.ts";
import type { Context, ExitStatus } from "./command.ts";
import type { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import { checkRights } from "./criu-options.ts";
import { listenForOom } from "./oom-death.ts";
import { writePidFile } from "./pid-file.ts";
import { revive } from "./revive.ts";
import { waitAndDelete } from "./wait-and-delete.ts";

/** A signal that would have ended tsrun came while there was nothing yet that it could go on to. */
class Ended extends Error {
  readonly signal: number;

  constructor(signal: number) {
    super(`ended by signal ${signal}`);
    this.signal = signal;
  }
}

/** Restores a container. */
export function command(context: Context<"restore">): ExitStatus {
  const { flags, args } = context;
  checkRights("restore");
  using undo = new DisposableStack();
  const attendance = new Attendance(flags, undo);
  const { onTerminal, beforehand } = attendance;
  const made = { id: args[0], onTerminal, detached: flags.detach, beforehand, waitsForStart: false };
  const unasked = { config: undefined, noNewKeyring: false, preserveFds: 0, pidfdSocket: undefined };
  const beforeItRuns = (): void => {
    const ending = attendance.ending();
    if (ending !== undefined) throw new Ended(ending);
  };
  let container: Container;
  try {
    container = revive({ ...context, flags, ...flags, ...made, ...unasked, beforeItRuns }, undo);
  } catch (error) {
    if (error instanceof Ended) return 128 + error.signal;
    throw error;
  }
  using oom = flags.detach ? undefined : listenForOom(cgroupOf(container));
  if (flags.pidFile !== undefined) undo.defer(writePidFile(flags.pidFile, container.state.pid));
  afterStart(container);
  undo.move();
  container.unlock();
  const { proxy, signals } = attendance;
  return signals === undefined ? 0 : waitAndDelete({ container, proxy, signals, oom, keep: false, log: context.log });
}
