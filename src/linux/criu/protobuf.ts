// Messages of protobuf, as far as CRIU's have them: numbers (varints) and strings, messages within messages, and repetitions of
// these. A schema says by name which field is which; encode and decode are each other's opposite.
//
//    field    varint of number << 3 | type, then    type 0: a varint
//                                                   type 2: a varint of a length, and so many bytes
//    varint   seven bits a byte, the lowest first, the eighth bit says that there are more

import { concatBytes } from "../bytes.ts";

/** Field numbers by name. */
export interface Schema {
  readonly [name: string]: number | Repeated | Nested;
}
/** A list of values. */
interface Repeated {
  readonly number: number;
  readonly many: Schema | "strings";
}
/** A message within the message. */
interface Nested {
  readonly number: number;
  readonly one: Schema;
}

/** What a field of a message holds. */
type Value = number | string | boolean | undefined | object;

const VARINT = 0;
const BYTES = 2;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The bytes of a message. A field that is undefined is left out. */
export function encode(message: object, schema: Schema): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [name, value] of Object.entries(message) as [string, Value][]) {
    const field = schema[name];
    if (field === undefined) throw new Error(`the message has no field ${name}`);
    if (value === undefined) continue;
    if (typeof field === "number") parts.push(encodeScalar(field, value));
    else if ("one" in field) parts.push(encodeBytes(field.number, encode(value as object, field.one)));
    else for (const item of value as readonly (string | object)[]) parts.push(encodeItem(field, item));
  }
  return concatBytes(parts);
}

function encodeItem({ number, many }: Repeated, item: string | object): Uint8Array {
  return encodeBytes(
    number,
    typeof item === "string" || many === "strings" ? encoder.encode(`${item}`) : encode(item, many),
  );
}

function encodeScalar(number: number, value: Value): Uint8Array {
  if (typeof value === "string") return encodeBytes(number, encoder.encode(value));
  return concatBytes([varint((number << 3) | VARINT), varint(Number(value))]);
}

function encodeBytes(number: number, bytes: Uint8Array): Uint8Array {
  return concatBytes([varint((number << 3) | BYTES), varint(bytes.length), bytes]);
}

/** A negative number takes ten bytes, as one of 64 bits. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

/** A message as it was encoded. A boolean comes back as 0 or 1; a field that the schema does not have is passed over. */
export function decode(bytes: Uint8Array, schema: Schema): Record<string, unknown> {
  const message: Record<string, unknown> = {};
  const input = new Input(bytes);
  while (!input.atEnd()) {
    const tag = input.varint();
    const value = input.value(tag & 7);
    const [name, field] = Object.entries(schema).find(([, known]) => numberOf(known) === tag >> 3) ?? [];
    if (name === undefined || field === undefined) continue;
    if (typeof field === "number") message[name] = typeof value === "number" ? value : decoder.decode(value);
    else if (typeof value === "number") throw new Error(`the field ${name} is a number`);
    else if ("one" in field) message[name] = decode(value, field.one);
    else message[name] = [...((message[name] ?? []) as unknown[]), decodeItem(field, value)];
  }
  return message;
}

function decodeItem({ many }: Repeated, bytes: Uint8Array): unknown {
  return many === "strings" ? decoder.decode(bytes) : decode(bytes, many);
}

function numberOf(field: Schema[string]): number {
  return typeof field === "number" ? field : field.number;
}

/** Reads what a message is made of. @throws Error where it ends too early */
class Input {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  atEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): number {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new Error("the message is cut short");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, value));
    }
    throw new Error("the message has a number of more than 64 bits");
  }

  value(type: number): number | Uint8Array {
    if (type === VARINT) return this.varint();
    const length = type === BYTES ? this.varint() : LENGTHS[type];
    if (length === undefined) throw new Error(`the message has a field of type ${type}`);
    const end = this.#at + length;
    if (length < 0 || end > this.#bytes.length) throw new Error("the message is cut short");
    const value = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return value;
  }
}

/** Of types that no field of ours has: 64 and 32 bits. */
const LENGTHS: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
