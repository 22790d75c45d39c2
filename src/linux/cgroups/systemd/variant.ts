// Values as D-Bus has them: a signature says of which type, and what a type may hold. D-Bus Specification, "Type System".

/** A value of any type: an array or a structure is a list of its members. */
export type Value = boolean | number | bigint | string | readonly Value[] | Variant;

/** A value with its type's signature: "t", "as", "a(ss)". */
export interface Variant {
  readonly signature: string;
  readonly value: Value;
}

/** A property of a unit: org.freedesktop.systemd1(5). */
export interface Property extends Variant {
  readonly name: string;
  /** The first systemd that takes it, where some that tsrun may meet are older. They are not sent it. */
  readonly since?: number;
}

/** Bits of each integer type; negative: signed. */
const INTEGERS: { readonly [code: string]: number } = { y: 8, q: 16, u: 32, t: 64, n: -16, i: -32, x: -64 };

/** Whether `code` is an integer type. */
export function isInteger(code: string): boolean {
  return code in INTEGERS;
}

/** Whether an integer type can hold a value. */
export function holds(code: string, value: bigint): boolean {
  const bits = INTEGERS[code] ?? 0;
  return (bits < 0 ? BigInt.asIntN(-bits, value) : BigInt.asUintN(bits, value)) === value;
}

/** The bytes of a value of a type of fixed size, as C has it: little-endian, a boolean in an int. */
export function fixed(code: string, value: Value): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  if (code === "d") view.setFloat64(0, Number(value), true);
  else view.setBigInt64(0, BigInt(value as number | bigint | boolean), true);
  return new Uint8Array(view.buffer);
}

/** The complete types that follow each other in a signature: "sa(ss)t" is s, a(ss) and t. */
export function completeTypes(signature: string): string[] {
  const types: string[] = [];
  for (let at = 0; at < signature.length; ) {
    const end = endOfType(signature, at);
    types.push(signature.slice(at, end));
    at = end;
  }
  return types;
}

function endOfType(signature: string, start: number): number {
  let at = start;
  while (signature[at] === "a") at++;
  if (signature[at] !== "(") return at + 1;
  for (let depth = 0; at < signature.length; at++) {
    if (signature[at] === "(") depth++;
    if (signature[at] === ")" && --depth === 0) break;
  }
  return at + 1;
}
