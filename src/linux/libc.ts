// The C library, called from TypeScript; the only file that knows how. syscall(2).
//
// Under Bun that is the engine's own FFI: 0.2 ms from nothing to the first call (0.5 by way of the module bun:ffi, which
// wraps the same object), where loading koffi's native module takes 2 ms, nearly all of it the dynamic linker's work on
// libstdc++. Under Node it is that module, opened directly, because koffi's own loader takes 9 ms. Nothing is loaded
// before the first call. Where a file has only to be read or written, syscall() is cheaper than node:fs: loading that
// takes Bun 1.5 ms.
//
// Every function takes and returns 64-bit words: an integer, or the address of bytes. That is the calling convention of
// all functions without floating point arguments on both of our architectures, variadic ones included.

/** An integer of 64 bits, or bytes, which are passed as their address for as long as the call takes. */
export type Word = number | bigint | Uint8Array;
/** A bound function: takes exactly the words it was bound with. The result is signed, and must be less than 2^53. */
export type NativeFunction = (...words: Word[]) => number;

type RawFunction = (...words: Word[]) => number | bigint;

/** What both ways to the C library can do. */
interface Backend {
  bind(file: string, functions: Readonly<Record<string, number>>): Record<string, RawFunction>;
  /** What a bound function takes for bytes. */
  pass(bytes: Uint8Array): Word;
  address(bytes: Uint8Array): number;
  /** syscall(2) of the C library, and the errno of its last call. */
  readonly syscall: RawFunction;
  errno(): number;
}

const LIBC = "libc.so.6";

let loaded: Backend | undefined;

/**
 * A system call by its number. Returns the result, or -errno. Between the call and the reading of errno nothing runs but
 * the return to here.
 */
export function syscall(
  nr: number,
  a: Word = 0,
  b: Word = 0,
  c: Word = 0,
  d: Word = 0,
  e: Word = 0,
  f: Word = 0,
): number {
  const libc = backend();
  const result = libc.syscall(nr, word(a), word(b), word(c), word(d), word(e), word(f));
  return result === -1 ? -libc.errno() : Number(result);
}

/**
 * Binds functions of a shared library (a soname, or a path). `functions` says how many words each takes; for a variadic
 * function that is the count it will be called with. Throws when the library or a function is not there.
 */
export function library<Name extends string>(
  file: string,
  functions: Readonly<Record<Name, number>>,
): Readonly<Record<Name, NativeFunction>> {
  const raw = backend().bind(file, functions);
  const bound: Record<string, NativeFunction> = {};
  for (const name in raw) {
    const call = raw[name] as RawFunction;
    bound[name] = (...words) => {
      for (let i = 0; i < words.length; i++) {
        words[i] = word(words[i] as Word);
      }
      return Number(call(...words));
    };
  }
  return bound as Record<Name, NativeFunction>;
}

/** Bytes at an address that stays: for structs that point to other structs. */
export interface Memory {
  /** Valid for as long as `bytes` is reachable; keep it in a variable until after the call. */
  readonly address: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Zero-filled memory. */
export function memory(size: number): Memory {
  // An ArrayBuffer of its own: engines keep small typed arrays without one where they may later move.
  const bytes = new Uint8Array(new ArrayBuffer(Math.max(size, 8)));
  return { address: backend().address(bytes), bytes };
}

function backend(): Backend {
  loaded ??= "Bun" in globalThis ? bunBackend() : koffiBackend();
  return loaded;
}

/** The address of nothing is NULL: the engines have none to give. */
function word(value: Word): Word {
  if (typeof value !== "object") {
    return value;
  }
  return value.length === 0 ? 0 : backend().pass(value);
}

/** What is used of Bun.FFI. Only Bun has it, so its types are stated here. */
interface BunFfi {
  dlopen(file: string, symbols: Record<string, BunSignature>): { symbols: Record<string, RawFunction> } | Error;
  ptr(bytes: Uint8Array): number;
  read: { i32(address: number, offset: number): number };
}
interface BunSignature {
  args: string[];
  returns: string;
}

function bunBackend(): Backend {
  const ffi = (globalThis as unknown as { Bun: { FFI: BunFfi } }).Bun.FFI;
  const bind: Backend["bind"] = (file, functions) => {
    const symbols: Record<string, BunSignature> = {};
    for (const name in functions) {
      // "fast": a result that fits a number is one, not a BigInt.
      symbols[name] = { args: new Array(functions[name]).fill("i64_fast"), returns: "i64_fast" };
    }
    const opened = ffi.dlopen(file, symbols);
    if (opened instanceof Error) {
      throw opened;
    }
    return opened.symbols;
  };
  // Together, because the first dlopen pays for all, and at once, because to bind is to change errno.
  const libc = bind(LIBC, { syscall: 7, __errno_location: 0 });
  const errnoAddress = Number(libc.__errno_location?.());
  return {
    bind,
    pass: ffi.ptr,
    address: ffi.ptr,
    syscall: libc.syscall as RawFunction,
    errno: () => ffi.read.i32(errnoAddress, 0),
  };
}

/** What is used of koffi. */
interface Koffi {
  load(file: string): { func(name: string, result: string, args: readonly string[]): RawFunction };
  address(bytes: Uint8Array): bigint;
  errno(): number;
}

function koffiBackend(): Backend {
  const module: { exports: unknown } = { exports: {} };
  process.dlopen(module, koffiFile());
  const koffi = module.exports as Koffi;
  const bind: Backend["bind"] = (file, functions) => {
    const handle = koffi.load(file);
    const bound: Record<string, RawFunction> = {};
    for (const name in functions) {
      // "void *" takes what a Word is: a number, a BigInt, or a typed array.
      bound[name] = handle.func(name, "long", new Array(functions[name]).fill("void *"));
    }
    return bound;
  };
  return {
    bind,
    pass: (bytes) => bytes,
    address: (bytes) => Number(koffi.address(bytes)),
    syscall: bind(LIBC, { syscall: 7 }).syscall as RawFunction,
    errno: () => koffi.errno(),
  };
}

/** The native module that npm installed beside koffi for this architecture. `node:module` is asked for only here. */
function koffiFile(): string {
  const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);
  const index = require.resolve(`@koromix/koffi-linux-${process.arch}`);
  return index.replace(/index\.js$/, `linux_${process.arch}/koffi.node`);
}
