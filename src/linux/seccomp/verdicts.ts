// What a profile says of each system call number, where that can be told from the number alone. The rest is left to libseccomp:
//
//   calls with conditions on arguments, or with rules that contradict each other
//   socketcall and ipc, by which 32-bit architectures call what others have numbers for: libseccomp gives those calls negative
//   numbers, and makes of a rule about one of them several
//
// And ENOSYS, to calls that are newer than the profile: one that denies by default answers EPERM to what its author never heard
// of, and programs that try a new call and fall back on ENOSYS then fail. So what has a larger number than any call that the
// profile names does not exist, on each architecture for itself. runc does the same; the order of numbers is that of history.

import type { SeccompRule } from "../../spec/config.gen.ts";
import { ENOSYS } from "../abi/errno.ts";
import { actionValue, SECCOMP_RET_ERRNO, SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD } from "./actions.ts";
import { type Filter, UNKNOWN } from "./libseccomp.ts";
import type { Numbers, Range, Verdict } from "./search.ts";

/** What was found out about a profile. */
export interface Verdicts {
  /** For each architecture of which the profile names a call. */
  readonly numbers: readonly Numbers[];
  /** Names whose rules libseccomp must have. */
  readonly rest: ReadonlySet<string>;
}

/** libseccomp's numbers of calls that an architecture does not have begin here and go down; those above are multiplexed. */
const LAST_MISSING = -10000;
const MULTIPLEXERS = ["socketcall", "ipc"];

/** Calls of x32 come with the AUDIT_ARCH of x86-64, and this bit. */
const X32 = 0x4000_003e;
const X32_BIT = 0x4000_0000;

/** The one answer that each name gets, whatever its arguments; undefined where there is more to it. */
export function verdictsByName(rules: readonly SeccompRule[], defaultAction: number): Map<string, Verdict> {
  const verdicts = new Map<string, Verdict>();
  for (const { names, action, errnoRet, args = [] } of rules) {
    const value = actionValue(action, errnoRet);
    const verdict = args.length === 0 || value === defaultAction ? value : undefined;
    for (const name of names) {
      const before = verdicts.has(name) ? verdicts.get(name) : defaultAction;
      // A rule with the default action says nothing.
      if (before === defaultAction) verdicts.set(name, verdict);
      else if (value !== defaultAction && before !== verdict) verdicts.set(name, undefined);
    }
  }
  return verdicts;
}

/** The same by numbers. `architectures`: tokens, the native one first. */
export function verdictsByNumber(
  filter: Filter,
  architectures: readonly number[],
  byName: ReadonlyMap<string, Verdict>,
  defaultAction: number,
): Verdicts {
  const reader = new Reader(filter, byName, defaultAction);
  const all = architectures.map((architecture) => ({ architecture, ranges: reader.rangesOn(architecture) }));
  const x32 = all.find(({ architecture }) => architecture === X32)?.ranges ?? [];
  const numbers = all
    .filter(({ architecture }) => architecture !== X32)
    .map((each, index) => (index === 0 ? { ...each, ranges: [...each.ranges, ...x32] } : each))
    .filter(({ ranges }) => ranges.some(({ verdict }) => verdict !== undefined));
  // libseccomp 2.5 makes a wrong program for an architecture whose rules all have conditions (it forgets to load the number). So
  // it gets one without for each, as it had in the profile, of which it is never asked.
  const rest = reader.rest.size === 0 ? reader.rest : new Set([...reader.rest, ...reader.plain]);
  return { numbers, rest };
}

/** Goes through all names once for each architecture. (By index and with numbers: iterators take QuickJS twice as long.) */
class Reader {
  readonly rest = new Set<string>();
  /** For each architecture a name that always gets the same answer, and not the default one, if there is any. */
  readonly plain = new Set<string>();
  readonly #filter: Filter;
  readonly #names: readonly string[];
  readonly #verdicts: readonly Verdict[];
  readonly #defaultAction: number;

  constructor(filter: Filter, byName: ReadonlyMap<string, Verdict>, defaultAction: number) {
    this.#filter = filter;
    this.#names = [...byName.keys()];
    this.#verdicts = [...byName.values()];
    this.#defaultAction = defaultAction;
  }

  /** What libseccomp may have rules for that no name tells of is left to it. */
  rangesOn(architecture: number): Range[] {
    const { sorted, multiplexed } = this.#callsOn(architecture);
    const unnamed = multiplexed ? undefined : this.#defaultAction;
    const ranges: Range[] = [];
    let last: Verdict | null = null;
    let plain: number | undefined;
    const add = (from: number, verdict: Verdict): void => {
      if (verdict !== last) ranges.push({ from, verdict });
      last = verdict;
    };
    let next = architecture === X32 ? X32_BIT : 0;
    for (let at = 0; at < sorted.length; ) {
      const number = Math.floor((sorted[at] as number) / this.#names.length);
      if (number > next) add(next, unnamed);
      next = number + 1;
      let end = at + 1;
      while (end < sorted.length && (sorted[end] as number) < next * this.#names.length) end += 1;
      const verdict = this.#verdictOf(sorted, at, end, multiplexed);
      if (verdict !== undefined && verdict !== this.#defaultAction)
        plain ??= (sorted[at] as number) % this.#names.length;
      add(number, verdict);
      at = end;
    }
    if (plain !== undefined) this.plain.add(this.#names[plain] as string);
    add(next, sorted.length > 0 && isRefusal(this.#defaultAction) ? SECCOMP_RET_ERRNO | ENOSYS : undefined);
    return ranges;
  }

  /** In the order of numbers: number * how many names + index of the name. */
  #callsOn(architecture: number): { sorted: Float64Array; multiplexed: boolean } {
    const names = this.#names;
    const numbers = this.#filter.resolveAll(names, architecture);
    const sorted = new Float64Array(names.length);
    let count = 0;
    let multiplexed = false;
    for (let i = 0; i < names.length; i++) {
      const number = numbers[i] as number;
      if (number >= 0) {
        sorted[count++] = number * names.length + i;
      } else if (number > LAST_MISSING && number !== UNKNOWN) {
        multiplexed = true;
        this.rest.add(names[i] as string);
      }
    }
    return { sorted: sorted.subarray(0, count).sort(), multiplexed };
  }

  /** Of one number, which has as many names as there are from `at` to before `end`: mostly one. */
  #verdictOf(sorted: Float64Array, at: number, end: number, multiplexed: boolean): Verdict {
    const count = this.#names.length;
    const first = (sorted[at] as number) % count;
    let verdict = this.#verdicts[first];
    for (let i = at + 1; i < end; i++) {
      if (this.#verdicts[(sorted[i] as number) % count] !== verdict) verdict = undefined;
    }
    if (multiplexed && MULTIPLEXERS.includes(this.#names[first] as string)) verdict = undefined;
    if (verdict !== undefined) return verdict;
    for (let i = at; i < end; i++) this.rest.add(this.#names[(sorted[i] as number) % count] as string);
    return undefined;
  }
}

/** Whether the default action says "you may not", so that a call that is too new would be denied and not missing. */
function isRefusal(action: number): boolean {
  const isErrno = (action & 0xffff_0000) >>> 0 === SECCOMP_RET_ERRNO;
  return isErrno || action === SECCOMP_RET_KILL_THREAD || action === SECCOMP_RET_KILL_PROCESS;
}
