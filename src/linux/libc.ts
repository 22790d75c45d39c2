// The C library, called from TypeScript; the only file that knows how. syscall(2).
//
// In the built program that is what src/engine/functions.c offers; under Node it is koffi, whose native module is opened
// directly. Nothing is loaded before the first call.
//
// Every function takes and returns 64-bit words: an integer, or the address of bytes or of a string. That is the calling
// convention of all functions without floating point arguments on both of our architectures, variadic ones included.

import { type Engine, engine, type Word } from "../engine/engine.ts";

export type { Word };

/** A bound function: takes exactly the words it was bound with. The result is signed, and must be less than 2^53. */
export type NativeFunction = (...words: Word[]) => number;

/** What both ways to the C library can do. */
interface Backend {
  bind(file: string, functions: Readonly<Record<string, number>>): Record<string, NativeFunction>;
  address(bytes: Uint8Array): number;
  /** The result of a system call, or -errno. */
  readonly syscall: (nr: number, ...words: Word[]) => number;
}

const LIBC = "libc.so.6";
/** Words of a system call, its number among them. */
const SYSCALL_WORDS = 7;

const host = engine();
let loaded: Backend | undefined;

/** A system call by its number, with up to six words; what is not given is 0. Returns the result, or -errno. */
export const syscall: Backend["syscall"] = host?.syscall ?? ((nr, ...words) => backend().syscall(nr, ...words));

/**
 * Binds functions of a shared library (a soname, or a path). `functions` says how many words each takes; for a variadic
 * function that is the count it will be called with. Throws when the library or a function is not there.
 */
export function library<Name extends string>(
  file: string,
  functions: Readonly<Record<Name, number>>,
): Readonly<Record<Name, NativeFunction>> {
  return backend().bind(file, functions) as Record<Name, NativeFunction>;
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

/** The string at an address, up to its NUL; "" at 0. What is no UTF-8 in it becomes U+FFFD. */
export function textAt(address: number): string {
  if (address === 0) return "";
  strings ??= library(LIBC, { strlen: 1, memcpy: 3 });
  const { bytes } = memory(strings.strlen(address));
  const text = bytes.subarray(0, strings.strlen(address));
  strings.memcpy(bytes, address, text.length);
  return new TextDecoder().decode(text);
}

let strings: Readonly<Record<"strlen" | "memcpy", NativeFunction>> | undefined;

function backend(): Backend {
  loaded ??= host === undefined ? koffiBackend() : hostBackend(host);
  return loaded;
}

/** In the built program: the functions that it gives its JavaScript. */
function hostBackend(host: Engine): Backend {
  return {
    bind(file, functions) {
      const handle = host.open(file);
      const bound: Record<string, NativeFunction> = {};
      for (const name in functions) {
        const address = host.symbol(handle, name);
        bound[name] = host.call.bind(undefined, address);
      }
      return bound;
    },
    address: host.address,
    syscall: host.syscall,
  };
}

/** What is used of koffi. */
interface Koffi {
  load(file: string): { func(name: string, result: string, args: readonly string[]): KoffiFunction };
  address(bytes: Uint8Array): bigint;
  errno(): number;
}
type KoffiFunction = (...words: (number | bigint | Uint8Array)[]) => number | bigint;

function koffiBackend(): Backend {
  const module: { exports: unknown } = { exports: {} };
  process.dlopen(module, koffiFile());
  const koffi = module.exports as Koffi;
  const bind: Backend["bind"] = (file, functions) => {
    const handle = koffi.load(file);
    const bound: Record<string, NativeFunction> = {};
    for (const name in functions) {
      // "void *" takes what a Word is but for strings: a number, a BigInt, or a typed array.
      const call = handle.func(name, "long", new Array(functions[name]).fill("void *"));
      bound[name] = (...words) => Number(call(...words.map(passed)));
    }
    return bound;
  };
  const raw = bind(LIBC, { syscall: SYSCALL_WORDS }).syscall as NativeFunction;
  return {
    bind,
    address: (bytes) => Number(koffi.address(bytes)),
    syscall(...words) {
      const result = raw(...words, ...new Array<number>(SYSCALL_WORDS - words.length).fill(0));
      return result === -1 ? -koffi.errno() : result;
    },
  };
}

/** As functions.c passes it. koffi has no address for no bytes. */
function passed(word: Word): number | bigint | Uint8Array {
  if (typeof word === "string") {
    if (word.includes("\0")) throw new RangeError(`a NUL byte would cut it short: ${JSON.stringify(word)}`);
    return new TextEncoder().encode(`${word}\0`);
  }
  return typeof word === "object" && word.length === 0 ? 0 : word;
}

/** The native module that npm installed beside koffi for this architecture. `node:module` is asked for only here. */
function koffiFile(): string {
  const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);
  const index = require.resolve(`@koromix/koffi-linux-${process.arch}`);
  return index.replace(/index\.js$/, `linux_${process.arch}/koffi.node`);
}
