// The lock of one container, without flock(2): that needs a foreign call, which costs a short command half of its time.
//
// The lock is a symbolic link in the container's directory that "points" to its holder: pid, start time, pid namespace.
// symlink(2) makes it, with its content, in one step, and fails where there is one: there is never a lock without a known
// holder. Who releases it unlinks it.
//
// A holder that died leaves the link. It must not simply be removed: between seeing that A is dead and removing A's link,
// another may have done so and taken the lock, and it would be this one's that is removed. So a dead process's lock is
// inherited: whoever makes the link `heir.<A>` (which also can succeed only once) holds what A held; if the heir dies, its
// own heir is next. The holder is the last of that chain. Only the holder removes `lock`; `heir.` links stay until the
// directory goes, since the dead do not come back. What an heir found may be old: it looks at `lock` again after becoming
// heir, and has nothing unless the chain still begins where it did.
//
// A holder in another pid namespace cannot be seen from here and counts as alive.

import { readLink, symlink, unlink } from "../linux/files.ts";
import { isErrno, sleep } from "./output.ts";
import { isAlive, processStat } from "./process-identity.ts";
import { UsageError } from "./usage-error.ts";

/** How long to wait for another command on the same container, in milliseconds. */
const PATIENCE = 30_000;

/** Longest pause between two looks at a lock that is held, in milliseconds. */
const LONGEST_PAUSE = 20;

/** The directories whose lock this process holds: to an heir, its own name in the chain looks like a free lock. */
const held = new Set<string>();

/** A held lock. */
export class Lock implements Disposable {
  readonly #directory: string;
  #held = true;

  private constructor(directory: string) {
    this.#directory = directory;
    held.add(directory);
  }

  /**
   * Takes the lock in `directory`, waiting for its holder. Throws UsageError when it was held for all of `patience`
   * milliseconds, and ENOENT when the directory is not there, or is gone when the wait ends.
   */
  static acquire(directory: string, patience = PATIENCE): Lock {
    const me = self();
    const end = performance.now() + patience;
    for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      if (take(directory, me)) return new Lock(directory);
      if (performance.now() >= end)
        throw new UsageError(`another command holds the container's lock: process ${holder(directory)?.split(".")[0]}`);
      sleep(pause);
    }
  }

  /** Gives the lock back. Doing so twice, or when the directory has gone, does nothing. */
  release(): void {
    if (!this.#held) return;
    this.forget();
    unlink(`${this.#directory}/lock`);
  }

  /**
   * Holds it no longer, but leaves it where it is: it has gone with its directory, which was renamed. What has the
   * directory's name now is somebody else's.
   */
  forget(): void {
    this.#held = false;
    held.delete(this.#directory);
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** Whether a living process other than this one holds the lock in `directory`. */
export function isLockedByAnother(directory: string): boolean {
  const found = holder(directory);
  return found !== undefined && !isDead(found) && found !== self();
}

/** One attempt to take the lock as `me`. */
function take(directory: string, me: string): boolean {
  if (link(me, `${directory}/lock`)) return true;
  if (held.has(directory)) return false;
  const first = target(`${directory}/lock`);
  return first !== undefined && inherit(directory, first, me); // undefined: released just now
}

/** Becomes the heir of `first`, who was seen in the lock, or of its last heir, if that one is dead. Exported for its test. */
export function inherit(directory: string, first: string, me: string): boolean {
  for (let last = first; isDead(last); ) {
    const heir = `${directory}/heir.${last}`;
    const next = link(me, heir) ? me : target(heir);
    if (next === undefined) return false;
    if (next === me) return target(`${directory}/lock`) === first;
    last = next;
  }
  return false;
}

/** The last of the chain: who holds the lock, or held it when it died. */
function holder(directory: string): string | undefined {
  let last = target(`${directory}/lock`);
  for (let next = last; next !== undefined; next = isDead(next) ? target(`${directory}/heir.${next}`) : undefined)
    last = next;
  return last;
}

/** This process as links name it. */
function self(): string {
  return `${process.pid}.${processStat("self")?.start}.${pidNamespace()}`;
}

function pidNamespace(): string {
  const link = readLink("/proc/self/ns/pid"); // pid:[4026531836]
  return link.slice(link.indexOf("[") + 1, -1);
}

/** Whether a link's process is known to be dead. */
function isDead(owner: string): boolean {
  const [pid, start, namespace] = owner.split(".");
  return namespace === pidNamespace() && !isAlive(Number(pid), Number(start));
}

/** Makes a symbolic link; false when there is one. */
function link(to: string, path: string): boolean {
  try {
    symlink(to, path);
    return true;
  } catch (error) {
    if (isErrno(error, "EEXIST")) return false;
    throw error;
  }
}

/** What a symbolic link holds; undefined when there is none. */
function target(path: string): string | undefined {
  try {
    return readLink(path);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}
