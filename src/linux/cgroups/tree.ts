// A cgroup and all below it. A container that may write to its cgroups can nest them deeper than a path may be long (4096
// bytes) and deeper than functions may call each other: so this goes from directory to directory by descriptor, and keeps
// no more than two open. It can give them names that are no text. In a cgroup file system ".." is the parent: there are no links.
// And it, or another whose cgroups these are, can make new ones as fast as these are gone through, so there is an end to that.

import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_RDONLY } from "../abi/fcntl.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { type Entry, listOpen } from "../directories.ts";
import { close } from "../files.ts";
import { syscall, type Word } from "../libc.ts";
import { CgroupError, errnoOf } from "./error.ts";
import { readFile } from "./write.ts";

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

/** Milliseconds that a visit may take, however many there are. */
const PATIENCE = 10_000;
/** How many there may be below one of v1, which does not say. */
const MOST_V1 = 65_536;

/**
 * Visits a cgroup and those below it. One that is gone, or goes meanwhile, is passed over.
 * @throws CgroupError where after a while there are still more, and more than there were at first
 */
export function visit(top: string, { enter = () => {}, leave = () => {} }: Visitor, patience = PATIENCE): void {
  let here = open(AT_FDCWD, top);
  if (here < 0) return;
  const way: Entry[] = [];
  const left: Entry[][] = [];
  const bound = new Bound(top, performance.now() + patience);
  const begin = (): void => {
    if (way.length > 0) bound.count();
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
          const shown = (): string => describe(top, [...way, entry]);
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

/** How much of a visit there is to be. */
class Bound {
  readonly #top: string;
  readonly #deadline: number;
  #left: number | undefined;

  constructor(top: string, deadline: number) {
    this.#top = top;
    this.#deadline = deadline;
  }

  /** One more below the top. */
  count(): void {
    this.#left ??= descendantsOf(this.#top);
    if (--this.#left >= 0 || performance.now() < this.#deadline) return;
    throw new CgroupError(`somebody makes cgroups in ${this.#top} as fast as tsrun goes through them`);
  }
}

/** cgroup-v2.rst, "cgroup.stat" */
function descendantsOf(path: string): number {
  const [, count] = /^nr_descendants (\d+)$/m.exec(readFile(`${path}/cgroup.stat`) ?? "") ?? [];
  return count === undefined ? MOST_V1 : Number(count);
}

/** As long as a line that people read may be. */
const DEEPEST_SHOWN = 8;

function describe(top: string, way: readonly Entry[]): string {
  const names = way.map(({ name }) => name);
  const left = names.length - DEEPEST_SHOWN;
  if (left > 0) names.splice(DEEPEST_SHOWN / 2, left, `...${left} more...`);
  return [top, ...names].join("/");
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
