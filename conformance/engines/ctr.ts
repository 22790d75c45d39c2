// containerd and its client `ctr`, for many tests: the runtime is what its runc shim calls, by `--runc-binary`.

import type { Readable } from "node:stream";
import { type Missing, program } from "../../test/root/harness/needs.ts";
import type { Result } from "../../test/root/harness/runtime.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { until } from "../../test/root/harness/until.ts";
import { succeeded, UNTIL_TERM } from "./command-line.ts";
import { startContainerd } from "./containerd.ts";
import { callProgram, cgroupDriver, cgroupParent, imageTar, runtimeProgram } from "./engine.ts";
import { onTerminal, type Pty } from "./pty.ts";
import { helpOf } from "./requirements.ts";

const IMAGE = "localhost/busybox:latest";
/** Plug-ins that these tests have no use for and that want things which may be missing. */
const DISABLED = [
  "grpc.v1.cri",
  "snapshotter.v1.devmapper",
  "snapshotter.v1.zfs",
  "snapshotter.v1.btrfs",
  "snapshotter.v1.aufs",
  "internal.v1.opt",
];

let count = 0;

/** The client `ctr`. */
export class Ctr {
  readonly box: Sandbox;
  readonly #globals: readonly string[];
  readonly #runtime: readonly string[];
  readonly #names: string[] = [];

  constructor(box: Sandbox, globals: readonly string[], runtime: readonly string[]) {
    this.box = box;
    this.#globals = globals;
    this.#runtime = runtime;
  }

  forTest(): Ctr {
    return new Ctr(this.box, this.#globals, this.#runtime);
  }

  call(...args: string[]): Promise<Result> {
    return this.callWith(undefined, ...args);
  }

  callWith(input: string | Readable | undefined, ...args: string[]): Promise<Result> {
    return callProgram(this.box, "ctr", [...this.#globals, ...args], input);
  }

  async output(...args: string[]): Promise<string> {
    return succeeded(await this.call(...args), args.join(" "));
  }

  run(flags: readonly string[], ...command: string[]): Promise<Result> {
    return this.runWith(undefined, flags, ...command);
  }

  runWith(input: string | Readable | undefined, flags: readonly string[], ...command: string[]): Promise<Result> {
    return this.callWith(input, "run", "--rm", ...this.#flags(flags), IMAGE, this.newName(), ...command);
  }

  async shell(flags: readonly string[], script: string): Promise<string> {
    return succeeded(await this.run(flags, "sh", "-c", script), `${flags.join(" ")}: ${script}`);
  }

  /** `run --detach`: its name. */
  async start(flags: readonly string[], ...command: string[]): Promise<string> {
    const words = command.length === 0 ? ["sh", "-c", UNTIL_TERM] : command;
    const name = this.newName();
    await this.output("run", "--detach", ...this.#flags(flags, name), IMAGE, name, ...words);
    return name;
  }

  exec(name: string, flags: readonly string[], ...command: string[]): Promise<Result> {
    return this.call("task", "exec", ...this.execFlags(), ...flags, name, ...command);
  }

  execFlags(): string[] {
    return ["--fifo-dir", this.box.path("fifo"), "--exec-id", `exec${count++}`];
  }

  onTerminal(...args: string[]): Pty {
    return onTerminal(this.box, ["ctr", ...this.#globals, ...args]);
  }

  runOnTerminal(flags: readonly string[], ...command: string[]): Pty {
    return this.onTerminal("run", "--rm", "--tty", ...this.#flags(flags), IMAGE, this.newName(), ...command);
  }

  /** `run --detach` with a terminal, for which ctr wants one itself: its name. */
  async startOnTerminal(...command: string[]): Promise<string> {
    const name = this.newName();
    const client = this.onTerminal("run", "--detach", "--tty", ...this.#flags([], name), IMAGE, name, ...command);
    if ((await client.ended()) !== 0) throw new Error(`run --detach --tty ${name} failed`);
    return name;
  }

  /** The cgroup has the usual name, which systemd could not take, and the runtime is the PATH's: not all versions have flags. */
  create(name: string, ...command: string[]): Promise<string> {
    return this.output("container", "create", "--snapshotter", "overlayfs", IMAGE, name, ...command);
  }

  /** Id and status of its first process. */
  async task(name: string): Promise<{ pid: number; status: string }> {
    const line = (await this.output("task", "ls")).split("\n").find((each) => each.startsWith(`${name} `));
    const [, pid, status] = line?.split(/ +/) ?? [];
    return { pid: Number(pid), status: status ?? "none" };
  }

  newName(): string {
    count += 1;
    const name = `box${count}`;
    this.#names.push(name);
    return name;
  }

  lastName(): string {
    return this.#names.at(-1) ?? "none";
  }

  /** A foreground command may be removing its container just then: what one call does not find is no error, but that one stays is. */
  async tidy(): Promise<void> {
    const complaints: string[] = [];
    for (const name of await this.#left()) {
      const task = await this.call("task", "rm", "--force", name); // its status is the task's
      complaints.push(task.stderr, (await this.call("container", "rm", name)).stderr);
    }
    let left: string[] = [];
    const gone = async () => {
      left = await this.#left();
      return left.length === 0;
    };
    await until(gone, () => `the removal of ${left.join(", ")}:\n${complaints.join("")}`, 50);
  }

  /** Those of its containers that there are. */
  async #left(): Promise<string[]> {
    const all = (await this.output("container", "ls", "--quiet")).split("\n");
    return this.#names.filter((name) => all.includes(name));
  }

  /** Where systemd makes the cgroups, each container's is named; else it is the namespace and the container's name. */
  #flags(flags: readonly string[], name = `box${count + 1}`): string[] {
    const bySystemd = ["--runc-systemd-cgroup", "--cgroup", `${cgroupParent(this.box)}:ctr:${this.box.word}-${name}`];
    return [...this.#runtime, ...(cgroupDriver === "systemd" ? bySystemd : []), ...flags];
  }
}

export async function containerd(box: Sandbox): Promise<Ctr> {
  // Of ctr's commands some versions forget --runc-binary: create, and run with --uidmap.
  const { globals } = await startContainerd(box, { disabled: DISABLED, asRunc: true });
  const flags = ["--snapshotter", "overlayfs", "--fifo-dir", box.path("fifo"), "--runc-binary", runtimeProgram(box)];
  const engine = new Ctr(box, globals, flags);
  await engine.output("image", "import", "--snapshotter", "overlayfs", imageTar(box, IMAGE));
  return engine;
}

/** What every test of it needs. */
export const containerdPrograms = [
  program("containerd"),
  program("ctr"),
  program("containerd-shim-runc-v2"),
  program("script"),
];

/** Needs a flag of `ctr run` that came later than the oldest containerd that we know. */
export function ctrFlag(name: string): Missing {
  return helpOf("ctr", "run").includes(`${name} `) ? undefined : `this version of ctr has no ${name}`;
}
