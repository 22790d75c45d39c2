// JSON text to values (RFC 8259), exact where JSON.parse is not: it reads 18446744073709551615 as 18446744073709551616.
// An integer beyond 2^53 becomes a bigint; a fraction that a double cannot hold ("4.00000000000000000001") becomes NaN,
// which no schema takes, and never the integer next to it. Only text with a run of 16 digits pays for that.
// Of equal keys in an object the last one counts; "__proto__" is a key like any other; a lone surrogate ("\ud800") stays one
// and becomes U+FFFD, as in Go's decoder, once it is encoded for the kernel.

import { SpecError } from "./errors.ts";
import { syntaxError } from "./json-syntax.ts";

/** So many digits that a double may lose some. */
const LONG = 16;
const LONG_NUMBER = /\d{16}/;
/** A string, or a number; of text that is JSON it finds all of them. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*/gs;
const NUMBER = /^(-?)(0|[1-9]\d*)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/;
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
    return hasLongNumber(text) ? parseExactly(text) : JSON.parse(text);
  } catch (error) {
    if (error instanceof SpecError) throw error;
    throw refused(syntaxError(text) ?? `is not JSON that can be read: ${(error as Error).message}`, file);
  }
}

/** Whether there are 16 digits in a row: one of them is where every 16th character of the text is, and few of those are digits. */
function hasLongNumber(text: string): boolean {
  for (let at = LONG - 1; at < text.length; at += LONG) {
    const code = text.charCodeAt(at);
    if (code >= DIGIT_0 && code <= DIGIT_9 && LONG_NUMBER.test(text.slice(at - LONG + 1, at + LONG))) return true;
  }
  return false;
}

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

function refused(message: string, file: string | undefined): SpecError {
  return new SpecError([{ pointer: "", message }], file);
}

/**
 * Numbers that a double may not hold are read from their own text: they are put into strings that begin as no other of
 * the text's does, and come out of them again. (JSON.parse of newer engines shows a reviver the text; not all do.)
 */
function parseExactly(text: string): unknown {
  // JSON has one way to spell U+0001; one more than the longest run of it is in no string.
  const spelling = "\\u0001";
  const longest = (text.match(/(?:\\u0001)+/g) ?? []).reduce((most, run) => Math.max(most, run.length), 0);
  const mark = "\u0001".repeat(longest / spelling.length + 1);
  const spelled = spelling.repeat(mark.length);
  const marked = text.replace(TOKEN, (token) => (mayLose(token) ? `"${spelled}${token}"` : token));
  return JSON.parse(marked, (_key, value: unknown) =>
    typeof value === "string" && value.startsWith(mark) ? exactNumber(value.slice(mark.length)) : value,
  );
}

function mayLose(token: string): boolean {
  return !token.startsWith('"') && (LONG_NUMBER.test(token) || /[.eE]/.test(token)) && NUMBER.test(token);
}

/** What the literal `source` stands for. */
function exactNumber(source: string): number | bigint {
  const rounded = Number(source);
  if (Number.isSafeInteger(rounded) && /^-?\d+$/.test(source)) return rounded;
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = NUMBER.exec(source) ?? [];
  const digits = (whole + fraction).replace(/0+$/, "");
  const shift = whole.length - digits.length + Number(exponent);
  if (digits === "") return 0;
  if (shift < 0) return Number.isInteger(rounded) ? Number.NaN : rounded;
  if (shift > SHIFT_MAX || Number.isSafeInteger(rounded)) return rounded;
  return BigInt(sign + digits + "0".repeat(shift));
}
