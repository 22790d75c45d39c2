// One container of a test: its bundle on disk, its id, and the runtime's commands on it.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { cgroupsPathOf } from "./cgroup-files.ts";
import { config, type Json, merge } from "./config.ts";
import { makeRootfs } from "./rootfs.ts";
import type { CallOptions, Result, Running } from "./runtime.ts";
import type { Sandbox } from "./sandbox.ts";
import { PATIENCE, until } from "./until.ts";

/** What `state` prints. */
export interface State {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: string;
  readonly pid: number;
  readonly bundle: string;
  readonly created?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

export class Container {
  readonly id: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly #box: Sandbox;

  constructor(box: Sandbox, id: string, overrides: readonly Json[]) {
    this.#box = box;
    this.id = id;
    this.bundle = box.path(`bundle-${id}`);
    this.rootfs = join(this.bundle, "rootfs");
    makeRootfs(this.rootfs);
    this.configure(...overrides);
  }

  /** Writes config.json anew. The cgroup is `/<id>` unless the overrides say otherwise. */
  configure(...overrides: readonly Json[]): void {
    this.writeConfig(JSON.stringify(config({ linux: { cgroupsPath: cgroupsPathOf(this.id) } }, ...overrides)));
  }

  /** Writes config.json as given. */
  writeConfig(text: string): void {
    writeFileSync(join(this.bundle, "config.json"), text);
  }

  /** Writes a file into the root file system, before the container is made. */
  writeFile(path: string, text: string, mode = 0o644): void {
    mkdirSync(join(this.rootfs, path, ".."), { recursive: true });
    writeFileSync(join(this.rootfs, path), text, { mode });
  }

  /** Reads a file of the root file system as the host sees it. */
  readFile(path: string): string {
    return readFileSync(join(this.rootfs, path), "utf8");
  }

  create(flags: readonly string[] = [], options: CallOptions = {}): Promise<Result> {
    const args = ["create", "--bundle", this.bundle, ...flags, this.id];
    return this.#box.callDetached(args, this.#log, options);
  }

  start(options: CallOptions = {}): Promise<Result> {
    return this.#box.call(["start", this.id], options);
  }

  /** `run` in the foreground, to its end. */
  run(flags: readonly string[] = [], options: CallOptions = {}): Promise<Result> {
    return this.#box.call(["run", "--bundle", this.bundle, ...flags, this.id], options);
  }

  /** `run` in the foreground; returns while it runs. */
  beginRun(flags: readonly string[] = [], options: CallOptions = {}): Running {
    return this.#box.begin(["run", "--bundle", this.bundle, ...flags, this.id], options);
  }

  runDetached(flags: readonly string[] = [], options: CallOptions = {}): Promise<Result> {
    const args = ["run", "--detach", "--bundle", this.bundle, ...flags, this.id];
    return this.#box.callDetached(args, this.#log, options);
  }

  /** `exec` in the foreground with a command line. */
  exec(command: readonly string[], flags: readonly string[] = [], options: CallOptions = {}): Promise<Result> {
    return this.#box.call(["exec", ...flags, this.id, ...command], options);
  }

  /** `exec --process` in the foreground, with a process object laid over a plain one. */
  execProcess(process: Json, flags: readonly string[] = [], options: CallOptions = {}): Promise<Result> {
    return this.#box.call(["exec", "--process", this.processFile(process), ...flags, this.id], options);
  }

  execDetached(command: readonly string[], flags: readonly string[] = [], options: CallOptions = {}): Promise<Result> {
    return this.#box.callDetached(["exec", "--detach", ...flags, this.id, ...command], `${this.#log}-exec`, options);
  }

  /** Writes a process object for `exec --process` and returns its path. */
  processFile(process: Json): string {
    const path = join(this.bundle, "process.json");
    const plain: Json = { terminal: false, user: { uid: 0, gid: 0 }, args: ["true"], env: ["PATH=/bin"], cwd: "/" };
    writeFileSync(path, JSON.stringify(merge(plain, process)));
    return path;
  }

  kill(...args: readonly string[]): Promise<Result> {
    return this.#box.call(["kill", this.id, ...args]);
  }

  delete(...flags: readonly string[]): Promise<Result> {
    return this.#box.call(["delete", ...flags, this.id]);
  }

  /** The state; throws with the runtime's words when there is none. */
  async state(): Promise<State> {
    const result = await this.#box.call(["state", this.id]);
    if (result.code !== 0) throw new Error(result.stderr);
    return JSON.parse(result.stdout) as State;
  }

  /** Waits until `state` says so. */
  async until(status: string): Promise<State> {
    const start = Date.now();
    for (;;) {
      const state = await this.state();
      if (state.status === status) return state;
      if (Date.now() - start > PATIENCE) throw new Error(`${this.id} is ${state.status}, never became ${status}`);
      await sleep(10);
    }
  }

  /** Waits until there is a state and it says running. */
  async untilRunning(): Promise<State> {
    for (const start = Date.now(); ; ) {
      const state = await this.state().catch((error) => {
        if (Date.now() - start > PATIENCE) throw error;
      });
      if (state !== undefined && state.status !== "creating") return this.until("running");
      await sleep(10);
    }
  }

  /** What the process of a created or detached container has written to standard output. */
  output(): string {
    return readFileSync(`${this.#log}.out`, "utf8");
  }

  /** The same of standard error. */
  errors(): string {
    return readFileSync(`${this.#log}.err`, "utf8");
  }

  /** Waits for a line of output. */
  async untilOutput(text: string): Promise<string> {
    await until(
      () => this.output().includes(text),
      () => `"${text}" in:\n${this.output()}${this.errors()}`,
    );
    return this.output();
  }

  /** Removes it, if it is there. */
  async dispose(): Promise<void> {
    if (!existsSync(join(this.#box.root, this.id))) return;
    const result = await this.delete("--force");
    if (result.code !== 0) throw new Error(`delete --force ${this.id}: ${result.stderr}`);
  }

  get #log(): string {
    return this.#box.path(this.id);
  }
}
