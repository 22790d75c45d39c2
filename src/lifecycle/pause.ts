// tsrun pause: stops all processes of a container until `resume`. They are stopped when this returns.

import type { Context, ExitStatus } from "./command.ts";
import { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import { UsageError } from "./usage-error.ts";

/** Pauses a container, be it started or not. */
export function command({ root, args: [id] }: Context<"pause">): ExitStatus {
  using container = Container.open(root, id, { lock: true });
  const status = container.status();
  if (status !== "running" && status !== "created") throw new UsageError("container not running");
  cgroupOf(container).freeze();
  return 0;
}
