// The processes of a cgroup and of those below it: listing them, and ending them all. cgroups(7).
//
// v2 kills a subtree with one write to cgroup.kill, and no fork escapes it. On v1 every process gets its signal, and again
// whoever was born meanwhile; if they do not get fewer the subtree is frozen (which takes a millisecond, so not at first).
// A frozen v1 process does not die before it is thawed.

import { ESRCH } from "../abi/errno.ts";
import { SIGKILL } from "../abi/signal.ts";
import { close } from "../files.ts";
import { pidfdSendSignal, sendSignal, tryPidfd } from "../local.ts";
import { isFrozen } from "./freezer.ts";
import { visit } from "./tree.ts";
import { readFile, writeFile } from "./write.ts";

/** Process ids in `path` and below, as tsrun's pid namespace numbers them; empty when the cgroup is gone. @throws CgroupError */
export function processesBelow(path: string): number[] {
  const found: number[] = [];
  visit(path, {
    enter: (cgroup) => {
      for (const pid of processesIn(cgroup)) found.push(pid); // one by one: a call takes no more than 65534 arguments
    },
  });
  return found;
}

/** How many there are, those counted that tsrun's pid namespace has no number for: v2 lists each as a 0, v1 not at all. */
export function countBelow(path: string): number {
  let count = 0;
  visit(path, {
    enter: (cgroup) => {
      count += numbersIn(cgroup).length;
    },
  });
  return count;
}

/** Process ids in one cgroup. */
export function processesIn(path: string): number[] {
  return numbersIn(path).filter((pid) => pid > 0);
}

function numbersIn(path: string): number[] {
  // In a threaded v2 cgroup only threads can be listed.
  const text = readFile(`${path}/cgroup.procs`) ?? readFile(`${path}/cgroup.threads`) ?? "";
  return text === "" ? [] : text.split("\n").map(Number);
}

/** Processes that are held by a descriptor at a time. */
const AT_ONCE = 256;

/**
 * Signals those of the processes that are in `path` or below. Their numbers may be others' by now: each is held by a pidfd when
 * it is looked for once more.
 */
export function signalBelow(path: string, pids: readonly number[], signal: number): void {
  for (let at = 0; at < pids.length; at += AT_ONCE) {
    using undo = new DisposableStack();
    const held = pids.slice(at, at + AT_ONCE).map((pid) => ({ pid, pidfd: tryPidfd(pid) }));
    for (const { pidfd } of held) if (pidfd >= 0) undo.defer(() => close(pidfd));
    const there = new Set(processesBelow(path));
    for (const { pid, pidfd } of held) if (there.has(pid)) signalHeld(pid, pidfd, signal);
  }
}

function signalHeld(pid: number, pidfd: number, signal: number): void {
  if (pidfd === -ESRCH) return;
  // Of a thread, which is what a threaded cgroup lists, there is none.
  if (pidfd < 0) sendSignal(pid, signal);
  else pidfdSendSignal(pidfd, signal);
}

/** Ends everything in a v2 subtree. Returns false where the kernel has no such file or refuses. */
export function killV2(path: string): boolean {
  return writeFile(`${path}/cgroup.kill`, "1") === undefined;
}

/** Looks before the processes are made to hold still, and before it is given up: something outruns us. */
const FREEZE_AFTER = 3;
const MOST_ROUNDS = 20;

/** Ends everything in a v1 subtree: `path` in any hierarchy, `freezer` the same cgroup in the freezer's if it has one. */
export function killV1(path: string, freezer: string | undefined): void {
  const killed = new Set<number>();
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const fresh = processesBelow(path).filter((pid) => !killed.has(pid));
    // What has its signal forks no more, so nothing new means that nothing new can come.
    if (fresh.length === 0) break;
    if (round === FREEZE_AFTER && freezer !== undefined) writeFile(`${freezer}/freezer.state`, "FROZEN");
    signalBelow(path, fresh, SIGKILL);
    for (const pid of fresh) killed.add(pid);
  }
  if (freezer !== undefined) thawV1(freezer);
}

/** Lets everything in a v1 subtree go on: the container may have frozen cgroups of its own, and what is in them does not die. */
export function thawV1(freezer: string): void {
  visit(freezer, {
    enter: (cgroup) => {
      if (isFrozen(cgroup, "v1")) writeFile(`${cgroup}/freezer.state`, "THAWED");
    },
  });
}
