// tsrun resume: lets the processes of a paused container go on.

import type { Context, ExitStatus } from "./command.ts";
import { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import { UsageError } from "./usage-error.ts";

/** Resumes a container. */
export function command({ root, args: [id] }: Context<"resume">): ExitStatus {
  using container = Container.open(root, id, { lock: true });
  if (container.status() !== "paused") throw new UsageError("container not paused");
  cgroupOf(container).thaw();
  return 0;
}
