// Why a container died, where its cgroup can tell: the kernel kills for want of memory with SIGKILL, which by itself says
// nothing. The cgroup counts whom it took but does not name them, so this is asked only about an init that was killed.

import type { Cgroup } from "../linux/cgroups/cgroup.ts";
import { type Oom, oomOf, oomSince, watchOom } from "../linux/cgroups/oom.ts";
import { ConfigError } from "../linux/errors.ts";
import type { LinuxResources } from "../spec/config.gen.ts";
import type { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import type { Listener } from "./foreground.ts";
import { isKilledBeforeExec } from "./process-identity.ts";

/** The status that a shell has for a program that SIGKILL ended. */
export const KILLED = 128 + 9;

const FIELD = "linux.resources.memory.limit";

/** What there is to say of the memory of a container that was killed; undefined where it never ran out. */
export function outOfMemory(cgroup: Cgroup): string | undefined {
  return inWords(oomOf(cgroup));
}

function inWords(oom: Oom | undefined): string | undefined {
  if (oom === undefined || oom.kills === 0) return undefined;
  return `${oom.kills} OOM-killed, memory limit ${oom.limit ?? "unknown"}, peak ${oom.peak ?? "unknown"}`;
}

/** What is heard of the memory of a container while it runs. */
export interface OomListener extends Listener, Disposable {
  /** What `outOfMemory` says, or would have said of a cgroup that is gone. */
  told(): string | undefined;
}

/**
 * Listens while the container runs. Where its cgroup stays when it has ended there is nothing to listen to, since that can be
 * asked then; systemd removes one as soon as nothing is in it, be it while it is read. It is heard of, too, when the limit is
 * reached, a moment before the kernel kills: cgroup-v2.rst, memory.events.
 */
export function listenForOom(cgroup: Cgroup): OomListener | undefined {
  const watch = cgroup.unit === undefined ? undefined : watchOom(cgroup);
  if (watch === undefined) return undefined;
  let last = oomSince(cgroup);
  return {
    polled: watch.polled,
    hear() {
      last = oomSince(cgroup, last, watch.take());
      return false;
    },
    told: () => inWords(oomSince(cgroup, last, watch.take())),
    [Symbol.dispose]: () => watch[Symbol.dispose](),
  };
}

/** Of an init that was killed while it was set up, in the words that callers of runc's look for. `told` is what is known. */
export function initKilled(told: string | undefined): ConfigError {
  const what = "container init was OOM-killed (memory limit too low?)";
  return new ConfigError(FIELD, told === undefined ? what : `${what}: ${told}`);
}

/** Whether a config limits its memory: only then can its program be killed by that as it begins. */
export function limitsMemory({ memory, unified }: LinuxResources = {}): boolean {
  return Number(memory?.limit ?? 0) > 0 || unified?.["memory.max"] !== undefined;
}

/**
 * Once the program should be there. execve(2) takes memory too, and who is killed in it closes its files just as who succeeds.
 * @throws ConfigError where the kernel has killed the program for want of memory
 */
export function checkBegun(container: Container): void {
  const { memoryLimited, pid, pidStart } = container.state;
  if (!memoryLimited || !isKilledBeforeExec(pid, pidStart)) return;
  const told = outOfMemory(cgroupOf(container));
  if (told !== undefined)
    throw new ConfigError(FIELD, `the program was OOM-killed as it began (memory limit too low?): ${told}`);
}
