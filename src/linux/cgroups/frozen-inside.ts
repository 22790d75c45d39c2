// What a container has frozen itself, in cgroups that it made below its own: no pause or resume of the container's tells of it, or
// changes it. Whatever is brought in there, or is to be traced there, would be waited for until the container thaws it, which is never.

import { type Freezer, holdsStill, isPaused } from "./freezer.ts";
import { processesIn } from "./processes.ts";
import { visit } from "./tree.ts";

/** Whether a cgroup below `top` was told to hold still itself. */
export function hasFrozenInside(top: string, freezer: Freezer): boolean {
  return anyBelow(top, (path) => isPaused(path, freezer));
}

/** Whether a process is held in a cgroup below `top`, and not because all of `top` is. */
export function isFrozenInside(top: string, freezer: Freezer, pid: number): boolean {
  const holds = (path: string): boolean => holdsStill(path, freezer);
  return !holds(top) && anyBelow(top, (path) => holds(path) && processesIn(path).includes(pid));
}

function anyBelow(top: string, test: (path: string) => boolean): boolean {
  let [isTop, found] = [true, false];
  visit(top, {
    enter: (path) => {
      found ||= !isTop && test(path);
      isTop = false;
    },
  });
  return found;
}
