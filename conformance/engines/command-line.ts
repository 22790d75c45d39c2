// Docker and Podman have one command line between them: what both are tested with (shared-operations.ts) speaks it through this.

import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Result } from "../../test/root/harness/runtime.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { callProgram } from "./engine.ts";
import { scaled } from "./patience.ts";
import { onTerminal, type Pty } from "./pty.ts";

/** The image of every test. */
export const IMAGE = "busybox";

/** Goes on until it is told to end, and says so. */
export const UNTIL_TERM = "trap 'echo bye; exit 0' TERM; echo hi; sleep 1000 & wait";

let count = 0;

export class CommandLine {
  readonly box: Sandbox;
  /** The client and what stands before every command. */
  readonly words: readonly [string, ...string[]];
  /** Flags of every `run` and `create`; those with a value in one word with it. */
  readonly #defaults: readonly string[];
  /** Names of containers that the test has made. */
  readonly #names: string[] = [];

  constructor(box: Sandbox, words: readonly [string, ...string[]], defaults: readonly string[]) {
    this.box = box;
    this.words = words;
    this.#defaults = defaults;
  }

  forTest(): CommandLine {
    return new CommandLine(this.box, this.words, this.#defaults);
  }

  /** Any command. */
  call(...args: string[]): Promise<Result> {
    return this.callWith(undefined, ...args);
  }

  /** Any command, with its standard input. */
  callWith(input: string | Readable | undefined, ...args: string[]): Promise<Result> {
    const [program, ...globals] = this.words;
    return callProgram(this.box, program, [...globals, ...args], input);
  }

  /** A command that is to succeed; its output without the last newline. */
  async output(...args: string[]): Promise<string> {
    return succeeded(await this.call(...args), args.join(" "));
  }

  /** `run --rm`: flags, and what runs in the image. */
  run(flags: readonly string[], ...command: string[]): Promise<Result> {
    return this.call("run", "--rm", "--name", this.newName(), ...this.#flags(flags), IMAGE, ...command);
  }

  /** What a shell's script prints in a container of these flags. */
  async shell(flags: readonly string[], script: string): Promise<string> {
    return succeeded(await this.run(flags, "sh", "-c", script), `${flags.join(" ")}: ${script}`);
  }

  /** `run --detach`: its name. */
  async start(flags: readonly string[], ...command: string[]): Promise<string> {
    const name = this.newName();
    const words = command.length === 0 ? ["sh", "-c", UNTIL_TERM] : command;
    const result = await this.call("run", "--detach", "--name", name, ...this.#flags(flags), IMAGE, ...words);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    return name;
  }

  /** `create`: its name. */
  async create(flags: readonly string[], ...command: string[]): Promise<string> {
    const name = this.newName();
    await this.output("create", "--name", name, ...this.#flags(flags), IMAGE, ...command);
    return name;
  }

  /** `run --rm` with a terminal. */
  runOnTerminal(flags: readonly string[], ...command: string[]): Pty {
    return this.onTerminal("run", "--rm", "--name", this.newName(), ...this.#flags(flags), IMAGE, ...command);
  }

  /** Any command with a terminal. */
  onTerminal(...args: string[]): Pty {
    return onTerminal(this.box, [...this.words, ...args]);
  }

  inspect(name: string, format: string): Promise<string> {
    return this.output("inspect", "--format", format, name);
  }

  status(name: string): Promise<string> {
    return this.inspect(name, "{{.State.Status}}");
  }

  async pid(name: string): Promise<number> {
    return Number(await this.inspect(name, "{{.State.Pid}}"));
  }

  newName(): string {
    count += 1;
    const name = `box${count}`;
    this.#names.push(name);
    return name;
  }

  async tidy(): Promise<void> {
    const all = (await this.output("ps", "--all", "--format", "{{.Names}}")).split("\n");
    const left = this.#names.filter((name) => all.includes(name));
    // Podman may find the first time that a mount is still busy.
    const remove = ["rm", "--force", "--volumes", ...left];
    if (left.length > 0 && (await this.call(...remove)).code !== 0) await this.output(...remove);
  }

  /** One network only may be named. */
  #flags(flags: readonly string[]): readonly string[] {
    const own = ["--network=", "--pod="].filter((start) => flags.some((flag) => flag.startsWith(start)));
    return [...this.#defaults.filter((flag) => own.length === 0 || !flag.startsWith("--network=")), ...flags];
  }
}

/** Input that comes and ends after a moment each: an engine that sees its end too early may forget the output. */
export function later(text: string): Readable {
  return Readable.from(
    (async function* () {
      await sleep(scaled(1000));
      yield text;
      await sleep(scaled(1500));
    })(),
  );
}

/** What a command printed, without the last newline; an error with all that it said if it failed. */
export function succeeded({ code, stdout, stderr }: Result, what: string): string {
  if (code !== 0) throw new Error(`${what}: status ${code}\n${stdout}${stderr}`);
  return stdout.trimEnd();
}

/** Asks until the answer matches. */
export async function eventually(ask: () => Promise<string>, pattern: RegExp | string): Promise<void> {
  const end = Date.now() + scaled(20_000);
  for (let answer = await ask(); answer.match(pattern) === null; answer = await ask()) {
    if (Date.now() > end) throw new Error(`no ${pattern} in ${JSON.stringify(answer)}`);
    await sleep(50);
  }
}
