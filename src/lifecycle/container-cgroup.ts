// The cgroups of a container, from its state.

import { Cgroup } from "../linux/cgroups/cgroup.ts";
import type { Container } from "./container.ts";

/** Its cgroups. */
export function cgroupOf({ state }: Container): Cgroup {
  return Cgroup.fromRecord(state.cgroups);
}

/** Lets a paused container's processes go on: those that have a SIGKILL, into their end. */
export function thawIfPaused(cgroup: Cgroup): void {
  if (cgroup.frozen()) cgroup.thaw();
}
