// What JavaScript in the built program has of the world outside: the functions of functions.c. Under Node there are none.

/** An argument of a C function: an integer, or bytes or a string, of which it gets the address; NULL for no bytes. */
export type Word = number | bigint | string | Uint8Array;

/** The global object `engine`. Numbers that are no integers are cut; a string with a NUL in it is a RangeError. */
export interface Engine {
  /** System call by number: the result, or -errno. syscall(2). */
  syscall(nr: number, ...words: Word[]): number;
  /** A shared library's handle. ReferenceError with the linker's words when there is none. dlopen(3). */
  open(file: string): number;
  /** The address of a function in it; ReferenceError. dlsym(3). */
  symbol(handle: number, name: string): number;
  /** Calls the C function at an address with up to twelve words. */
  call(address: number, ...words: Word[]): number;
  /** Where the bytes are, for as long as they can be reached: nothing in this engine moves. */
  address(bytes: Uint8Array): number;
  /** UTF-8 of a string. */
  encode(text: string): ArrayBuffer;
  /** Writes UTF-8 of a string to an offset of `bytes`, if all of it fits there. How many bytes it has. */
  encodeInto(text: string, bytes: Uint8Array, offset: number): number;
  /**
   * Writes steps, `{ call: { name, args } }`, to an agent's frames: the number that `numbers` has for the name, those arguments
   * that are integers, and for those that are `{ index }` the address of that result, of which the first would be at `results`.
   * Other arguments are appended to `strings` and `objects`, behind their places in `frames`. wire.ts has the layout.
   */
  putCalls(
    steps: readonly { readonly call: { readonly name: string; readonly args: readonly unknown[] } }[],
    frames: Uint8Array,
    numbers: Readonly<Record<string, number>>,
    results: number,
    strings: (number | string)[],
    objects: (number | object)[],
  ): void;
  /** The string of UTF-8 bytes; undefined when they are none and `fatal` is set. */
  decode(bytes: Uint8Array, fatal: boolean): string | undefined;
  /** Milliseconds of CLOCK_MONOTONIC. */
  now(): number;
  /** argv, with the program's name first. */
  arguments(): string[];
  /** environ(7). */
  environment(): string[];
  readonly arch: "x64" | "arm64";
}

/** The functions of the program that runs us; undefined under Node. */
export function engine(): Engine | undefined {
  return (globalThis as { engine?: Engine }).engine;
}
