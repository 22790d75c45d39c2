// A plan as text, for people: `--dry-run`, the log, and the snapshots that reviewers read. As strace(1) writes calls:
//
//    openat2(#3, "proc", {flags=O_PATH|O_CLOEXEC, resolve=RESOLVE_IN_ROOT}) = #7    mounts[0] (/proc)
//
// `#7` is a result that later calls use, numbered as descriptors are: the lowest that is free, and free again after close,
// so that a call more in the middle does not rename what comes behind it. `out1` is memory that the kernel writes to,
// `out1+28` the word there, as an argument.
// `ENOENT → skip 5`: with that errno the next five calls, which are indented, are left out; `else skip 1`: without it.
// Not loaded unless something is printed.

import { type Call, Out, OutWord, type Pause, type Plan, Result, type Step, type Tolerance } from "./plan.ts";
import { formatArguments, type Names } from "./print-calls.ts";

/** Column at which the config fields begin, where a call leaves room. */
const FIELD_COLUMN = 96;

/** The plan, one line a call or pause. */
export function printPlan({ steps, pauses }: Plan): string {
  const names = new PlanNames(steps);
  const depths = depthsOf(steps);
  const lines: string[] = [];
  const pausesAt = (index: number): void => {
    for (const pause of pauses) if (pause.after === index) lines.push(printPause(pause));
  };
  for (const [i, step] of steps.entries()) {
    pausesAt(i);
    lines.push(withField(`${"  ".repeat(depths[i] ?? 0)}${printStep(step, i, names)}`, step.field));
  }
  pausesAt(steps.length);
  return lines.map((line) => `${line}\n`).join("");
}

/** One call, with numbers that only a run can tell as `#n`. */
export function printCall({ name, args }: Call, names: Names = new PlanNames([])): string {
  return `${name}(${formatArguments(name, args, names)})`;
}

function printStep({ call, tolerance, becomesSocket }: Step, index: number, names: PlanNames): string {
  const result = names.used(index) ? ` = ${names.result(new Result(index))}` : "";
  const socket = becomesSocket ? " = agent" : "";
  return `${printCall(call, names)}${result}${socket}${tolerance === undefined ? "" : `  ${printTolerance(tolerance)}`}`;
}

function printTolerance({ errno, skip, skipOnSuccess }: Tolerance): string {
  const skips = skip > 0 ? `skip ${skip}` : "go on";
  if (errno === undefined) return `→ ${skips}`;
  const name = errno === "any" ? "any errno" : errno;
  return skipOnSuccess && skip > 0 ? `${name} → go on, else ${skips}` : `${name} → ${skips}`;
}

function printPause({ what }: Pause): string {
  return `-- tsrun: ${what}`;
}

function withField(line: string, field: string): string {
  return field === "" ? line : `${line.padEnd(FIELD_COLUMN - 2)}  ${field}`;
}

/** How many earlier calls may skip each call. */
function depthsOf(steps: readonly Step[]): number[] {
  const depths = steps.map(() => 0);
  for (const [i, { tolerance }] of steps.entries()) {
    for (let skipped = i + 1; skipped <= i + (tolerance?.skip ?? 0); skipped++)
      depths[skipped] = (depths[skipped] ?? 0) + 1;
  }
  return depths;
}

/** Names of results that are used later, and of memory. */
class PlanNames implements Names {
  readonly #results = new Map<number, string>();
  readonly #outs = new Map<Out, string>();

  constructor(steps: readonly Step[]) {
    const args = steps.flatMap(({ call }) => call.args);
    this.#nameResults(steps, new Set(args.filter((arg) => arg instanceof Result).map(({ index }) => index)));
    for (const arg of args) if (arg instanceof Out) this.out(arg);
  }

  #nameResults(steps: readonly Step[], used: ReadonlySet<number>): void {
    const taken = new Map<number, number>();
    for (const [i, { call }] of steps.entries()) {
      const [closed] = call.args;
      if (call.name === "close" && closed instanceof Result) taken.delete(closed.index);
      if (!used.has(i)) continue;
      const numbers = new Set(taken.values());
      let free = 1;
      while (numbers.has(free)) free++;
      taken.set(i, free);
      this.#results.set(i, `#${free}`);
    }
  }

  used(index: number): boolean {
    return this.#results.has(index);
  }

  result({ index }: Result): string {
    return this.#results.get(index) ?? `#${index}`;
  }

  out(memory: Out | OutWord): string {
    if (memory instanceof OutWord) return `${this.out(memory.out)}+${memory.offset}`;
    const name = this.#outs.get(memory) ?? `out${this.#outs.size + 1}`;
    this.#outs.set(memory, name);
    return name;
  }
}
