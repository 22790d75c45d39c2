// tsrun events: what a container uses, and that the kernel killed in it for want of memory, a JSON object a line, until the
// container ends. All of it is one ppoll(2): on init, on the cgroup, and on the time.

import { type OomWatch, watchOom } from "../linux/cgroups/oom.ts";
import { statsOf } from "../linux/cgroups/stats.ts";
import { close } from "../linux/files.ts";
import { pidfdOpen } from "../linux/local.ts";
import { POLLIN, type Polled, poll } from "../linux/poll.ts";
import { rdtStats } from "../linux/rdt/stats.ts";
import type { Context, ExitStatus } from "./command.ts";
import { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import { milliseconds } from "./duration.ts";
import { exactJson } from "./exact-json.ts";
import { print } from "./output.ts";
import { UsageError } from "./usage-error.ts";

/** Prints events: with --stats one, else until the container ends. */
export function command({ root, flags, args: [id] }: Context<"events">): ExitStatus {
  const interval = intervalOf(flags.interval);
  const container = Container.open(root, id);
  if (!isThere(container)) throw new UsageError(`container with id ${container.id} is not running`);
  if (flags.stats) printStats(container);
  else follow(container, interval);
  return 0;
}

function isThere(container: Container): boolean {
  const status = container.status();
  return status !== "stopped" && status !== "creating";
}

function intervalOf(text: string): number {
  const interval = milliseconds(text);
  if (interval === undefined)
    throw new UsageError(`invalid value ${JSON.stringify(text)} for flag --interval: not a duration`, {
      help: "events",
    });
  if (interval <= 0) throw new UsageError("duration interval must be greater than 0");
  return interval;
}

function printStats(container: Container): void {
  const { rdt } = container.state;
  const data = statsOf(cgroupOf(container), rdt && rdtStats(rdt));
  print(`${exactJson({ type: "stats", id: container.id, data })}\n`);
}

function follow(container: Container, interval: number): void {
  using undo = new DisposableStack();
  const oom = undo.use(watchOom(cgroupOf(container)));
  const pidfd = undo.adopt(pidfdOpen(container.state.pid), close);
  // Only now is it known to be init's.
  if (!container.initIsAlive()) return;
  const polled: Polled[] = [{ fd: pidfd, events: POLLIN }, oom?.polled ?? { fd: -1, events: 0 }];
  for (let next = performance.now() + interval; ; ) {
    const [ended, killed] = poll(polled, next - performance.now());
    // Of the last one the kernel may not have told yet when it tells of the end.
    if (killed || ended) printOom(container, oom);
    if (ended) return;
    if (performance.now() < next) continue;
    printStats(container);
    // What was missed while nobody read is not made up for.
    next = Math.max(next, performance.now() - interval) + interval;
  }
}

function printOom(container: Container, oom: OomWatch | undefined): void {
  if (oom?.take()) print(`${exactJson({ type: "oom", id: container.id })}\n`);
}
