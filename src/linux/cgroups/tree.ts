// A cgroup and all below it. A container that may write to its cgroups can nest them deeper than a path may be long (4096
// bytes) and deeper than functions may call each other: so this goes from directory to directory by descriptor, and keeps
// no more than one open. In a cgroup file system ".." is the parent: there are no links.

import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_RDONLY } from "../abi/fcntl.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { listOpen } from "../directories.ts";
import { close } from "../files.ts";
import { syscall } from "../libc.ts";
import { errnoOf } from "./error.ts";

/** What to do with each cgroup. Paths are good until it returns. */
export interface Visitor {
  /** Parents first. */
  readonly enter?: (path: string) => void;
  /** Children first; the one that it began with is left out. `name` is its path as people know it. */
  readonly leave?: (path: string, name: string) => void;
}

/** Visits a cgroup and those below it. One that is gone, or goes meanwhile, is passed over. */
export function visit(top: string, { enter = () => {}, leave = () => {} }: Visitor): void {
  let here = open(AT_FDCWD, top);
  if (here < 0) return;
  const names: string[] = [];
  const left: string[][] = [];
  const begin = (): void => {
    enter(`/proc/self/fd/${here}`);
    left.push(childrenOf(here));
  };
  const go = (to: number): void => {
    close(here);
    here = to;
  };
  try {
    for (begin(); left.length > 0; ) {
      const next = left.at(-1)?.pop();
      const child = next === undefined ? -1 : open(here, next);
      if (next !== undefined && child >= 0) {
        go(child);
        names.push(next);
        begin();
      } else if (next === undefined) {
        left.pop();
        const name = names.pop();
        if (name === undefined) return;
        go(open(here, ".."));
        leave(`/proc/self/fd/${here}/${name}`, [top, ...names, name].join("/"));
      }
    }
  } finally {
    close(here);
  }
}

/** -errno where there is none any more. */
function open(parent: number, name: string): number {
  return syscall(syscallNumber("openat"), parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

function childrenOf(directory: number): string[] {
  try {
    const entries = listOpen(directory).filter((entry) => entry.isDirectory);
    return entries.map(({ name }) => name);
  } catch (error) {
    errnoOf(error);
    return [];
  }
}
