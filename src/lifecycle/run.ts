// tsrun run: create, start and, unless detached, wait: signals go on to the container, its exit status becomes ours.

import { runNow } from "../linux/programs.ts";
import { bringUp } from "./bring-up.ts";
import type { Context, ExitStatus } from "./command.ts";
import { destroy } from "./destroy.ts";
import { waitInForeground } from "./foreground.ts";
import { writePidFile } from "./pid-file.ts";
import { UsageError } from "./usage-error.ts";

/** Runs a container. */
export function command(context: Context<"run">): ExitStatus | Promise<ExitStatus> {
  const { flags, args } = context;
  using undo = new DisposableStack();
  const request = { ...context, ...flags, id: args[0], detached: flags.detach, waitsForStart: false };
  const { container, init, kernel, agent, program } = bringUp(request, undo);
  if (program === undefined) throw new UsageError("process: must be there for a container to be run");
  container.update({ phase: "created" });
  kernel.runLast(runNow(program));
  if (flags.pidFile !== undefined) writePidFile(flags.pidFile, init.pid);
  undo.move();
  init.release();
  init[Symbol.dispose]();
  container.unlock();
  if (flags.detach) {
    agent[Symbol.dispose]();
    return 0;
  }
  return waitInForeground(agent, init.pid).then((status) => {
    if (!flags.keep) {
      using _ = container;
      container.lock();
      destroy(container);
    }
    return status;
  });
}
