// The parser of the command line. (The built program has no parseArgs of node:util, which knows no single-dash long flags.)
// It follows Go's flag package as runc uses it: --flag v, --flag=v, -flag v, -f v; booleans take a value only with "="; "--"
// ends the flags; a flag that takes a value takes the next word whatever it looks like. To this it adds -fv and -ab from getopt.
// Flags may follow positional arguments, except where these begin a command line of somebody else's (exec, ps).
//
// Mistakes are thrown as UsageError, with a guess at what was meant.

import { GLOBAL_FLAGS } from "./command-table.ts";
import { camel, type Flag, type FlagTable, kebab } from "./flag.ts";
import { closest } from "./suggest.ts";
import { UsageError, type UsageErrorDetails } from "./usage-error.ts";

/** The values of flags that were given. Whoever reads them knows their types from the table. */
export type RawValues = Record<string, string | number | boolean | string[]>;

/** A parsed piece of a command line. */
export interface Parsed {
  readonly values: RawValues;
  readonly args: string[];
  /** --help or -h was met: nothing after it has been read. */
  help: boolean;
}

/** What to parse and how. */
export interface Grammar {
  readonly flags: FlagTable;
  readonly stopsAtFirstArgument?: boolean | undefined;
  /** Whose help a mistake shows. */
  readonly help: NonNullable<UsageErrorDetails["help"]>;
}

/** The grammar of what stands before the command. `--version` is one more flag there. */
export const GLOBAL_GRAMMAR: Grammar = {
  flags: { ...GLOBAL_FLAGS, version: { type: "boolean", alias: "v", help: "print the version" } },
  stopsAtFirstArgument: true,
  help: "tsrun",
};

/** Parses `words`. Throws UsageError. Defaults are not filled in: see withDefaults. */
export function parseWords(words: readonly string[], grammar: Grammar): Parsed {
  const parsed: Parsed = { values: {}, args: [], help: false };
  for (let at = 0; at < words.length && !parsed.help; ) {
    const word = words[at] ?? "";
    if (word === "--") {
      parsed.args.push(...words.slice(at + 1));
      break;
    }
    if (!isFlag(word)) {
      if (grammar.stopsAtFirstArgument) {
        parsed.args.push(...words.slice(at));
        break;
      }
      parsed.args.push(word);
      at += 1;
      continue;
    }
    at += parseFlag(word, words[at + 1], grammar, parsed);
  }
  return parsed;
}

/** The given values and, for what was not given, the table's defaults. */
export function withDefaults(given: RawValues, flags: FlagTable): RawValues {
  const values: RawValues = {};
  for (const name in flags) {
    const flag = flags[name];
    const value = told(given[name], flag) ?? flag?.default ?? EMPTY[flag?.type ?? "string"];
    if (value !== undefined) values[name] = value;
  }
  return values;
}

/** Go's flags cannot tell an empty value from none, and callers write --log "" for no log. */
function told(value: RawValues[string] | undefined, flag: Flag | undefined): RawValues[string] | undefined {
  return value === "" && !flag?.takesEmpty ? undefined : value;
}

/** The value of a flag that was not given and has no default. A string or a number is then undefined. */
const EMPTY: { readonly [T in Flag["type"]]?: false | [] } = { boolean: false, list: [] };

/** -9 is a signal and - is stdin: neither is a flag. */
function isFlag(word: string): boolean {
  return word.length > 1 && word.startsWith("-") && (word.startsWith("--") || !/^-\d+$/.test(word));
}

/** Takes one flag, and its value where that is the next word. Returns how many words it took. */
function parseFlag(word: string, next: string | undefined, grammar: Grammar, parsed: Parsed): 1 | 2 {
  const dashes = word.startsWith("--") ? 2 : 1;
  const equals = word.indexOf("=");
  const name = word.slice(dashes, equals < 0 ? undefined : equals);
  const joined = equals < 0 ? undefined : word.slice(equals + 1);
  const key = keyOf(name, grammar.flags);
  if (key !== undefined) return takeFlag(key, joined, next, grammar, parsed);
  if (name === "help" || name === "h") {
    parsed.help = joined === undefined || booleanValue("help", joined, grammar);
    return 1;
  }
  if (dashes === 1) {
    const taken = parseShort(word.slice(1), next, grammar, parsed);
    if (taken !== undefined) return taken;
  }
  throw mistake(`flag provided but not defined: ${word.slice(0, dashes)}${name}`, grammar, { unknownFlag: name });
}

/** A flag whose name is known. */
function takeFlag(key: string, joined: string | undefined, next: string | undefined, grammar: Grammar, parsed: Parsed) {
  const flag = grammar.flags[key];
  if (flag?.type === "boolean") {
    parsed.values[key] = joined === undefined || booleanValue(key, joined, grammar);
    return 1;
  }
  const value = joined ?? next;
  if (value === undefined) throw mistake(`flag needs an argument: --${kebab(key)}`, grammar);
  setValue(key, value, grammar, parsed);
  return joined === undefined ? 2 : 1;
}

/** -dt, -bDIR, -tbDIR. Returns undefined, having set nothing, when a letter is no alias. */
function parseShort(letters: string, next: string | undefined, grammar: Grammar, parsed: Parsed): 1 | 2 | undefined {
  const keys: string[] = [];
  for (let i = 0; i < letters.length; i++) {
    const key = keyOf(letters.charAt(i), grammar.flags);
    if (key === undefined) return undefined;
    if (grammar.flags[key]?.type !== "boolean") {
      for (const set of keys) parsed.values[set] = true;
      const attached = letters.slice(i + 1);
      return takeFlag(key, attached === "" ? undefined : attached.replace(/^=/, ""), next, grammar, parsed);
    }
    keys.push(key);
  }
  for (const set of keys) parsed.values[set] = true;
  return 1;
}

function setValue(key: string, text: string, grammar: Grammar, parsed: Parsed): void {
  const flag = grammar.flags[key];
  if (flag?.choices !== undefined && text !== "" && !flag.choices.includes(text))
    throw mistake(`invalid ${kebab(key)}: ${text} (must be ${flag.choices.join(" or ")})`, grammar);
  if (flag?.type === "list") parsed.values[key] = [...((parsed.values[key] as string[] | undefined) ?? []), text];
  else if (flag?.type === "number") parsed.values[key] = wholeNumber(key, text, grammar);
  else parsed.values[key] = text;
}

function wholeNumber(key: string, text: string, grammar: Grammar): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw mistake(`invalid value ${JSON.stringify(text)} for flag --${kebab(key)}: not a whole number`, grammar);
  return value;
}

/** The words that Go takes for a boolean. */
function booleanValue(key: string, text: string, grammar: Grammar): boolean {
  if (/^(1|t|T|true|TRUE|True)$/.test(text)) return true;
  if (/^(0|f|F|false|FALSE|False)$/.test(text)) return false;
  throw mistake(`invalid boolean value ${JSON.stringify(text)} for --${kebab(key)}`, grammar);
}

/** The table's key of a flag as it was written, by name or by alias. */
function keyOf(name: string, flags: FlagTable): string | undefined {
  if (name.length === 1) {
    for (const key in flags) if (flags[key]?.alias === name) return key;
    return undefined;
  }
  const key = camel(name);
  return Object.hasOwn(flags, key) && kebab(key) === name ? key : undefined;
}

/** A mistake that shows the help of what was called. `unknownFlag` is a name to find a likely one for. */
function mistake(message: string, grammar: Grammar, found: { unknownFlag?: string } = {}): UsageError {
  const meant = found.unknownFlag === undefined ? undefined : closestFlag(found.unknownFlag, grammar.flags);
  return new UsageError(message, { help: grammar.help, hint: meant && `did you mean --${meant}?` });
}

function closestFlag(name: string, flags: FlagTable): string | undefined {
  return closest(
    name,
    Object.keys(flags)
      .filter((key) => !flags[key]?.hidden)
      .map(kebab),
  );
}
