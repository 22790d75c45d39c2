// A container, as it is known from outside: a directory <root>/<id> that holds
//
//    state.json    what is remembered of it, see state-file.ts
//    config.json   a copy of its configuration, as it was when it was created; only exec reads it
//    exec.fifo     there until the container's process has been started: init waits for a reader of it
//    exec.failure  what init says to `start` when it cannot be the program
//
// It is locked by whoever changes the container, see lock.ts.
//
// The directory is the claim to the id: mkdir(2) succeeds once. To go, it is renamed to <id>~, which no id can be, and then
// emptied: so that an id is either taken by something whole or free, whenever the remover may be killed.
// The directory is 0700: init, which may be another user by then, has the fifos from tsrun.

import { Cgroup } from "../linux/cgroups/cgroup.ts";
import { list, makeDirectory, removeTree } from "../linux/directories.ts";
import { SafetyViolation } from "../linux/errors.ts";
import { exists } from "../linux/file-status.ts";
import { chmod, removeDirectory, rename } from "../linux/files.ts";
import { validId } from "./container-id.ts";
import { isLocked, Lock } from "./lock.ts";
import { isErrno } from "./output.ts";
import { isAlive } from "./process-identity.ts";
import { readState, type State, writeState } from "./state-file.ts";
import { checkOwn, checkStateRoot, makeStateRoot } from "./state-root.ts";
import { UsageError } from "./usage-error.ts";

/** The states of the specification (runtime.md, "State"), and the one that runtimes add. */
export type Status = "creating" | "created" | "running" | "paused" | "stopped";

/** All that a container's directory may have in it. */
const NAMES = /^(state\.json(\.new)?|config\.json|exec\.(fifo|failure)|notify|criu-(root|images))$/;

/** How to open a container. */
export interface OpenOptions {
  /** Take the lock first: for a command that changes the container. */
  readonly lock?: boolean;
}

/** One container. Disposing of it gives its lock back; the container stays. */
export class Container implements Disposable {
  readonly id: string;
  /** Absolute path of its directory. */
  readonly directory: string;
  #state: State | undefined;
  #lock: Lock | undefined;

  private constructor(root: string, id: string) {
    this.id = validId(id);
    this.directory = `${root}/${id}`;
  }

  /**
   * Claims the id and makes the directory; the lock is held. There is no state before the first `update`.
   * Throws UsageError when the id is taken.
   */
  static create(root: string, id: string): Container {
    const container = new Container(root, id);
    makeStateRoot(root);
    try {
      makeDirectory(container.directory, 0o700);
    } catch (error) {
      if (isErrno(error, "EEXIST")) throw new UsageError(`container with given ID already exists: ${id}`);
      throw error;
    }
    try {
      chmod(container.directory, 0o700); // whatever the umask
      container.#lock = lockNew(container.directory, id);
    } catch (error) {
      abandon(container.directory);
      throw error;
    }
    return container;
  }

  /** Opens a container and reads its state. Throws UsageError when there is none. */
  static open(root: string, id: string, options: OpenOptions = {}): Container {
    const container = new Container(root, id);
    checkPlace(root, container.directory);
    try {
      if (options.lock) container.#lock = Lock.acquire(container.directory);
      container.#state = readState(container.statePath, id);
    } catch (error) {
      container.unlock();
      if (isErrno(error, "ENOENT")) throw new UsageError(`container does not exist: ${id}`);
      throw error;
    }
    return container;
  }

  /**
   * Removes what a `create` that died early left: a directory without state, or one that was being removed.
   * Waits for a `create` that is still at it. Returns whether there was anything; a container with a state is left alone, and so is
   * a directory that can be nobody's leftover. @throws SafetyViolation
   */
  static removeLeftovers(root: string, id: string): boolean {
    const container = new Container(root, id);
    checkPlace(root, container.directory);
    const tomb = exists(container.#tomb);
    if (tomb) removeLeftover(container.#tomb);
    try {
      container.#lock = Lock.acquire(container.directory);
    } catch (error) {
      if (isErrno(error, "ENOENT")) return tomb;
      throw error;
    }
    using _ = container;
    if (exists(container.statePath)) return tomb;
    checkLeftover(container.directory);
    container.remove();
    return true;
  }

  /** The ids under `root`, sorted. Throws ENOENT when there is no such directory. */
  static list(root: string): string[] {
    checkStateRoot(root);
    return list(root)
      .filter((entry) => entry.isDirectory && !entry.name.endsWith("~"))
      .map((entry) => entry.name)
      .sort();
  }

  get statePath(): string {
    return `${this.directory}/state.json`;
  }

  get configPath(): string {
    return `${this.directory}/config.json`;
  }

  get fifoPath(): string {
    return `${this.directory}/exec.fifo`;
  }

  get failurePath(): string {
    return `${this.directory}/exec.failure`;
  }

  /** Whether a service manager waits for the container to be ready: notify-socket.ts. */
  get hasNotifySocket(): boolean {
    return exists(`${this.directory}/notify`);
  }

  /** What its directory is called while it is being removed. */
  get #tomb(): string {
    return `${this.directory}~`;
  }

  /** What is remembered. Throws before the first `update` of a container that is being created. */
  get state(): State {
    if (this.#state === undefined) throw new Error(`container ${this.id} has no state yet`);
    return this.#state;
  }

  /** Changes the state in memory; the next `update` writes it. */
  note(changes: Partial<State>): void {
    this.#state = { ...this.#state, ...changes } as State;
  }

  /** Changes the state, in memory and on disk. Needs the lock. The first time it must be given whole. */
  update(changes: Partial<State>): void {
    if (this.#lock === undefined) throw new Error(`cannot change container ${this.id} without its lock`);
    const next = { ...this.#state, ...changes } as State;
    writeState(this.statePath, next);
    this.#state = next;
  }

  /** Whether init is there and is the process that it was. */
  initIsAlive(): boolean {
    return isAlive(this.state.pid, this.state.pidStart);
  }

  /** The container's status now. `isPaused` asks the freezer, and is asked only of a process that is alive. */
  status(isPaused: (state: State) => boolean = isFrozen): Status {
    const alive = this.initIsAlive();
    if (this.state.phase === "creating")
      return alive || (this.#lock === undefined && isLocked(this.directory)) ? "creating" : "stopped";
    if (!alive) return "stopped";
    if (isPaused(this.state)) return "paused";
    return exists(this.fifoPath) ? "created" : "running";
  }

  /** Removes the directory and all in it, and with it the lock. What else the container holds must be gone by now. */
  remove(): void {
    if (this.#lock === undefined) throw new Error(`cannot remove container ${this.id} without its lock`);
    removeTree(this.#tomb); // of a removal that was killed
    rename(this.directory, this.#tomb);
    removeTree(this.#tomb);
    this.unlock();
  }

  /** Takes the lock again, after a long wait. False where it was removed meanwhile; the id may be another's by now. */
  lockAgain(): boolean {
    try {
      this.#lock = Lock.acquire(this.directory);
      const { pid, pidStart } = readState(this.statePath, this.id);
      if (pid === this.state.pid && pidStart === this.state.pidStart) return true;
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
    this.unlock();
    return false;
  }

  /** Gives the lock back, before a long wait. */
  unlock(): void {
    this.#lock?.release();
    this.#lock = undefined;
  }

  [Symbol.dispose](): void {
    this.unlock();
  }
}

function isFrozen({ cgroups }: State): boolean {
  return Cgroup.fromRecord(cgroups).frozen();
}

/** Removes a directory that was made just now and could not be locked: whoever made another there since has something in it. */
function abandon(directory: string): void {
  try {
    removeDirectory(directory);
  } catch {
    // It is gone, or somebody's: why it could not be locked is what there is to say.
  }
}

/** Locks a directory that was made just now. A `delete --force` may have been quicker and have taken it for a leftover. */
function lockNew(directory: string, id: string): Lock {
  try {
    return Lock.acquire(directory);
  } catch (error) {
    if (isErrno(error, "ENOENT")) throw new UsageError(`container was deleted while it was being created: ${id}`);
    throw error;
  }
}

function removeLeftover(directory: string): void {
  checkLeftover(directory);
  removeTree(directory);
}

/** Who mistypes --root must not lose what he has there. @throws SafetyViolation */
function checkLeftover(directory: string): void {
  const foreign = list(directory).find(({ name }) => !NAMES.test(name));
  if (foreign !== undefined) throw new SafetyViolation(directory, `${foreign.name} is nothing of a container's`);
}

/** @throws SafetyViolation where what is there can be another user's */
function checkPlace(root: string, directory: string): void {
  if (checkStateRoot(root) === "shared") checkOwn(directory);
}
