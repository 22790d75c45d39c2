// tsrun create: everything up to the program, which `start` lets run. runtime-spec runtime.md#create.

import { waitForStart } from "../linux/programs.ts";
import { bringUp } from "./bring-up.ts";
import type { Context, ExitStatus } from "./command.ts";
import { writePidFile } from "./pid-file.ts";

/** Creates the container. The id must be free. */
export function command(context: Context<"create">): ExitStatus {
  const { flags, args } = context;
  using undo = new DisposableStack();
  const request = { ...context, ...flags, id: args[0], detached: true, waitsForStart: true };
  const { container, init, kernel, agent, program, fifos } = bringUp(request, undo);
  container.update({ phase: "created" });
  if (flags.pidFile !== undefined) writePidFile(flags.pidFile, init.pid);
  kernel.dropPages();
  kernel.send(waitForStart(program, fifos));
  // From here on the container lives, whatever becomes of tsrun.
  undo.move();
  init.release();
  init[Symbol.dispose]();
  agent[Symbol.dispose]();
  container.unlock();
  return 0;
}
