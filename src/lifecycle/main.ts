// From the words of the command line to an exit status: parse, load the one command, run it, and if it fails say so once.
// Nothing is loaded that the command does not use; help and suggestions are only loaded for those who need them.

import { nameOf } from "./bundle-argument.ts";
import type { Context } from "./command.ts";
import { COMMAND_MODULES } from "./command-modules.ts";
import { COMMANDS, type CommandEntry, type CommandName } from "./command-table.ts";
import { globalsOf, logOf } from "./globals.ts";
import { Log } from "./log.ts";
import { messageOf } from "./message.ts";
import { print } from "./output.ts";
import { GLOBAL_GRAMMAR, type Parsed, parseWords, withDefaults } from "./parse.ts";
import { closest } from "./suggest.ts";
import { UsageError } from "./usage-error.ts";

/** How the script of completion.ts asks for words. */
const COMPLETE = "--complete";

/** Where failures are told, and how, as far as the command line has been understood. */
interface Telling {
  log: Log;
  entry?: CommandEntry;
}

/** Runs tsrun with these words and answers with its exit status. Does not throw. */
export async function main(argv: readonly string[]): Promise<number> {
  const telling: Telling = { log: new Log({ file: undefined, format: "text", level: "error" }) };
  try {
    return await dispatch(argv, telling);
  } catch (error) {
    return fail(error, telling);
  }
}

async function dispatch(argv: readonly string[], telling: Telling): Promise<number> {
  if (argv[0] === COMPLETE) return (await import("./completion.ts")).printCandidates(argv.slice(1));
  const before = parseWords(argv, GLOBAL_GRAMMAR);
  telling.log = logOf(before.values);
  const [name, ...words] = before.args;
  if (before.values.version === true) return (await import("./version.ts")).printVersion();
  if (before.help || name === undefined) return (await import("./help.ts")).printHelp("tsrun");

  const command = commandNamed(name);
  const entry: CommandEntry = COMMANDS[command];
  const after = parseWords(words, { ...entry, help: command });
  if (after.help) return (await import("./help.ts")).printHelp(command);
  checkCount(command, entry, after.args.length);
  telling.entry = entry;
  const named = entry.takesBundle ? withBundle(after, entry) : after;

  const module = await COMMAND_MODULES[command]();
  const flags = withDefaults(named.values, entry.flags);
  return module.command({ ...globalsOf(before.values, telling.log), flags, args: named.args } as unknown as Context);
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
  const { id, bundle } = nameOf(first, parsed.values.bundle !== undefined);
  const values = bundle !== undefined && "bundle" in entry.flags ? { ...parsed.values, bundle } : parsed.values;
  return { values, args: [id, ...rest] };
}

/** Says what failed: one line in the log, and for a mistake of the command line the help on stdout, as runc does. */
async function fail(error: unknown, { log, entry }: Telling): Promise<number> {
  const message = `${entry?.failurePrefix ?? ""}${messageOf(error)}`;
  if (error instanceof UsageError && error.help !== undefined) {
    const { helpText } = await import("./help.ts");
    print(`Incorrect usage: ${message}\n\n${await helpText(error.help)}`);
  }
  log.error(message);
  if (error instanceof Error && error.stack !== undefined) log.debug(error.stack);
  return entry?.failure ?? 1;
}
