// The C library, called from TypeScript; the only file that knows how. syscall(2).
//
// In the built program that is what src/engine/functions.c offers; under Node it is koffi, whose native module is opened
// directly. Nothing is loaded before the first call.
//
// Every function takes and returns 64-bit words: an integer, or the address of bytes. That is the calling convention of
// all functions without floating point arguments on both of our architectures, variadic ones included.

import { type Engine, engine } from "../engine/engine.ts";

/** An integer of 64 bits, or bytes, which are passed as their address for as long as the call takes. */
export type Word = number | bigint | Uint8Array;
/** A bound function: takes exactly the words it was bound with. The result is signed, and must be less than 2^53. */
export type NativeFunction = (...words: Word[]) => number;

type RawFunction = (...words: Word[]) => number | bigint;

/** What both ways to the C library can do. */
interface Backend {
  bind(file: string, functions: Readonly<Record<string, number>>): Record<string, RawFunction>;
  address(bytes: Uint8Array): number;
  /** The result of a system call, or -errno. */
  syscall(nr: number, ...words: Word[]): number;
}

const LIBC = "libc.so.6";

let loaded: Backend | undefined;

/** A system call by its number. Returns the result, or -errno. */
export function syscall(
  nr: number,
  a: Word = 0,
  b: Word = 0,
  c: Word = 0,
  d: Word = 0,
  e: Word = 0,
  f: Word = 0,
): number {
  return backend().syscall(nr, word(a), word(b), word(c), word(d), word(e), word(f));
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
  if (loaded === undefined) {
    const host = engine();
    loaded = host === undefined ? koffiBackend() : hostBackend(host);
  }
  return loaded;
}

/** The address of nothing is NULL: the engines have none to give. */
function word(value: Word): Word {
  return typeof value === "object" && value.length === 0 ? 0 : value;
}

/** In the built program: the functions that it gives its JavaScript. */
function hostBackend(host: Engine): Backend {
  return {
    bind(file, functions) {
      const handle = host.open(file);
      const bound: Record<string, RawFunction> = {};
      for (const name in functions) {
        const address = host.symbol(handle, name);
        bound[name] = (...words) => host.call(address, ...words);
      }
      return bound;
    },
    address: host.address,
    syscall: host.syscall,
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
  const raw = bind(LIBC, { syscall: 7 }).syscall as RawFunction;
  return {
    bind,
    address: (bytes) => Number(koffi.address(bytes)),
    syscall(nr, ...words) {
      const result = raw(nr, ...words);
      return result === -1 ? -koffi.errno() : Number(result);
    },
  };
}

/** The native module that npm installed beside koffi for this architecture. `node:module` is asked for only here. */
function koffiFile(): string {
  const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);
  const index = require.resolve(`@koromix/koffi-linux-${process.arch}`);
  return index.replace(/index\.js$/, `linux_${process.arch}/koffi.node`);
}
