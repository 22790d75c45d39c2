// The processes of a cgroup and of those below it: listing them, and ending them all. cgroups(7).
//
// v2 kills a subtree with one write to cgroup.kill, and no fork escapes it. On v1 every process gets its signal, and again
// whoever was born meanwhile; if they do not get fewer the subtree is frozen (which takes a millisecond, so not at first).
// A frozen v1 process does not die before it is thawed.

import { SIGKILL } from "../abi/signal.ts";
import { sendSignal } from "../local.ts";
import { holdsStill } from "./freezer.ts";
import { visit } from "./tree.ts";
import { readFile, writeFile } from "./write.ts";

/** Process ids in `path` and below, as tsrun's pid namespace numbers them; empty when the cgroup is gone. */
export function processesBelow(path: string): number[] {
  const found: number[] = [];
  visit(path, { enter: (cgroup) => void found.push(...processesIn(cgroup)) });
  return found;
}

function processesIn(path: string): number[] {
  // In a threaded v2 cgroup only threads can be listed.
  const text = readFile(`${path}/cgroup.procs`) ?? readFile(`${path}/cgroup.threads`) ?? "";
  // 0 is a process of another pid namespace.
  return text
    .split("\n")
    .map(Number)
    .filter((pid) => pid > 0);
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
    for (const pid of fresh) {
      sendSignal(pid, SIGKILL);
      killed.add(pid);
    }
  }
  if (freezer !== undefined) thawV1(freezer);
}

/** Lets everything in a v1 subtree go on: the container may have frozen cgroups of its own, and what is in them does not die. */
export function thawV1(freezer: string): void {
  visit(freezer, {
    enter: (cgroup) => {
      if (holdsStill(cgroup)) writeFile(`${cgroup}/freezer.state`, "THAWED");
    },
  });
}
