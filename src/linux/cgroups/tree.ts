// A cgroup and all below it. A container that may write to its cgroups can nest them deeper than a path may be long (4096
// bytes) and deeper than functions may call each other: so this goes from directory to directory by descriptor, and keeps
// no more than two open. It can give them names that are no text. In a cgroup file system ".." is the parent: there are no links.

import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_RDONLY } from "../abi/fcntl.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { type Entry, listOpen } from "../directories.ts";
import { close } from "../files.ts";
import { syscall, type Word } from "../libc.ts";
import { errnoOf } from "./error.ts";

/** A cgroup on the way back from it. Path and parent are good until the visitor returns. */
export interface Left {
  readonly path: string;
  /** Its path as people know it, which takes a while to say of one that is nested deeply. */
  readonly shown: () => string;
  /** What its parent is open as, and what it is called there. */
  readonly parent: number;
  readonly name: Word;
}

/** What to do with each cgroup. */
export interface Visitor {
  /** Parents first. The path is good until it returns. */
  readonly enter?: (path: string) => void;
  /** Children first; the one that it began with is left out. */
  readonly leave?: (cgroup: Left) => void;
}

/** Visits a cgroup and those below it. One that is gone, or goes meanwhile, is passed over. */
export function visit(top: string, { enter = () => {}, leave = () => {} }: Visitor): void {
  let here = open(AT_FDCWD, top);
  if (here < 0) return;
  const way: Entry[] = [];
  const left: Entry[][] = [];
  const begin = (): void => {
    enter(`/proc/self/fd/${here}`);
    left.push(childrenOf(here));
  };
  try {
    for (begin(); left.length > 0; ) {
      const next = left.at(-1)?.pop();
      const child = next === undefined ? -1 : open(here, next.raw);
      if (next !== undefined && child >= 0) {
        close(here);
        here = child;
        way.push(next);
        begin();
      } else if (next === undefined) {
        left.pop();
        const entry = way.pop();
        if (entry === undefined) return;
        const gone = here;
        here = open(gone, "..");
        try {
          if (here < 0) return; // somebody was quicker
          const shown = (): string => [top, ...way.map(({ name }) => name), entry.name].join("/");
          leave({ path: `/proc/self/fd/${gone}`, shown, parent: here, name: entry.raw });
        } finally {
          close(gone);
        }
      }
    }
  } finally {
    close(here);
  }
}

/** -errno where there is none any more. */
function open(parent: number, name: Word): number {
  return syscall(syscallNumber("openat"), parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

function childrenOf(directory: number): Entry[] {
  try {
    return listOpen(directory).filter((entry) => entry.isDirectory);
  } catch (error) {
    errnoOf(error);
    return [];
  }
}
