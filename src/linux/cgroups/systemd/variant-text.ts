// GVariant's text, in which the annotations org.systemd.property.* have their values: `uint64 5`, `'x'`, `['a', 'b']`,
// `@as []`, `(1, true)`. What says nothing of its type is boolean, int32, double or string. GLib, "GVariant Text Format";
// dictionaries, maybe types and byte strings are not read: no unit property has them.

import { completeTypes, holds, isInteger, type Value, type Variant } from "./variant.ts";

const TYPES: { readonly [keyword: string]: string } = {
  boolean: "b",
  byte: "y",
  int16: "n",
  uint16: "q",
  int32: "i",
  uint32: "u",
  int64: "x",
  uint64: "t",
  double: "d",
  string: "s",
  objectpath: "o",
  signature: "g",
};

const TOKEN = /\s*(@[a-z()]+|[[\](),<>]|'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\s[\](),<>'"@]+)\s*/suy;

/** The value that a text is. @throws Error saying what of it is none */
export function parseVariant(text: string): Variant {
  const reader = new Reader(tokensOf(text));
  const variant = reader.value(undefined);
  reader.end();
  return variant;
}

function tokensOf(text: string): string[] {
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const token = TOKEN.exec(text)?.[1];
    if (token === undefined) throw new Error(`cannot read ${JSON.stringify(text.slice(from))}`);
    tokens.push(token);
  }
  return tokens;
}

class Reader {
  readonly #tokens: string[];

  constructor(tokens: string[]) {
    this.#tokens = tokens;
  }

  end(): void {
    const [token] = this.#tokens;
    if (token !== undefined) throw new Error(`${token} after its end`);
  }

  /** The next value, of a type where that is known already. */
  value(type: string | undefined): Variant {
    const token = this.#next();
    const keyword = token.startsWith("@") ? token.slice(1) : TYPES[token];
    if (keyword !== undefined) return this.#typed(keyword, type);
    if (token === "[") return this.#array(type);
    if (token === "(") return this.#structure(type);
    if (token === "<") return this.#variant(type);
    if (/^['"]/.test(token)) return scalar(unquoted(token), "s", type, "sog");
    if (token === "true" || token === "false") return scalar(token === "true", "b", type, "b");
    return number(token, type);
  }

  #next(): string {
    const token = this.#tokens.shift();
    if (token === undefined) throw new Error("it ends too early");
    return token;
  }

  #typed(keyword: string, type: string | undefined): Variant {
    if (type !== undefined && type !== keyword) throw new Error(`a value of type ${keyword}, not ${type}`);
    return this.value(keyword);
  }

  #array(type: string | undefined): Variant {
    if (type !== undefined && !type.startsWith("a")) throw new Error(`an array, not a value of type ${type}`);
    let element = type?.slice(1);
    const value = this.#list("]", () => {
      const member = this.value(element);
      element = member.signature;
      return member.value;
    });
    if (element === undefined) throw new Error("an empty array without a type");
    return { signature: `a${element}`, value };
  }

  #structure(type: string | undefined): Variant {
    if (type !== undefined && !type.startsWith("(")) throw new Error(`a tuple, not a value of type ${type}`);
    const types = type === undefined ? undefined : completeTypes(type.slice(1, -1));
    const found: string[] = [];
    const value = this.#list(")", () => {
      const member = this.value(types?.[found.length]);
      found.push(member.signature);
      return member.value;
    });
    const signature = `(${found.join("")})`;
    if (type !== undefined && signature !== type) throw new Error(`a value of type ${signature}, not ${type}`);
    return { signature, value };
  }

  #variant(type: string | undefined): Variant {
    if (type !== undefined && type !== "v") throw new Error(`a variant, not a value of type ${type}`);
    const value = this.value(undefined);
    if (this.#next() !== ">") throw new Error("a variant without its end");
    return { signature: "v", value };
  }

  #list(end: string, member: () => Value): Value[] {
    const values: Value[] = [];
    while (this.#tokens[0] !== end) {
      values.push(member());
      if (this.#tokens[0] === end) break;
      const token = this.#next();
      if (token !== ",") throw new Error(`${token} between the members of a list`);
    }
    this.#next();
    return values;
  }
}

function scalar(value: Value, usual: string, type: string | undefined, possible: string): Variant {
  if (type === undefined) return { signature: usual, value };
  if (!possible.includes(type)) throw new Error(`${JSON.stringify(value)} is no value of type ${type}`);
  return { signature: type, value };
}

const INTEGER = /^[-+]?(0x[\da-f]+|\d+)$/i;
const DECIMAL = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

function number(token: string, type: string | undefined): Variant {
  if (!DECIMAL.test(token) && !INTEGER.test(token)) throw new Error(`${token} is no value`);
  const signature = type ?? (INTEGER.test(token) ? "i" : "d");
  if (signature === "d" && DECIMAL.test(token)) return { signature, value: Number(token) };
  if (!isInteger(signature) || !INTEGER.test(token)) throw new Error(`${token} is no value of type ${signature}`);
  const value = integer(token);
  if (!holds(signature, value)) throw new Error(`${token} is out of range of type ${signature}`);
  return { signature, value };
}

/** With a 0 in front it is octal, as in C. */
function integer(token: string): bigint {
  const digits = token.replace(/^[-+]/, "");
  const size = BigInt(digits.replace(/^0(?=[0-7]+$)/, "0o"));
  return token.startsWith("-") ? -size : size;
}

const ESCAPES: { readonly [letter: string]: string } = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

function unquoted(token: string): string {
  return token
    .slice(1, -1)
    .replace(/\\(?:u([\da-f]{4})|U([\da-f]{8})|(.))/gisu, (_, four?: string, eight?: string, letter = "") => {
      const code = four ?? eight;
      return code === undefined ? (ESCAPES[letter] ?? letter) : String.fromCodePoint(Number.parseInt(code, 16));
    });
}
