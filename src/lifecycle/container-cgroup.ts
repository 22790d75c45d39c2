// The cgroups of a container, from its state.

import { Cgroup } from "../linux/cgroups/cgroup.ts";
import type { Container } from "./container.ts";

/** Its cgroups. */
export function cgroupOf({ state }: Container): Cgroup {
  return Cgroup.fromRecord(state.cgroups);
}
