// A container's cgroup: one directory in each hierarchy of the host. cgroups(7); "config-linux.md#control-groups".
//
// It is limited before anything is in it, and joined by the container's first process itself: a single-threaded process
// that writes "0" to its own v1 `tasks` file skips the lock that whoever writes another process's id waits 10 ms for, and
// a v2 cgroup is entered by clone3(CLONE_INTO_CGROUP). So this class opens what is to be written or cloned into, and
// the agent, which may not see the files any more, gets the descriptors.

import type { LinuxResources } from "../../spec/config.gen.ts";
import { O_DIRECTORY, O_RDONLY, O_WRONLY } from "../abi/fcntl.ts";
import { close as closeFile, open as openFile } from "../files.ts";
import { CgroupError, errnoOf, failed } from "./error.ts";
import { freeze, isPaused, thaw } from "./freezer.ts";
import { hasFrozenInside, isFrozenInside } from "./frozen-inside.ts";
import type { CgroupMode } from "./host.ts";
import { checkMemoryUse } from "./memory-check.ts";
import { killV1, killV2, processesBelow, signalBelow, thawV1 } from "./processes.ts";
import { removeAll } from "./remove.ts";
import { planResources } from "./resources.ts";
import type { Write } from "./setting.ts";
import { stopUnit } from "./systemd/manager.ts";
import type { Unit } from "./systemd/unit.ts";
import { readFile, writeAll, writeFile } from "./write.ts";

/** A cgroup as state.json keeps it: the container's directory by hierarchy name ("memory", "cpu,cpuacct", "" for v2). */
export interface CgroupRecord {
  readonly mode: CgroupMode;
  readonly paths: { readonly [hierarchy: string]: string };
  /** The systemd unit that it is the cgroup of. */
  readonly unit?: Unit | undefined;
}

/** Descriptors by which a process joins. They are the caller's to hand on; disposing closes tsrun's own. */
export interface JoinDescriptors extends Disposable {
  /** v1 `tasks` files, write-only: a single-threaded process writes "0" to each. */
  readonly tasks: readonly number[];
  /** The v2 directory for CLONE_INTO_CGROUP; undefined on a v1 host. On a hybrid host both kinds are there. */
  readonly directory: number | undefined;
}

/** The directories of one container. */
export class Cgroup {
  /** Of a process that stays where it is. */
  static readonly NONE = new Cgroup("v1", new Map());

  readonly mode: CgroupMode;
  /** Under the systemd driver, the unit that it belongs to. */
  readonly unit: Unit | undefined;
  readonly #paths: ReadonlyMap<string, string>;

  /** For cgroups that exist: `createCgroup` makes them. Without paths it is the cgroup of a container that has none. */
  constructor(mode: CgroupMode, paths: ReadonlyMap<string, string>, unit?: Unit) {
    this.mode = mode;
    this.unit = unit;
    this.#paths = paths;
  }

  static fromRecord({ mode, paths, unit }: CgroupRecord): Cgroup {
    return new Cgroup(mode, new Map(Object.entries(paths)), unit);
  }

  record(): CgroupRecord {
    return { mode: this.mode, paths: Object.fromEntries(this.#paths), unit: this.unit };
  }

  /**
   * Sets the limits that `resources` has and leaves the others. Devices are set once, by createCgroup.
   * @throws ConfigError for a setting that cannot be made here
   * @throws CgroupError naming field, file, value and errno of a write that failed
   */
  apply(resources: LinuxResources): void {
    const directory = this.mode === "v2" ? this.directory("memory") : undefined;
    if (resources.memory !== undefined && directory !== undefined) checkMemoryUse(resources.memory, directory);
    this.write(planResources(resources, this.version));
  }

  /** Carries out what was planned for this cgroup. @throws as `apply` */
  write(plan: readonly Write[]): void {
    writeAll(plan, (controller) => this.directory(controller));
  }

  /** The container's directory in a controller's hierarchy; undefined when it has none there. */
  directory(controller: string): string | undefined {
    if (this.mode === "v2") return this.#paths.get("");
    for (const [name, path] of this.#paths) if (name.split(",").includes(controller)) return path;
    return undefined;
  }

  /** The text of a file of it, "memory.max", without the newline; undefined where there is none. */
  read(file: string): string | undefined {
    const directory = this.directory(file.slice(0, file.indexOf(".")));
    return directory === undefined ? undefined : readFile(`${directory}/${file}`);
  }

  /** Opens what a process needs to join. @throws CgroupError */
  open(): JoinDescriptors {
    const opened: number[] = [];
    const close = () => {
      for (const fd of opened.splice(0)) closeFile(fd);
    };
    try {
      for (const [name, path] of this.#paths) if (name !== "") opened.push(open(`${path}/tasks`, O_WRONLY));
      const tasks = [...opened];
      const unified = this.#paths.get("");
      const directory = unified === undefined ? undefined : open(unified, O_RDONLY | O_DIRECTORY);
      if (directory !== undefined) opened.push(directory);
      return { tasks, directory, [Symbol.dispose]: close };
    } catch (error) {
      close();
      throw error;
    }
  }

  /** Moves a process into it, in every hierarchy, from outside. On v1 that takes the kernel ten milliseconds. */
  add(pid: number): void {
    for (const path of this.#paths.values()) {
      const code = writeFile(`${path}/cgroup.procs`, String(pid));
      if (code !== undefined) throw failed(`write ${path}/cgroup.procs "${pid}"`, code);
    }
  }

  /** Ids of all processes in the container's cgroup and below it, as tsrun's pid namespace numbers them. */
  pids(): number[] {
    const path = this.#listed();
    return path === undefined ? [] : processesBelow(path);
  }

  /** Signals all of them. Returns their ids. */
  signalAll(signal: number): readonly number[] {
    const path = this.#listed();
    if (path === undefined) return [];
    const pids = processesBelow(path);
    signalBelow(path, pids, signal);
    return pids;
  }

  /** Sends SIGKILL to all of them. They may still be on their way out when this returns; `remove` waits. */
  killAll(): void {
    const unified = this.#paths.get("");
    const killed = unified !== undefined && killV2(unified);
    if (this.mode === "v2" && killed) return;
    // A process that the container moved out of its hybrid cgroup is still in the v1 ones, and a frozen one needs a thaw.
    const path = this.#listed();
    if (path !== undefined) killV1(path, this.directory("freezer"));
  }

  /** Whether the container is paused. */
  frozen(): boolean {
    const path = this.directory("freezer");
    return path !== undefined && isPaused(path, this.version);
  }

  /** Whether the container has frozen cgroups of its own. @throws CgroupError */
  hasFrozenInside(): boolean {
    const path = this.directory("freezer");
    return path !== undefined && hasFrozenInside(path, this.version);
  }

  /** Whether a process of it is held in one of those, and not because the container is paused. @throws CgroupError */
  isFrozenInside(pid: number): boolean {
    const path = this.directory("freezer");
    return path !== undefined && isFrozenInside(path, this.version, pid);
  }

  /** Stops all processes; waits until they have stopped. @throws CgroupError */
  freeze(): void {
    freeze(this.#freezer(), this.version);
  }

  /** Lets them go on. @throws CgroupError */
  thaw(): void {
    thaw(this.#freezer(), this.version);
  }

  /** Lets what has a SIGKILL come to its end: on v1 a frozen process does not. No error where nothing is frozen, or left. */
  letDie(): void {
    const path = this.mode === "v2" ? undefined : this.directory("freezer");
    if (path !== undefined) thawV1(path);
  }

  /**
   * Removes all directories and what the container made below them, and its unit; no error when they are gone already.
   * Waits up to ten seconds for processes that were killed. @throws CgroupError naming those that stay
   */
  remove(): void {
    if (this.unit !== undefined) stopUnit(this.unit);
    this.removeDirectories();
  }

  /** As remove, but for the unit: systemd ends one that has become empty by itself, and one that has not may be another's. */
  removeDirectories(): void {
    removeAll([...this.#paths.values()]);
  }

  #freezer(): string {
    const path = this.directory("freezer");
    if (path === undefined) throw new CgroupError("cannot toggle freezer: cgroups not configured for container");
    return path;
  }

  /** Hybrid hosts keep their controllers on v1. */
  get version(): "v1" | "v2" {
    return this.mode === "v2" ? "v2" : "v1";
  }

  /** One hierarchy tells all processes. The devices controller is the one that a container is least able to leave. */
  #listed(): string | undefined {
    return this.directory("devices") ?? this.#paths.values().next().value;
  }
}

function open(path: string, flags: number): number {
  try {
    return openFile(path, flags);
  } catch (error) {
    throw failed(`open ${path}`, errnoOf(error));
  }
}
