// What a flag of the command line is, and which values it gives: the table has one of these for each.

/** One flag. Its type decides what the command sees: see FlagsOf. */
export interface Flag {
  readonly type: "boolean" | "string" | "number" | "list";
  readonly help: string;
  /** One letter: -b is --bundle. */
  readonly alias?: string;
  readonly default?: string | number;
  /** The only values that are taken. */
  readonly choices?: readonly string[];
  /** What the value is, for the help: --pid-file FILE. */
  readonly value?: string;
  /** Accepted, but not shown. */
  readonly hidden?: true;
  /** An empty value is one, and not as good as none. */
  readonly takesEmpty?: true;
  /** Whose flag this is, when not runc's. */
  readonly peer?: "crun" | "tsrun";
}

/** Flags by their keys, in camel case. */
export type FlagTable = Readonly<Record<string, Flag>>;

type Value<F extends Flag> = F["type"] extends "boolean"
  ? boolean
  : F["type"] extends "list"
    ? readonly string[]
    : F["type"] extends "number"
      ? number | (F extends { default: number } ? never : undefined)
      :
          | (F extends { choices: readonly (infer C)[] } ? C : string)
          | (F extends { default: string } ? never : undefined);

/** What a set of flags gives: a boolean is false, a list empty, a string undefined when absent and without a default. */
export type Values<Flags extends FlagTable> = { readonly [K in keyof Flags]: Value<Flags[K]> };

/** consoleSocket as it is written on the command line: console-socket. */
export function kebab(key: string): string {
  let name = "";
  for (const letter of key) name += letter >= "A" && letter <= "Z" ? `-${letter.toLowerCase()}` : letter;
  return name;
}

/** console-socket as the table has it: consoleSocket. (By hand, as every call of every engine comes here.) */
export function camel(name: string): string {
  let key = name;
  for (let dash = key.indexOf("-"); dash >= 0; dash = key.indexOf("-"))
    key = key.slice(0, dash) + key.charAt(dash + 1).toUpperCase() + key.slice(dash + 2);
  return key;
}
