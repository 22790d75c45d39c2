// The container that faults are tried on: its bundle, the commands on it, and what can be known of it from outside. Its
// program writes a report of all that the configuration gave it, so that a command that says it has succeeded although a
// call of it failed can be held to what it was asked for.

import { chmodSync, closeSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { Json } from "../root/harness/config.ts";
import type { Container } from "../root/harness/container.ts";
import { cgroupsOf } from "../root/harness/leftovers.ts";
import { acceptWaiting, listenUnix, readable, receiveDescriptors } from "../root/harness/libc.ts";
import { commandWords } from "../root/harness/runtime.ts";
import type { Sandbox } from "../root/harness/sandbox.ts";
import type { Command, Ended, Injector } from "./inject.ts";

/** Milliseconds that anything is waited for. */
const PATIENCE = 20_000;

/** Everything that one can see from inside and that is the same in every run. */
const REPORT = `
exec >/out/new 2>&1
hostname; id; pwd; umask; env | grep -v ^HOME= | sort; # HOME is / where passwd cannot be read, by design
 ulimit -n
if [ -e /proc/self/status ]; then
  grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/self/status
  cut -d' ' -f4-6,7- /proc/self/mountinfo | sed -E 's/(master|shared):[0-9]+/\\1/; s/lowerdir.*//'
  cat /proc/self/oom_score_adj /proc/self/limits /proc/self/uid_map /proc/self/gid_map /proc/self/timens_offsets
  cat /proc/self/cgroup /proc/sys/net/ipv4/ping_group_range
  ls -l /dev | sed -E 's/[A-Z][a-z]{2} +[0-9]+ +[0-9:]+//'
  ls /proc/scsi /proc/self/ns /proc/kcore
  echo x >/proc/sys/kernel/x; cat /proc/kcore | wc -c
fi
if [ -t 0 ]; then stty -a | head -n1; tty; fi
mv /out/new /out/report
`;

/** What a container's program is, to report. */
export const REPORTER: Json = { args: ["sh", "-c", REPORT] };

/** What else is special about it. */
export interface SubjectOptions {
  /** It has a terminal, which is sent to a console socket. */
  readonly terminal?: boolean;
  readonly withoutCgroups?: boolean;
}

export class Subject {
  readonly container: Container;
  readonly #box: Sandbox;
  readonly #injector: Injector;
  readonly #listener: number | undefined;
  readonly #createFlags: readonly string[];
  readonly #globals: readonly string[];
  readonly #terminals: number[] = [];
  readonly #out: string;
  #bundleFiles: readonly string[] = [];

  constructor(box: Sandbox, injector: Injector, overrides: readonly Json[], options: SubjectOptions = {}) {
    this.#box = box;
    this.#injector = injector;
    this.container = box.container(...overrides);
    this.#out = `${this.container.rootfs}/out`;
    mkdirSync(this.#out);
    chmodSync(this.#out, 0o777);
    chmodSync(box.directory, 0o711); // the root of a user namespace has to get to its bundle
    this.#globals = options.withoutCgroups ? ["--cgroup-manager", "disabled"] : [];
    const socket = box.path(`console-${this.container.id}`);
    this.#listener = options.terminal ? listenUnix(socket) : undefined;
    this.#createFlags = ["--pid-file", this.pidFile, ...(options.terminal ? ["--console-socket", socket] : [])];
    if (this.#listener !== undefined) box.defer(() => closeSync(this.#listener as number));
  }

  get pidFile(): string {
    return `${this.container.bundle}/pid`;
  }

  /** A call of tsrun's. */
  command(...args: readonly string[]): Command {
    const words = [...commandWords(), "--root", this.#box.root, ...this.#globals, ...args];
    return { words, env: { PATH: process.env.PATH, TSRUN_TEST: this.#box.word } };
  }

  create(): Command {
    if (this.#bundleFiles.length === 0) this.#bundleFiles = readdirSync(this.container.bundle);
    return this.command("create", "--bundle", this.container.bundle, ...this.#createFlags, this.container.id);
  }

  /** Runs a command that must succeed. */
  must(...args: readonly string[]): string {
    return this.#checked(this.command(...args));
  }

  /** Runs a command, whatever comes of it. */
  attempt(...args: readonly string[]): Ended {
    return this.attemptCommand(this.command(...args));
  }

  attemptCommand(command: Command): Ended {
    const ended = this.#injector.plain(command);
    this.takeTerminals();
    return ended;
  }

  /** Creates it, without a fault. */
  mustCreate(): void {
    this.#checked(this.create());
    this.takeTerminals();
  }

  #checked(command: Command): string {
    const { code, stdout, stderr } = this.#injector.plain(command);
    if (code !== 0) throw new Error(`${command.words.slice(3).join(" ")} ended with ${code}: ${stderr}`);
    return stdout;
  }

  /** What `delete --force` has to say against its duty; empty when it did it. */
  deleteByForce(): string[] {
    const { code, stderr } = this.#injector.plain(this.command("delete", "--force", this.container.id));
    this.takeTerminals();
    for (const fd of this.#terminals.splice(0)) closeSync(fd);
    this.forgetPidFile();
    return code === 0 && stderr === "" ? [] : [`delete --force ended with ${code}: ${stderr}`];
  }

  /** It is the caller's: no command but a failed create removes it. */
  forgetPidFile(): void {
    rmSync(this.pidFile, { force: true });
  }

  /** Keeps the terminals that were sent: the container has its program hung up on where nobody does. */
  takeTerminals(): void {
    if (this.#listener === undefined) return;
    while (readable(this.#listener)) {
      const connection = acceptWaiting(this.#listener);
      if (readable(connection)) this.#terminals.push(...receiveDescriptors(connection).descriptors);
      closeSync(connection);
    }
  }

  /** The status by `state`; undefined where it knows no such container. @throws when it says anything else */
  status(): { status: string; pid: number } | undefined {
    const { code, stdout, stderr } = this.#injector.plain(this.command("state", this.container.id));
    if (code === 0) return JSON.parse(stdout) as { status: string; pid: number };
    if (/does not exist/.test(stderr)) return undefined;
    throw new Error(`state ended with ${code}: ${stderr}`);
  }

  /** What its program says of itself; waits for it. */
  report(): string {
    const file = `${this.#out}/report`;
    waitFor(() => existsSync(file), `a report from ${this.container.id}`);
    const text = readFileSync(file, "utf8");
    rmSync(file);
    return text;
  }

  forgetReport(): void {
    for (const name of ["report", "new"]) rmSync(`${this.#out}/${name}`, { force: true });
  }

  /** What there is of it: state, cgroups, mounts, files. Empty once it is gone. */
  traces(): string[] {
    const { id, bundle } = this.container;
    const states = namesIn(this.#box.root).filter((name) => name !== "seccomp~");
    const cgroups = namesIn("/sys/fs/cgroup").map((name) => `/sys/fs/cgroup/${name}/${id}`);
    const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
    const files = readdirSync(bundle).filter((name) => !this.#bundleFiles.includes(name));
    const litter = namesIn(`${this.#box.root}/seccomp~`).filter((name) => name.includes("."));
    return [
      ...litter.map((name) => `file in the cache of filters: ${name}`),
      ...states.map((name) => `state: ${name}`),
      ...[...cgroups, `/sys/fs/cgroup/${id}`].filter(existsSync).map((path) => `cgroup: ${path}`),
      ...mounts.filter((line) => line.includes(id)).map((line) => `mount: ${line}`),
      ...files.map((name) => `file in the bundle: ${name}`),
    ];
  }

  forgetCache(): void {
    rmSync(`${this.#box.root}/seccomp~`, { recursive: true, force: true });
  }

  /** The processes in its cgroup. */
  processes(): number[] {
    const [place] = cgroupsOf(this.container.id).filter((path) => !path.includes("/unified/"));
    if (place === undefined) return [];
    return readFileSync(`${place}/cgroup.procs`, "utf8").split("\n").map(Number).filter(Boolean);
  }
}

/** Waits until it is so. */
export function waitFor(isSo: () => boolean, what: string): void {
  for (const end = Date.now() + PATIENCE; !isSo(); pause())
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
}

const CELL = new Int32Array(new SharedArrayBuffer(4));

function pause(): void {
  Atomics.wait(CELL, 0, 0, 2);
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return []; // never made
  }
}
