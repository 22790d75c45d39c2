// The few things that tsrun's code takes for granted and QuickJS does not have, as Node has them: process, TextEncoder,
// TextDecoder, performance, DisposableStack, SuppressedError. This runs when the build makes the heap's image (main.c), so
// nothing here may ask for what differs from start to start before somebody wants it.

import { errnoName } from "../linux/abi/errno.ts";
import { type SyscallName, syscallNumber } from "../linux/abi/syscalls.ts";
import { type Engine, engine, type Word } from "./engine.ts";
import { disposeAll, type Resource } from "./using.ts";

const native = engine() as Engine;

function ask(name: SyscallName, ...words: Word[]): number {
  const result = native.syscall(syscallNumber(name, native.arch), ...words);
  if (result < 0) {
    const code = errnoName(-result);
    throw Object.assign(new Error(`${code}: ${name}`), { code });
  }
  return result;
}

const PATH_MAX = 4096;

let argv: readonly string[] | undefined;
let env: Readonly<Record<string, string>> | undefined;

const process = {
  arch: native.arch,
  /** As Node's: the program, the script (the program again), and the words after it. */
  get argv(): readonly string[] {
    const [program = "tsrun", ...words] = native.arguments();
    argv ??= [program, program, ...words];
    return argv;
  },
  get env(): Readonly<Record<string, string>> {
    env ??= variables(native.environment());
    return env;
  },
  get pid(): number {
    return ask("getpid");
  },
  get ppid(): number {
    return ask("getppid");
  },
  getuid: () => ask("getuid"),
  geteuid: () => ask("geteuid"),
  getegid: () => ask("getegid"),
  cwd(): string {
    const path = new Uint8Array(PATH_MAX);
    return new TextDecoder().decode(path.subarray(0, ask("getcwd", path, path.length) - 1));
  },
  chdir(path: string): void {
    ask("chdir", path);
  },
};

/** environ(7) as an object. Of a name that is there twice the first counts, as for getenv(3). */
function variables(entries: readonly string[]): Record<string, string> {
  const found: Record<string, string> = Object.create(null);
  for (const entry of entries) {
    const equals = entry.indexOf("=");
    if (equals > 0) found[entry.slice(0, equals)] ??= entry.slice(equals + 1);
  }
  return found;
}

class Encoder {
  encode(text = ""): Uint8Array {
    return new Uint8Array(native.encode(text));
  }
  /** Fills `into` with whole characters. `read` is not told: nobody asks. */
  encodeInto(text: string, into: Uint8Array): { written: number } {
    const bytes = this.encode(text);
    let written = Math.min(bytes.length, into.length);
    while (written < bytes.length && ((bytes[written] ?? 0) & 0xc0) === 0x80) written--; // not in the middle of one
    into.set(bytes.subarray(0, written));
    return { written };
  }
}

class Decoder {
  readonly #fatal: boolean;
  readonly #ignoreBom: boolean;
  constructor(_label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    this.#fatal = fatal;
    this.#ignoreBom = ignoreBOM;
  }
  decode(bytes: Uint8Array = new Uint8Array()): string {
    const text = native.decode(bytes, this.#fatal);
    if (text === undefined) throw new TypeError("The encoded data was not valid for encoding utf-8");
    return !this.#ignoreBom && text.startsWith("\ufeff") ? text.slice(1) : text;
  }
}

/** The method of a resource by which it is given up. What `using` is compiled to looks for the same symbol. */
const dispose: typeof Symbol.dispose = (Symbol.dispose ?? Symbol.for("Symbol.dispose")) as typeof Symbol.dispose;

/** ECMAScript's: an error of a disposal that followed another error. What `using` is compiled to throws it too. */
class Suppressed extends Error {
  override readonly name = "SuppressedError";
  readonly error: unknown;
  readonly suppressed: unknown;
  constructor(error: unknown, suppressed: unknown, message = "") {
    super(message);
    this.error = error;
    this.suppressed = suppressed;
  }
}

/** ECMAScript's DisposableStack. An error on the way does not keep the rest from being given up. */
class Stack {
  #resources: Resource[] = [];
  #disposed = false;
  get disposed(): boolean {
    return this.#disposed;
  }
  use<T extends Disposable | null | undefined>(value: T): T {
    if (value !== null && value !== undefined) this.defer(() => value[dispose]());
    return value;
  }
  adopt<T>(value: T, onDispose: (value: T) => void): T {
    this.defer(() => onDispose(value));
    return value;
  }
  defer(onDispose: () => void): void {
    if (this.#disposed) throw new ReferenceError("the stack is disposed");
    this.#resources.push({ value: undefined, dispose: onDispose });
  }
  move(): Stack {
    const other = new Stack();
    other.#resources = this.#resources;
    this.#resources = [];
    this.#disposed = true;
    return other;
  }
  dispose(): void {
    this.#disposed = true;
    disposeAll(this.#resources);
  }
  [dispose](): void {
    this.dispose();
  }
}

Object.defineProperty(Symbol, "dispose", { value: dispose });
Object.assign(globalThis, {
  process,
  TextEncoder: Encoder,
  TextDecoder: Decoder,
  performance: { now: native.now },
  DisposableStack: Stack,
  SuppressedError: Suppressed,
});
