// What `using` is compiled to in the built program, whose engine does not know it: the build puts this in the place of the
// compiler's own helper, which makes seven functions for each scope that is entered.

/** Something to give up: a method, and what to call it of. */
export interface Resource {
  readonly value: unknown;
  readonly dispose: (this: unknown) => void;
}

/** What no scope throws. */
const NOTHING = Symbol("nothing");

/** Gives all up, the last first. An error on the way, or before, does not keep the rest from it. @throws the errors */
export function disposeAll(resources: Resource[], thrown: unknown = NOTHING): void {
  let failure = thrown;
  for (let last = resources.pop(); last !== undefined; last = resources.pop()) {
    try {
      last.dispose.call(last.value);
    } catch (error) {
      failure = failure === NOTHING ? error : new SuppressedError(error, failure);
    }
  }
  if (failure !== NOTHING) throw failure;
}

/** The resources of a scope. The names are the compiler's: it has `e` be what the scope threw, and calls the methods. */
class Scope {
  e: unknown;
  readonly resources: Resource[];

  // No fields with values: each would take a function for each scope.
  constructor() {
    this.e = NOTHING;
    this.resources = [];
  }

  /** Takes a resource in. @throws TypeError for what is none */
  u<T extends Disposable | null | undefined>(value: T): T {
    if (value === null || value === undefined) return value;
    const dispose: unknown = value[Symbol.dispose];
    if (typeof dispose !== "function") throw new TypeError("Cannot use what is not disposable");
    this.resources.push({ value, dispose: dispose as Resource["dispose"] });
    return value;
  }

  /** Leaves the scope. */
  d(): void {
    disposeAll(this.resources, this.e);
  }
}

/** Enters a scope. @public only what the compiler makes calls it */
export function enter(): Scope {
  return new Scope();
}
