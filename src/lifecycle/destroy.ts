// Removing all of a container: its processes, cgroups, class of service, directory; then its poststop hooks. In any state, half-made ones too,
// and again when an earlier attempt was cut short. runtime-spec runtime.md#delete.

import { SIGKILL } from "../linux/abi/signal.ts";
import type { Cgroup } from "../linux/cgroups/cgroup.ts";
import { exists } from "../linux/file-status.ts";
import { unmountAbove } from "../linux/host-mount.ts";
import { removeRdt } from "../linux/rdt/group.ts";
import type { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import { waitForDeath } from "./death.ts";
import { runPoststop } from "./hook-points.ts";
import type { Log } from "./log.ts";
import { signalProcess } from "./process-identity.ts";
import type { State } from "./state-file.ts";

/** Ends what still runs and removes the container, of which the caller holds the lock. */
export function destroy(container: Container, log: Log): void {
  const { state } = container;
  killInit(container);
  const cgroup = cgroupOf(container);
  // Processes that outlived init: there are some where it had no pid namespace of its own.
  if (state.cgroupsMade) cgroup.killAll();
  removeCgroup(cgroup, state.cgroupsMade);
  if (state.rdt !== undefined) removeRdt(state.rdt);
  unmountRoot(state);
  container.remove();
  runPoststop(state, log);
}

/** Takes off the host what was mounted there for a container without a mount namespace; with one it went by itself. */
export function unmountRoot({ rootfs, mountBefore }: State): void {
  if (mountBefore !== undefined && exists(rootfs)) unmountAbove(rootfs, mountBefore);
}

/** A create that was killed may or may not have made them: what is somebody else's is in use and stays. */
function removeCgroup(cgroup: Cgroup, made: boolean): void {
  if (made) {
    cgroup.remove();
    return;
  }
  try {
    cgroup.removeDirectories();
  } catch {
    // In use.
  }
}

/** Ends init and waits until it has. */
export function killInit(container: Container): void {
  const { pid, pidStart } = container.state;
  if (!signalProcess(pid, pidStart, SIGKILL)) return;
  const cgroup = cgroupOf(container);
  cgroup.letDie();
  // Init ends after all others of its pid namespace, and one of those may have frozen some meanwhile.
  waitForDeath(pid, pidStart, () => cgroup.killAll());
}
