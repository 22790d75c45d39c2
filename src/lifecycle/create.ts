// tsrun create: everything up to the program, which `start` lets run. runtime-spec runtime.md#create.

import { describeCall } from "../linux/kernel.ts";
import { waitForStart } from "../linux/programs.ts";
import { bringUp } from "./bring-up.ts";
import type { Context, ExitStatus } from "./command.ts";
import { consoleSender } from "./console.ts";
import { writePidFile } from "./pid-file.ts";

/** Creates the container. The id must be free. */
export function command(context: Context<"create">): ExitStatus {
  const { flags, args } = context;
  using undo = new DisposableStack();
  const onTerminal = consoleSender(flags.consoleSocket);
  const request = { ...context, ...flags, id: args[0], onTerminal, detached: true, waitsForStart: true };
  const { container, init, kernel, program, fifos } = bringUp(request, undo);
  const last = waitForStart(program, fifos);
  container.update({ phase: "created", lastCalls: last.steps.map(({ field, call }) => describeCall(call, field)) });
  if (flags.pidFile !== undefined) undo.defer(writePidFile(flags.pidFile, init.pid));
  kernel.dropPages();
  kernel.send(last);
  // From here on the container lives, whatever becomes of tsrun.
  undo.move();
  init.release();
  init[Symbol.dispose]();
  container.unlock();
  return 0;
}
