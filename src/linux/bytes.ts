// What typed arrays do not do themselves.

import { engine } from "../engine/engine.ts";
import { library, type NativeFunction } from "./libc.ts";

/** Writes UTF-8 of a text to an offset of `bytes`, if all of it fits there. How many bytes it has. */
export const encodeTextInto: (text: string, bytes: Uint8Array, offset: number) => number =
  engine()?.encodeInto ??
  ((text, bytes, offset) => {
    const encoded = new TextEncoder().encode(text);
    if (offset + encoded.length <= bytes.length) bytes.set(encoded, offset);
    return encoded.length;
  });

let memcmp: NativeFunction | undefined;

/** Whether they are equal, memcmp(3): a loop takes the built program's engine a tenth of a microsecond for each byte. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  memcmp ??= library("libc.so.6", { memcmp: 3 }).memcmp;
  return a.length === b.length && (a.length === 0 || (memcmp(a, b, a.length) | 0) === 0);
}

/** All of the parts, one behind the other. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
