// tsrun run: create, start and, unless detached, wait: signals go on to the container, its exit status becomes ours.

import { runNow } from "../linux/programs.ts";
import { afterStart } from "./after-start.ts";
import { Attendance } from "./attendance.ts";
import { bringUp } from "./bring-up.ts";
import type { Context, ExitStatus } from "./command.ts";
import { cgroupOf } from "./container-cgroup.ts";
import { listen } from "./notify-start.ts";
import { checkBegun, listenForOom } from "./oom-death.ts";
import { writePidFile } from "./pid-file.ts";
import { startHooks } from "./start-hooks.ts";
import { UsageError } from "./usage-error.ts";
import { waitAndDelete } from "./wait-and-delete.ts";

/** Runs a container. */
export function command(context: Context<"run">): ExitStatus {
  const { flags, args } = context;
  using undo = new DisposableStack();
  const attendance = new Attendance(flags, undo);
  const { onTerminal, beforehand } = attendance;
  const made = { id: args[0], onTerminal, detached: flags.detach, beforehand, waitsForStart: false };
  const { container, init, kernel, netDevices, program } = bringUp({ ...context, ...flags, ...made }, undo);
  // The program, which has no handlers yet and is immune to what it does not handle, would not hear of it.
  const ending = attendance.ending();
  if (ending !== undefined) return 128 + ending;
  if (program === undefined) throw new UsageError("process: must be there for a container to be run");
  container.update({ phase: "created" });
  if (container.state.hooks.startContainer.length > 0) startHooks(container, context.root);
  const ready = listen(container);
  using oom = flags.detach ? undefined : listenForOom(cgroupOf(container));
  kernel.runLast(runNow(program));
  if (flags.detach) checkBegun(container);
  if (flags.pidFile !== undefined) undo.defer(writePidFile(flags.pidFile, init.pid));
  afterStart(container);
  undo.move();
  netDevices.keep();
  init.release();
  init[Symbol.dispose]();
  container.unlock();
  const { proxy, signals } = attendance;
  if (signals === undefined) {
    ready?.relay();
    return 0;
  }
  return waitAndDelete({ container, proxy, signals, oom, listener: ready, keep: flags.keep, log: context.log });
}
