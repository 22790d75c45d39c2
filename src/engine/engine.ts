// What JavaScript in the built program has of the world outside: the functions of functions.c. Under Node there are none.

/** The global object `engine`. Numbers that are no integers are cut; typed arrays are passed as their address. */
export interface Engine {
  /** System call by number: the result, or -errno. syscall(2). */
  syscall(nr: number, ...words: (number | bigint | Uint8Array)[]): number;
  /** A shared library's handle. ReferenceError with the linker's words when there is none. dlopen(3). */
  open(file: string): number;
  /** The address of a function in it; ReferenceError. dlsym(3). */
  symbol(handle: number, name: string): number;
  /** Calls the C function at an address with up to twelve words. */
  call(address: number, ...words: (number | bigint | Uint8Array)[]): number;
  /** Where the bytes are, for as long as they can be reached: nothing in this engine moves. */
  address(bytes: Uint8Array): number;
  /** UTF-8 of a string. */
  encode(text: string): ArrayBuffer;
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
