// The lock of one container: flock(2) on its directory. The kernel gives it back when its holder dies, however that happens.
//
// A container is removed under its lock by renaming the directory. So who got the lock after a wait looks whether the path
// still leads to the directory that was locked, and begins again where it does not.
//
// The descriptor is close-on-exec: no process of a container's, and no hook, holds a lock on.

import { O_DIRECTORY, O_RDONLY } from "../linux/abi/fcntl.ts";
import { syscallNumber } from "../linux/abi/syscalls.ts";
import { descriptorStatus, statusOf } from "../linux/file-status.ts";
import { close, FileError, open } from "../linux/files.ts";
import { syscall } from "../linux/libc.ts";
import { sleep } from "../linux/poll.ts";
import { isErrno } from "./output.ts";
import { UsageError } from "./usage-error.ts";

/** How long to wait for another command on the same container, in milliseconds. */
const PATIENCE = 30_000;

/** Longest pause between two looks at a lock that is held, in milliseconds. */
const LONGEST_PAUSE = 20;

const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;
const EWOULDBLOCK = 11;

/** A held lock. */
export class Lock implements Disposable {
  #fd: number | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /**
   * Takes the lock of `directory`, waiting for its holder. Throws UsageError when it was held for all of `patience`
   * milliseconds, and ENOENT when the directory is not there, or is gone when the wait ends.
   */
  static acquire(directory: string, patience = PATIENCE): Lock {
    const end = performance.now() + patience;
    for (let pause = 1; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      const fd = tryLock(directory, LOCK_EX);
      if (fd !== undefined) {
        if (isAt(directory, fd)) return new Lock(fd);
        close(fd);
      }
      if (performance.now() >= end) throw new UsageError("another command holds the container's lock");
      if (fd === undefined) sleep(pause);
    }
  }

  /** Gives the lock back, wherever the directory is by now. Doing so twice does nothing. */
  release(): void {
    if (this.#fd !== undefined) close(this.#fd);
    this.#fd = undefined;
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** Whether anybody holds the lock of `directory`; nobody does where there is none. */
export function isLocked(directory: string): boolean {
  try {
    const fd = tryLock(directory, LOCK_SH);
    if (fd !== undefined) close(fd);
    return fd === undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT")) return false;
    throw error;
  }
}

/** One attempt. The descriptor that holds the lock; undefined where somebody else does. @throws FileError */
function tryLock(directory: string, kind: number): number | undefined {
  const fd = open(directory, O_RDONLY | O_DIRECTORY);
  const result = syscall(syscallNumber("flock"), fd, kind | LOCK_NB);
  if (result === 0) return fd;
  close(fd);
  if (result === -EWOULDBLOCK) return undefined;
  throw new FileError("flock", -result, directory);
}

/** Whether the path leads to the open directory. While that is open no other can have its inode. */
function isAt(directory: string, fd: number): boolean {
  return statusOf(directory)?.inode === descriptorStatus(fd).inode;
}
