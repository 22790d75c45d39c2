// A v2 cgroup to attach programs to, and processes in it that try devices.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { join } from "node:path";
import { cgroupHost } from "../../../src/linux/cgroups/host.ts";
import { sweep, uniqueName } from "../cgroups/fixture.ts";

/** Where the host's v2 hierarchy is mounted; undefined, with the reason printed, where these tests cannot run. */
export function v2Mount(): string | undefined {
  const mount = cgroupHost().hierarchies.find(({ name }) => name === "")?.mount;
  const reason =
    process.getuid?.() !== 0 ? "not root" : mount === undefined ? "no cgroup v2 hierarchy is mounted" : undefined;
  if (reason === undefined) return mount;
  console.warn(`skipped: ${reason}`);
  return undefined;
}

/** A cgroup of its own; disposing ends what is in it. */
export class TestCgroup implements Disposable {
  readonly path: string;
  /** Its directory's descriptor. */
  readonly fd: number;
  readonly #name = uniqueName();

  constructor(mount: string) {
    this.path = join(mount, this.#name);
    mkdirSync(this.path);
    this.fd = openSync(this.path, constants.O_RDONLY | constants.O_DIRECTORY);
  }

  /** What a shell in the cgroup prints. */
  run(script: string): string {
    return execFileSync("/bin/busybox", this.#inside(script), {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
  }

  /** A shell in the cgroup that goes on. */
  start(script: string): ChildProcess {
    return spawn("/bin/busybox", this.#inside(script), { stdio: ["ignore", "pipe", "ignore"] });
  }

  /** Whether a process in the cgroup can open a node: "<" to read, ">" to write, "<>" for both. */
  opens(node: string, how: "<" | ">" | "<>"): boolean {
    // Not ":", which is a special builtin: a redirection of it that fails ends the shell.
    return this.run(`if true ${how}${node}; then echo yes; fi`) === "yes\n";
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
    sweep(this.#name);
  }

  #inside(script: string): string[] {
    return ["sh", "-c", `echo 0 >"$0"/cgroup.procs || exit 9; ${script}`, this.path];
  }
}
