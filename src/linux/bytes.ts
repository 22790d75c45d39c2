// What typed arrays do not do themselves.

import { engine } from "../engine/engine.ts";

/** Writes UTF-8 of a text to an offset of `bytes`, if all of it fits there. How many bytes it has. */
export const encodeTextInto: (text: string, bytes: Uint8Array, offset: number) => number =
  engine()?.encodeInto ??
  ((text, bytes, offset) => {
    const encoded = new TextEncoder().encode(text);
    if (offset + encoded.length <= bytes.length) bytes.set(encoded, offset);
    return encoded.length;
  });

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
