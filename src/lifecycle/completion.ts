// tsrun completion bash: the script that makes Tab work, and the words that it asks for at each Tab: bash(1),
// "Programmable Completion". The words come from the command table and, for ids, from the containers that there are.
// (Not by yargs: that prints on the engine's streams, and offers a command's flags before the command.)

import type { Context, ExitStatus } from "./command.ts";
import { COMMANDS, type CommandEntry } from "./command-table.ts";
import { Container } from "./container.ts";
import { type FlagTable, kebab } from "./flag.ts";
import { globalsOf, logOf } from "./globals.ts";
import { print } from "./output.ts";
import { GLOBAL_GRAMMAR, parseWords } from "./parse.ts";
import { UsageError } from "./usage-error.ts";

/** Where bash finds no word of ours it goes on to complete file names. It hands over "=" as a word of its own. */
const BASH = `# tsrun's completion for bash. Use it with: source <(tsrun completion bash)
_tsrun() {
  local word
  COMPREPLY=()
  while IFS= read -r word; do COMPREPLY+=("$word"); done \\
    < <("\${COMP_WORDS[0]}" --complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o bashdefault -o default -F _tsrun tsrun
`;

/** Prints the script. */
export function command({ args: [shell] }: Context<"completion">): ExitStatus {
  if (shell !== "bash") throw new UsageError(`no completion for ${shell}: there is one for bash`);
  print(BASH);
  return 0;
}

/** Prints what the last of `words` may become, a candidate a line. The words are those after "tsrun". */
export function printCandidates(words: readonly string[]): ExitStatus {
  print(
    candidates(words)
      .map((word) => `${word}\n`)
      .join(""),
  );
  return 0;
}

/** What the last of `words` may become. None when it is a mistake, or something that only the shell knows, as a file. */
export function candidates(words: readonly string[]): string[] {
  const current = words.at(-1)?.replace(/^=$/, "") ?? "";
  const before = words.slice(0, -1).filter((word) => word !== "=");
  try {
    return wordsAfter(before, current).filter((word) => word.startsWith(current));
  } catch (error) {
    if (error instanceof UsageError) return []; // after a mistake there is nothing to offer, and nobody to tell
    throw error;
  }
}

function wordsAfter(before: readonly string[], current: string): readonly string[] {
  const { flags, position, entry, root } = placeAfter(before);
  const pending = valueFlag(before.at(-1), flags);
  if (pending !== undefined) return pending.choices ?? [];
  if (current.startsWith("-")) return flagNames(flags);
  if (position > 0) return [];
  if (entry === undefined) return Object.keys(COMMANDS);
  if (entry === COMMANDS.help) return Object.keys(COMMANDS);
  if (entry === COMMANDS.completion) return ["bash"];
  return entry.args.usage.startsWith("<container-id>") && !("bundle" in entry.flags) ? idsUnder(root) : [];
}

/** Where on the command line one is: before a command or in it, and after how many arguments. */
function placeAfter(before: readonly string[]) {
  const outer = tolerant(before, GLOBAL_GRAMMAR.flags, true);
  const [name = "", ...words] = outer.args;
  const entry: CommandEntry | undefined = Object.hasOwn(COMMANDS, name)
    ? COMMANDS[name as keyof typeof COMMANDS]
    : undefined;
  const root = () => globalsOf(outer.values, logOf(outer.values)).root;
  if (entry === undefined) return { flags: GLOBAL_GRAMMAR.flags, position: outer.args.length, entry, root };
  const inner = tolerant(words, entry.flags, entry.stopsAtFirstArgument === true);
  return { flags: entry.flags, position: inner.args.length, entry, root };
}

/** Parses words of which the last may be a flag whose value is yet to come. */
function tolerant(words: readonly string[], flags: FlagTable, stopsAtFirstArgument: boolean) {
  const whole = valueFlag(words.at(-1), flags) === undefined ? words : words.slice(0, -1);
  return parseWords(whole, { flags, stopsAtFirstArgument, help: "tsrun" });
}

/** The flag that `word` is, if a value follows it as the next word. */
function valueFlag(word: string | undefined, flags: FlagTable) {
  return Object.entries(flags).find(
    ([key, flag]) => flag.type !== "boolean" && (word === `--${kebab(key)}` || word === `-${flag.alias}`),
  )?.[1];
}

function flagNames(flags: FlagTable): string[] {
  const shown = Object.keys(flags).filter((key) => !flags[key]?.hidden);
  return [...shown.map((key) => `--${kebab(key)}`), "--help"];
}

function idsUnder(root: () => string): string[] {
  try {
    return Container.list(root());
  } catch {
    return []; // no directory, or not ours to read
  }
}
