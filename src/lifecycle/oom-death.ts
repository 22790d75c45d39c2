// Why a container died, where its cgroup can tell: the kernel kills for want of memory with SIGKILL, which by itself says
// nothing. The cgroup counts whom it took but does not name them, so this is asked only about an init that was killed.

import type { Cgroup } from "../linux/cgroups/cgroup.ts";
import { oomOf } from "../linux/cgroups/oom.ts";

/** The status that a shell has for a program that SIGKILL ended. */
export const KILLED = 128 + 9;

/** What there is to say of the memory of a container that was killed; undefined where it never ran out. */
export function outOfMemory(cgroup: Cgroup): string | undefined {
  const oom = oomOf(cgroup);
  return oom && `${oom.kills} OOM-killed, memory limit ${oom.limit ?? "unknown"}, peak ${oom.peak ?? "unknown"}`;
}
