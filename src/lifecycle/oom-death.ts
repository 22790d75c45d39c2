// Why a container died, where its cgroup can tell: the kernel kills for want of memory with SIGKILL, which by itself says
// nothing. The cgroup counts whom it took but does not name them, so this is asked only about an init that was killed.

import type { Cgroup } from "../linux/cgroups/cgroup.ts";
import { oomOf, watchOom } from "../linux/cgroups/oom.ts";
import type { Listener } from "./foreground.ts";

/** The status that a shell has for a program that SIGKILL ended. */
export const KILLED = 128 + 9;

/** What there is to say of the memory of a container that was killed; undefined where it never ran out. */
export function outOfMemory(cgroup: Cgroup): string | undefined {
  const oom = oomOf(cgroup);
  return oom && `${oom.kills} OOM-killed, memory limit ${oom.limit ?? "unknown"}, peak ${oom.peak ?? "unknown"}`;
}

/** What is heard of the memory of a container while it runs. */
export interface OomListener extends Listener, Disposable {
  /** As of the last time that somebody was killed. */
  readonly told: string | undefined;
}

/**
 * Listens while the container runs. Where its cgroup stays when it has ended there is nothing to listen to, since that can be
 * asked then; systemd removes one as soon as nothing is in it.
 */
export function listenForOom(cgroup: Cgroup): OomListener | undefined {
  const watch = cgroup.unit === undefined ? undefined : watchOom(cgroup);
  if (watch === undefined) return undefined;
  let told: string | undefined;
  return {
    polled: watch.polled,
    hear() {
      if (watch.take()) told = outOfMemory(cgroup) ?? told;
      return false;
    },
    get told() {
      return told;
    },
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  };
}
