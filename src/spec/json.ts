// JSON text to values (RFC 8259), exact where JSON.parse is not: it reads 18446744073709551615 as 18446744073709551616.
// An integer beyond 2^53 becomes a bigint; a fraction that a double cannot hold ("4.00000000000000000001") becomes NaN,
// which no schema takes, and never the integer next to it. Only text with a run of 16 digits pays for that.
// Of equal keys in an object the last one counts; "__proto__" is a key like any other; a lone surrogate ("\ud800") stays one
// and becomes U+FFFD, as in Go's decoder, once it is encoded for the kernel.

import { SpecError } from "./errors.ts";
import { syntaxError } from "./json-syntax.ts";

/** What a reviver is told beside key and value: the literal's own text. */
interface Source {
  readonly source?: string;
}
type ExactReviver = (this: unknown, key: string, value: unknown, context?: Source) => unknown;

const LONG_NUMBER = /\d{16}/;
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
/** More zeros than any 64-bit value has: let the double be, it is out of every range. */
const SHIFT_MAX = 40;

/**
 * The value of a JSON text. `file` is named in the error.
 * @throws SpecError with line and column when it is not JSON.
 */
export function parseJson(text: string, file?: string): unknown {
  if (text.startsWith("\ufeff"))
    throw refused("begins with a byte order mark, which JSON must not (RFC 8259, 8.1)", file);
  try {
    return LONG_NUMBER.test(text) ? JSON.parse(text, exact as Parameters<typeof JSON.parse>[1]) : JSON.parse(text);
  } catch (error) {
    if (error instanceof SpecError) throw error;
    throw refused(syntaxError(text) ?? `is not JSON that can be read: ${(error as Error).message}`, file);
  }
}

function refused(message: string, file: string | undefined): SpecError {
  return new SpecError([{ pointer: "", message }], file);
}

const exact: ExactReviver = (_key, value, context) => {
  if (typeof value !== "number" || (Number.isSafeInteger(value) && !isFraction(context?.source))) return value;
  if (context?.source === undefined) {
    // An engine without the source text (Node before 21) cannot tell what was written.
    return Number.isInteger(value) ? Number.NaN : value;
  }
  return exactNumber(context.source, value);
};

function isFraction(source: string | undefined): boolean {
  return source !== undefined && /[.eE]/.test(source);
}

/** What the literal `source` stands for, `rounded` being the double next to it. */
function exactNumber(source: string, rounded: number): number | bigint {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = NUMBER.exec(source) ?? [];
  const digits = (whole + fraction).replace(/0+$/, "");
  const shift = whole.length - digits.length + Number(exponent);
  if (digits === "") return 0;
  if (shift < 0) return Number.isInteger(rounded) ? Number.NaN : rounded;
  if (shift > SHIFT_MAX || Number.isSafeInteger(rounded)) return rounded;
  return BigInt(sign + digits + "0".repeat(shift));
}
