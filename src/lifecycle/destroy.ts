// Removing all of a container: its processes, cgroups, directory; then its poststop hooks. In any state, half-made ones too,
// and again when an earlier attempt was cut short. runtime-spec runtime.md#delete.

import type { Container } from "./container.ts";
import { waitForDeath } from "./death.ts";
import { cgroupOf } from "./kill.ts";
import { SIGKILL } from "./signals.ts";

/** Ends what still runs and removes the container, of which the caller holds the lock. */
export function destroy(container: Container): void {
  killInit(container);
  const cgroup = cgroupOf(container);
  // Processes that outlived init: there are some where it had no pid namespace of its own.
  cgroup.killAll();
  cgroup.remove();
  container.remove();
}

function killInit(container: Container): void {
  if (!container.initIsAlive()) return;
  const { pid, pidStart } = container.state;
  process.kill(pid, SIGKILL);
  waitForDeath(pid, pidStart);
}
