// A test's own folder: bundles, the runtime's state directory, logs. One word, unique on the machine, is in its path, in
// every id and in the environment of every call, so that what is left behind can be found and put down by that word alone.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { scaled } from "../../../conformance/engines/patience.ts";
import type { Json } from "./config.ts";
import { Container } from "./container.ts";
import { cgroupsOf, leftovers, processesOf } from "./leftovers.ts";
import { begin, type CallOptions, call, callDetached, type Result, type Running } from "./runtime.ts";

/** Compiled seccomp filters, which tsrun keeps for the next container. */
const FILTERS = "seccomp~";

/** Milliseconds that what was killed may take to die. Nothing that a test leaves behind ends sooner by itself. */
const DYING = scaled(5000);

export class Sandbox {
  /** The folder. */
  readonly directory = mkdtempSync(join(tmpdir(), "tsrun-test-"));
  /** The word by which everything of this sandbox is known. */
  readonly word = basename(this.directory);
  /** The runtime's state directory (`--root`). */
  readonly root = join(this.directory, "state");
  readonly #containers: Container[] = [];
  readonly #cleanups: (() => void | Promise<void>)[] = [];

  /** A new path in the folder. */
  path(name: string): string {
    return join(this.directory, name);
  }

  /** A new, empty directory in the folder. */
  makeDirectory(name: string): string {
    const path = this.path(name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** Lets everybody in, as users of a user namespace need it. */
  makeReachable(): void {
    chmodSync(this.directory, 0o755);
  }

  /** A bundle with the base configuration under the overrides, and the container that it is for. Nothing runs yet. */
  container(...overrides: readonly Json[]): Container {
    const container = new Container(this, `${this.word}-${this.#containers.length}`, overrides);
    this.#containers.push(container);
    return container;
  }

  /** Something to do before the folder goes, whether the test passed or not; last in, first out. */
  defer(cleanup: () => void | Promise<void>): void {
    this.#cleanups.push(cleanup);
  }

  /** Calls the runtime on this sandbox's state directory. */
  call(args: readonly string[], options: CallOptions = {}): Promise<Result> {
    return call(["--root", this.root, ...args], this.#marked(options));
  }

  /** Starts the runtime on this sandbox's state directory, with pipes. */
  begin(args: readonly string[], options: CallOptions = {}): Running {
    return begin(["--root", this.root, ...args], this.#marked(options));
  }

  /** Calls the runtime with files for output: for commands whose descriptors the container inherits. */
  callDetached(args: readonly string[], stem: string, options: CallOptions = {}): Promise<Result> {
    return callDetached(["--root", this.root, ...args], stem, this.#marked(options));
  }

  /** Deletes all containers, then fails if anything is left; the folder is removed in any case. */
  async close(): Promise<void> {
    const problems: string[] = [];
    for (const cleanup of this.#cleanups.reverse()) await this.#note(problems, cleanup);
    for (const container of this.#containers) await this.#note(problems, () => container.dispose());
    problems.push(...(await this.#settle()), ...this.#stateLeft());
    await this.#sweep();
    rmSync(this.directory, { recursive: true, force: true });
    if (problems.length > 0) throw new Error(`left behind:\n  ${problems.join("\n  ")}`);
  }

  /** Leftovers, once what was dying had the time to die. */
  async #settle(): Promise<string[]> {
    const end = Date.now() + DYING;
    let found = leftovers(this.word);
    while (found.length > 0 && Date.now() < end) {
      await sleep(20);
      found = leftovers(this.word);
    }
    return found;
  }

  #stateLeft(): string[] {
    try {
      return readdirSync(this.root).flatMap((name) => (name === FILTERS ? [] : [`state: ${name}`]));
    } catch {
      return []; // never made
    }
  }

  /** Puts down by force what the runtime did not: the next test must not suffer for it. */
  async #sweep(): Promise<void> {
    // What cgroup v1 has frozen does not die.
    for (const path of cgroupsOf(this.word))
      if (existsSync(`${path}/freezer.state`)) quietly(() => writeFileSync(`${path}/freezer.state`, "THAWED"));
    for (const { pid } of processesOf(this.word)) quietly(() => process.kill(pid, "SIGKILL"));
    for (const end = Date.now() + DYING; processesOf(this.word).length > 0 && Date.now() < end; ) await sleep(20);
    for (const path of cgroupsOf(this.word).reverse()) quietly(() => rmdirSync(path));
  }

  async #note(problems: string[], action: () => void | Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      problems.push(String(error));
    }
  }

  #marked(options: CallOptions): CallOptions {
    return { cwd: this.directory, ...options, env: { ...options.env, TSRUN_TEST: this.word } };
  }
}

function quietly(action: () => void): void {
  try {
    action();
  } catch {
    // already gone
  }
}
