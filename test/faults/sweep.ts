// One command, with one fault at one of its system calls, again and again: every call, every fault, or every nth of them.

import { setImmediate } from "node:timers/promises";
import { errnoName } from "../../src/linux/abi/errno.ts";
import { faultsAt } from "./errnos.ts";
import type { Call, Command, Fault, Injector, Outcome } from "./inject.ts";

/** A command that faults are tried in. */
export interface Scenario {
  readonly name: string;
  /** How many faults of it are tried where not all are. */
  readonly sample: number;
  /** The status that it ends with where nothing fails. */
  readonly code: number;
  /** Makes what the command works on, if it is not there, and says which command. */
  readonly prepare: () => Command;
  /** Removes all, whatever state it is in; what is left then. */
  readonly recover: () => string[];
  /** What is wrong after it; puts all back that the next `prepare` does not expect. */
  readonly check: (outcome: Outcome, fault: Fault | undefined) => string[];
}

/** What came of a scenario. */
export interface Tally {
  readonly name: string;
  calls: number;
  possible: number;
  tried: number;
  missed: number;
  refused: number;
  succeeded: number;
  killed: number;
  readonly defects: string[];
}

const SIGKILL = 9;

/** Text of a crash, which is no way to tell of an error. */
export const crashText =
  /TypeError|RangeError|ReferenceError|SyntaxError|undefined|NaN|\[object |internal error|is not a function|^ +at /m;

/** Tries the scenario. `all`: every fault at every call. */
export async function sweep(injector: Injector, scenario: Scenario, all: boolean): Promise<Tally> {
  const calls = listed(injector, scenario);
  const points = calls.flatMap((call) => faultsAt(call).map((fault) => ({ call, fault })));
  const tally: Tally = {
    ...{ name: scenario.name, calls: calls.length, possible: points.length },
    ...{ tried: 0, missed: 0, refused: 0, succeeded: 0, killed: 0, defects: [] },
  };
  const sampled = new Set(all ? points : every(points, points.length / scenario.sample));
  for (const point of points) if (afterClone(point.call, calls) || isSharp(point.call, calls)) sampled.add(point);
  for (const { call, fault } of sampled) {
    tally.tried += 1;
    attempt(injector, scenario, tally, call, fault);
    await setImmediate(); // vitest's worker has to answer its parent
  }
  tally.defects.push(...scenario.recover());
  return tally;
}

const NOWHERE = { process: -1, index: -1 };

/** The command's calls where nothing fails: without those of the dynamic loader, which end before `main` begins. */
function listed(injector: Injector, scenario: Scenario): Call[] {
  // Once before: the first of all makes what others find there.
  scenario.check(injector.inject(scenario.prepare(), NOWHERE, "end"), undefined);
  const outcome = injector.list(scenario.prepare());
  const problems = scenario.check(outcome, undefined);
  if (outcome.code !== scenario.code) problems.push(`ends with ${outcome.code}`);
  if (problems.length > 0)
    throw new Error(`${scenario.name}, without a fault: ${problems.join("; ")}\n${outcome.stderr}`);
  // settle_in of src/engine/main.c
  const main = outcome.calls.findIndex(({ process, text }) => process === 0 && /^fcntl\(0, 1,/.test(text));
  if (main < 0) throw new Error(`${scenario.name}: where does main begin?`);
  return outcome.calls.slice(main);
}

/** What once passed for an answer where it was a failure: a capability asked for, and what /proc says of a process. Always tried. */
function isSharp({ process, index, text }: Call, calls: readonly Call[]): boolean {
  const stat = /"\/proc\/\d+\/stat"/;
  const before = calls.find((call) => call.process === process && call.index === index - 1);
  return process === 0 && (/^prctl\(17,/.test(text) || stat.test(text) || stat.test(before?.text ?? ""));
}

/** Where a process is there that nobody has been told of: always tried. */
function afterClone({ process, index }: Call, calls: readonly Call[]): boolean {
  const own = calls.filter((call) => call.process === process);
  const at = own.findIndex((call) => call.index === index);
  return process > 0 && own.slice(Math.max(at - 3, 0), at).some(({ name }) => name === "clone3");
}

/** About one in `stride`, and not always the same fault of a call. */
function every<Item>(items: readonly Item[], stride: number): Item[] {
  if (stride <= 1) return [...items];
  return Array.from({ length: Math.floor(items.length / stride) }, (_, i) => items[Math.floor(i * stride)] as Item);
}

function attempt(injector: Injector, scenario: Scenario, tally: Tally, call: Call, fault: Fault): void {
  const what = typeof fault === "number" ? errnoName(fault) : fault;
  const defect = (text: string, at = call, stderr = ""): void => {
    const where = `${at.process}:${at.index} ${at.text}`;
    tally.defects.push(`${scenario.name}: ${what} at ${where}: ${text}
    ${stderr}`);
  };
  try {
    const outcome = injector.inject(scenario.prepare(), call, fault);
    count(tally, outcome);
    const [at = call] = outcome.calls; // others' doings may have moved it
    const problems = [...telling(outcome, at, fault), ...scenario.check(outcome, fault)];
    for (const problem of problems) defect(problem, at, outcome.stderr.trim());
  } catch (error) {
    defect(String(error));
    for (const problem of scenario.recover()) defect(problem);
  }
}

function count(tally: Tally, { code, hit }: Outcome): void {
  if (!hit) tally.missed += 1;
  if (code === -1) tally.killed += 1;
  else if (code === 0) tally.succeeded += 1;
  else tally.refused += 1;
}

/** What is wrong with how it ended and what it said. */
function telling({ code, stderr, hit }: Outcome, call: Call, fault: Fault): string[] {
  if (code === undefined) return ["hangs"];
  const killed = fault === "kill";
  // exec: its process was killed as it became the program, and that is its status.
  if (code === 128 + SIGKILL && fault === "end") return [];
  if (code === -1 && !killed) return ["dies of a signal"];
  if (crashText.test(stderr)) return ["says it by a crash"];
  // What it is to say was made to fail.
  const mute = call.name === "write" && call.process === 0;
  if (code > 0 && stderr === "" && !mute && hit) return ["fails without a word"];
  return [];
}
