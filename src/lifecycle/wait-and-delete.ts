// The end of a foreground run or restore: the container's process is waited for, its status is tsrun's, and the container is deleted.

import type { SignalPipe } from "../linux/signal-pipe.ts";
import type { ExitStatus } from "./command.ts";
import type { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import { destroy } from "./destroy.ts";
import { type Listener, waitInForeground } from "./foreground.ts";
import type { Log } from "./log.ts";
import { KILLED, type OomListener, outOfMemory } from "./oom-death.ts";
import type { TerminalProxy } from "./terminal-proxy.ts";

/** What is waited for, and with what. */
export interface Waiting {
  /** Not locked. */
  readonly container: Container;
  readonly proxy: TerminalProxy | undefined;
  readonly signals: SignalPipe;
  readonly oom: OomListener | undefined;
  /** Something else to be heard of. */
  readonly listener?: Listener | undefined;
  /** Whether the container stays. */
  readonly keep: boolean;
  readonly log: Log;
}

/** Waits for a container whose process is tsrun's child. */
export function waitAndDelete({ container, proxy, signals, oom, listener, keep, log }: Waiting): ExitStatus {
  const listeners = [listener, oom].filter((each) => each !== undefined);
  const status = waitInForeground(container.state.pid, proxy, signals, listeners);
  const why = status === KILLED ? (oom ? oom.told() : outOfMemory(cgroupOf(container))) : undefined;
  if (why !== undefined) log.error(`the container was killed, and its memory had run out: ${why}`);
  using _lock = container;
  if (!keep && container.lockAgain()) destroy(container, log);
  return status;
}
