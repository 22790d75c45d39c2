// Runs tsrun under inject.c, which makes one of its system calls fail, or kills it there, and tells what came of it.

import { execFileSync, spawnSync } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { X64_SYSCALLS } from "../../src/linux/abi/syscalls-x64.ts";
import { type Missing, program } from "../root/harness/needs.ts";

const SOURCE = fileURLToPath(new URL("inject.c", import.meta.url));
/** Where scripts/vm.mjs puts it for a guest. */
const PREPARED = fileURLToPath(new URL("../../.cache/inject", import.meta.url));
const FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"];
/** After which a command hangs, in seconds: more than a cgroup's patience, less than a lock's. */
const PATIENCE = 20;

const NAMES = new Map<number, string>(Object.entries(X64_SYSCALLS).map(([name, number]) => [number, name]));

/** A system call of a command: the process's number in the order of their coming (tsrun is 0), and the call's in it. */
export interface Call {
  readonly process: number;
  readonly index: number;
  readonly name: string;
  /** With its arguments, for a person. */
  readonly text: string;
}

/** What is done at a call: an errno that it fails with, tsrun killed, or the process that makes it. */
export type Fault = number | "kill" | "end";

export interface Outcome {
  /** How tsrun ended: its status, -1 for a signal; undefined where it had to be ended. */
  readonly code: number | undefined;
  /** Whether the call came to be. Others' doings may change how many calls there are. */
  readonly hit: boolean;
  /** Processes that were there long after an end that was no success. */
  readonly left: readonly number[];
  readonly calls: readonly Call[];
  readonly stderr: string;
}

/** How to call the program. */
export interface Command {
  readonly words: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** A process to take in as number 1. */
  readonly attach?: number | undefined;
}

/** What keeps it from being used here. */
export function injectorMissing(): Missing {
  if (process.arch !== "x64") return "the helper knows the registers of x86-64 only";
  return existsSync(PREPARED) ? undefined : program("cc");
}

/** How a command without a fault ended; null: by a signal, or too late. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Injector {
  readonly #folder: string;
  readonly #program: string;

  /** Compiles it into `folder`, which also takes its reports; where there is no compiler (in a guest) the host has done so. */
  constructor(folder: string) {
    this.#folder = folder;
    this.#program = existsSync(PREPARED) && program("cc") !== undefined ? PREPARED : `${folder}/inject`;
    if (this.#program !== PREPARED) execFileSync("cc", [...FLAGS, "-o", this.#program, SOURCE], { stdio: "pipe" });
  }

  /** All calls that the command makes. */
  list(command: Command): Outcome {
    return this.#run(command, { process: 0, index: 0 }, "list");
  }

  /** The command with a fault. */
  inject(command: Command, at: Pick<Call, "process" | "index">, fault: Fault): Outcome {
    return this.#run(command, at, String(fault));
  }

  /** The command without a fault, untraced. */
  plain({ words, env }: Command): Ended {
    const [program = "", ...args] = words;
    const out = openSync(`${this.#folder}/plain.out`, "w");
    const err = openSync(`${this.#folder}/plain.err`, "w");
    const { status } = spawnSync(program, args, { env, stdio: ["ignore", out, err], timeout: PATIENCE * 1000 });
    closeSync(out);
    closeSync(err);
    return { code: status, stdout: this.#read("plain.out"), stderr: this.#read("plain.err") };
  }

  #run({ words, env, attach = 0 }: Command, at: Pick<Call, "process" | "index">, fault: string): Outcome {
    const stream = openSync(`${this.#folder}/err`, "w");
    const flags = [`${this.#folder}/report`, PATIENCE, attach, at.process, at.index, fault].map(String);
    const { status } = spawnSync(this.#program, [...flags, ...words], { env, stdio: ["ignore", stream, stream] });
    closeSync(stream);
    if (status !== 0) throw new Error(`inject ended with ${status}: ${flags.join(" ")} ${words.join(" ")}`);
    return { ...outcomeOf(this.#read("report")), stderr: this.#read("err") };
  }

  #read(name: string): string {
    return readFileSync(`${this.#folder}/${name}`, "utf8");
  }
}

function outcomeOf(report: string): Omit<Outcome, "stderr"> {
  const lines = report.trimEnd().split("\n");
  const numbers = (word: string) =>
    lines.filter((line) => line.startsWith(`${word} `)).map((line) => Number(line.slice(word.length)));
  const hung = lines.includes("hang");
  return {
    code: hung ? undefined : (numbers("exit")[0] ?? -1),
    hit: lines.includes("hit"),
    left: numbers("left"),
    calls: lines.filter((line) => line.startsWith("call ")).map(callOf),
  };
}

function callOf(line: string): Call {
  const [, process, index, number, ...args] = line.split(" ");
  const name = NAMES.get(Number(number)) ?? `call ${number}`;
  return { process: Number(process), index: Number(index), name, text: `${name}(${args.join(", ")})` };
}
