// From the words of the command line to an exit status: parse, run the one command, and if it fails say so once.

import { nameOf } from "./bundle-argument.ts";
import type { Context } from "./command.ts";
import { COMMAND_MODULES } from "./command-modules.ts";
import { COMMANDS, type CommandEntry, type CommandName } from "./command-table.ts";
import { printCandidates } from "./completion.ts";
import { globalsOf, logOf } from "./globals.ts";
import { HELP } from "./help.gen.ts";
import { printHelp } from "./help.ts";
import { Log } from "./log.ts";
import { messageOf, traceOf } from "./message.ts";
import { print } from "./output.ts";
import { GLOBAL_GRAMMAR, type Parsed, parseWords, withDefaults } from "./parse.ts";
import { closest } from "./suggest.ts";
import { UsageError } from "./usage-error.ts";
import { commit, printVersion, version } from "./version.ts";

/** How the script of completion.ts asks for words. */
const COMPLETE = "--complete";

/** Where failures are told, and how, as far as the command line has been understood. */
interface Telling {
  log: Log;
  entry?: CommandEntry;
}

/** Runs tsrun with these words and answers with its exit status. Does not throw. */
export function main(argv: readonly string[]): number {
  const telling: Telling = { log: new Log({ file: undefined, format: "text", level: "error" }) };
  try {
    return dispatch(argv, telling);
  } catch (error) {
    return fail(error, telling);
  }
}

function dispatch(argv: readonly string[], telling: Telling): number {
  if (argv[0] === COMPLETE) return printCandidates(argv.slice(1));
  const before = parseWords(argv, GLOBAL_GRAMMAR);
  telling.log = logOf(before.values);
  const [name, ...words] = before.args;
  if (before.values.version === true) return printVersion();
  if (before.help || name === undefined) return printHelp("tsrun");

  const command = commandNamed(name);
  const entry: CommandEntry = COMMANDS[command];
  const after = parseWords(words, { ...entry, help: command });
  if (after.help) return printHelp(command);
  checkCount(command, entry, after.args.length);
  telling.entry = entry;
  const named = entry.takesBundle ? withBundle(after, entry) : after;

  const flags = withDefaults(named.values, entry.flags);
  const globals = globalsOf(before.values, telling.log);
  // Not all of the command line: --env may hold what the log's readers must not know.
  const what = [command, ...named.args.slice(0, 1)].join(" ");
  if (globals.debug) globals.log.debug(`tsrun ${version()} (${commit()}): ${what}, state in ${globals.root}`);
  return COMMAND_MODULES[command].command({
    ...globals,
    flags,
    args: named.args,
  } as unknown as Context);
}

function commandNamed(name: string): CommandName {
  if (Object.hasOwn(COMMANDS, name)) return name as CommandName;
  const meant = closest(name, Object.keys(COMMANDS));
  throw new UsageError(`unknown command: ${name}`, { help: "tsrun", hint: meant && `did you mean ${meant}?` });
}

function checkCount(command: CommandName, { args }: CommandEntry, count: number): void {
  if (count >= args.min && count <= args.max) return;
  const wanted = args.min === args.max ? "exactly" : count < args.min ? "a minimum of" : "a maximum of";
  const limit = count < args.min ? args.min : args.max;
  throw new UsageError(`"${command}" requires ${wanted} ${limit} argument(s)`, { help: command });
}

/** Replaces a bundle's path by the container's id, and tells --bundle of it. */
function withBundle(parsed: Parsed, entry: CommandEntry): Pick<Parsed, "values" | "args"> {
  const [first = "", ...rest] = parsed.args;
  const { id, bundle } = nameOf(first, (parsed.values.bundle ?? "") !== "");
  const values = bundle !== undefined && "bundle" in entry.flags ? { ...parsed.values, bundle } : parsed.values;
  return { values, args: [id, ...rest] };
}

/** Says what failed: one line in the log, and for a mistake of the command line the help on stdout, as runc does. */
function fail(error: unknown, { log, entry }: Telling): number {
  const message = `${entry?.failurePrefix ?? ""}${messageOf(error)}`;
  if (error instanceof UsageError && error.help !== undefined) {
    print(`Incorrect usage: ${message}\n\n${HELP[error.help]}`);
  }
  log.error(message);
  if (error instanceof Error) log.debug(traceOf(error));
  return entry?.failure ?? 1;
}
