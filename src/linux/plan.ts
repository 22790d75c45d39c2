// A plan is a list of system calls as data: what will be done, in order, each with the config field that it comes from.
//
// Nothing runs while a plan is made. The same plan is encoded for the agent (wire.ts), printed (print.ts), or made to
// fail on purpose. Two things make it more than a list:
//   - a call's result can be an argument of a later call (`Result`), so an fd from openat2 reaches fsmount in one go;
//   - a call may fail with one named errno, and then calls are skipped: "where there is no such path, don't mask it".
//
// What an argument is, its `kind` says: a container has a thousand, and instanceof is slow.

import type { ErrnoName } from "./abi/errno.ts";
import type { SyscallName } from "./abi/syscalls.ts";

/** The result of an earlier call of the same plan, as an argument. */
export class Result {
  declare readonly kind: "result";
  readonly index: number;
  constructor(index: number) {
    this.index = index;
  }
}

/** Memory that the kernel writes to and whose bytes come back with the results; it starts as `initial`, else as zeros. */
export class Out {
  declare readonly kind: "out";
  readonly size: number;
  readonly initial: Uint8Array | undefined;
  constructor(size: number, initial?: Uint8Array) {
    this.size = size;
    this.initial = initial;
  }
}

/** A place inside an `Out`, read as a 64-bit argument by a later call. */
export class OutWord {
  declare readonly kind: "word";
  readonly out: Out;
  readonly offset: number;
  constructor(out: Out, offset: number) {
    this.out = out;
    this.offset = offset;
  }
}

/** A NULL-terminated array of pointers to strings: argv, envp. */
export class Strings {
  declare readonly kind: "strings";
  readonly strings: readonly (string | Uint8Array)[];
  constructor(strings: readonly (string | Uint8Array)[]) {
    this.strings = strings;
  }
}

/** A struct that holds pointers: bytes, and what to point to from which offset. */
export class Struct {
  declare readonly kind: "struct";
  readonly bytes: Uint8Array;
  readonly pointers: readonly (readonly [offset: number, to: Uint8Array])[];
  constructor(bytes: Uint8Array, pointers: readonly (readonly [number, Uint8Array])[]) {
    this.bytes = bytes;
    this.pointers = pointers;
  }
}

/** Argument of a call: a number, a NUL-terminated string, the address of bytes, or something that only a run knows. */
export type Arg = number | bigint | string | Bytes | Result | Out | OutWord | Strings | Struct | AgentSocket;

/** Bytes that the kernel reads. What has no `kind` is that. */
type Bytes = Uint8Array & { readonly kind?: never };

/** The descriptor that the agent reads from, which only the agent knows. */
export class AgentSocket {
  declare readonly kind: "socket";
}

// On the prototypes: a field would be set by a function of its own for each of a thousand results.
for (const [{ prototype }, kind] of [
  [Result, "result"],
  [Out, "out"],
  [OutWord, "word"],
  [Strings, "strings"],
  [Struct, "struct"],
  [AgentSocket, "socket"],
] as const) {
  Object.defineProperty(prototype, "kind", { value: kind });
}

/** The first results of any plan, for all plans: they are values, and a container has hundreds. */
const RESULTS = Array.from({ length: 512 }, (_, index) => new Result(index));

/** A file descriptor or other number, known now or when the plan runs. */
export type Late = number | Result;

/** One system call. `adopt` is the agent's own: see wire.ts. */
export interface Call {
  readonly name: SyscallName | "adopt";
  readonly args: readonly Arg[];
}

/** When a call may fail: with this errno (any one: only for probes, which change nothing), and how many calls are then skipped. */
export interface Tolerance {
  /** Undefined: it must succeed, and what is skipped is another branch. */
  readonly errno: ErrnoName | "any" | undefined;
  skip: number;
  readonly skipOnSuccess: boolean;
}

/** A call in its place. */
export interface Step {
  readonly call: Call;
  /** The config field that it comes from: `mounts[3] (/dev/pts)`, `process.user`. */
  readonly field: string;
  readonly tolerance?: Tolerance | undefined;
  /** Set: a success is also stored to the agent's socket word, so that later replies go there. */
  readonly becomesSocket?: true;
}

/** What the results of the calls run so far are read from. */
export interface Answers {
  /** A call's result: ≥ 0, or minus the errno where that was tolerated; 0 for a call that was skipped. */
  value(result: Result): number;
  /** The bytes of an `Out`. */
  bytes(out: Out): Uint8Array;
}

/** Work of tsrun's own between two calls: hooks, id maps, a decision that needs an answer. */
export interface Pause {
  /** The number of calls before it. */
  readonly after: number;
  readonly what: string;
  readonly action: (answers: Answers) => void;
}

/** Collects calls. */
export class Plan {
  readonly steps: Step[] = [];
  readonly pauses: Pause[] = [];
  #field = "";
  /** How many branches the next call is in. */
  #depth = 0;

  /** Says where in the config the calls that follow come from. */
  at(field: string): this {
    this.#field = field;
    return this;
  }

  /** Appends a call that must succeed. */
  add(call: Call): Result {
    return this.#push(call, undefined);
  }

  /** Appends a call that may fail with `errno` without consequence. */
  tolerate(errno: ErrnoName, call: Call): Result {
    return this.#push(call, { errno, skip: 0, skipOnSuccess: false });
  }

  /** Appends a call that only asks: its errno is part of the answer. */
  probe(call: Call): Result {
    return this.#push(call, { errno: "any", skip: 0, skipOnSuccess: false });
  }

  /** Appends a call that only asks, and what to ask instead where it is refused, whatever the errno. */
  probeElse(call: Call, instead: () => void): Result {
    return this.#orElse("any", call, instead);
  }

  /** Appends a call and what follows from its success; with `errno` the rest is skipped. */
  unless(errno: ErrnoName, call: Call, rest: (result: Result) => void): void {
    const tolerance = { errno, skip: 0, skipOnSuccess: false };
    const result = this.#push(call, tolerance);
    this.#inside(() => rest(result));
    tolerance.skip = this.steps.length - result.index - 1;
  }

  /** Appends a call and what to do instead where it fails with `errno`. */
  orElse(errno: ErrnoName, call: Call, instead: () => void): Result {
    return this.#orElse(errno, call, instead);
  }

  #orElse(errno: ErrnoName | "any", call: Call, instead: () => void): Result {
    const tolerance = { errno, skip: 0, skipOnSuccess: true };
    const result = this.#push(call, tolerance);
    this.#inside(instead);
    tolerance.skip = this.steps.length - result.index - 1;
    return result;
  }

  /** Appends a call, what follows from its success, and what is done instead where it fails with `errno`. */
  branch(errno: ErrnoName, call: Call, then: (result: Result) => void, otherwise: () => void): void {
    const start = this.steps.length;
    this.unless(errno, call, then);
    const last = this.steps.at(-1);
    // That call is what skips the other branch: it must be made, and must succeed.
    if (last === undefined || last.tolerance !== undefined || this.#skips(this.steps.length - 1, start + 1))
      throw new Error("the branch must end in a call that succeeds");
    const tolerance = { errno: undefined, skip: 0, skipOnSuccess: true };
    const end = this.steps.push({ ...(this.steps.pop() ?? last), tolerance });
    this.#inside(otherwise);
    tolerance.skip = this.steps.length - end;
  }

  /** Appends a call whose result becomes the descriptor that the agent replies to from then on. */
  addSocket(call: Call): Result {
    const result = new Result(this.steps.length);
    this.steps.push({ call, field: this.#field, becomesSocket: true });
    return result;
  }

  /** Has tsrun do something once all calls so far have been made. Costs a round trip. Not in a branch: nobody skips it. */
  pause(what: string, action: (answers: Answers) => void): void {
    if (this.#depth > 0) throw new Error(`a pause cannot be skipped: ${what}`);
    this.pauses.push({ after: this.steps.length, what, action });
  }

  #inside(calls: () => void): void {
    this.#depth += 1;
    calls();
    this.#depth -= 1;
  }

  /** Whether a call from `start` on may skip call `index`. */
  #skips(index: number, start: number): boolean {
    for (let i = start; i < index; i++) if (i + (this.steps[i]?.tolerance?.skip ?? 0) >= index) return true;
    return false;
  }

  #push(call: Call, tolerance: Tolerance | undefined): Result {
    const steps = this.steps;
    const index = steps.length;
    const field = this.#field;
    steps[index] = tolerance === undefined ? { call, field } : { call, field, tolerance };
    return RESULTS[index] ?? new Result(index);
  }
}
