// Makes help.gen.ts: the help that people read, from the command table, by yargs. The built program has the texts alone:
// nothing of the environment or the current directory, of which yargs asks a lot, may change what a runtime does for root.

import yargs, { type Argv, type Options } from "yargs";
import { COMMANDS, type CommandEntry, type CommandName, GLOBAL_FLAGS } from "../src/lifecycle/command-table.ts";
import { type Flag, type FlagTable, kebab } from "../src/lifecycle/flag.ts";

/** Columns of the help, whatever the terminal: it is read through pipes too. */
const WIDTH = 110;

const GROUP = "Options:";

/** The text of help.gen.ts. */
export async function helpSource(): Promise<string> {
  const topics: [string, Argv][] = [["tsrun", tsrunArgv()]];
  for (const name of Object.keys(COMMANDS)) topics.push([name, commandArgv(name as CommandName)]);
  const entries = [];
  for (const [topic, argv] of topics) entries.push(`  ${topic}: ${JSON.stringify(`${await argv.getHelp()}\n`)},`);
  return [
    "// Made by `npm run generate` from src/lifecycle/command-table.ts. Do not edit.",
    "",
    "/** The help of tsrun and of each command. */",
    "export const HELP = {",
    ...entries,
    "} as const;",
    "",
  ].join("\n");
}

/** tsrun with its global options and all commands. */
function tsrunArgv(): Argv {
  const argv = bare()
    .usage("tsrun: run OCI containers\n\nUsage: tsrun [global options] <command> [options] [arguments]")
    .options(optionsOf(GLOBAL_FLAGS))
    .option("version", { alias: "v", type: "boolean", description: "print the version", group: GROUP })
    .epilogue("A path with a slash to a bundle's directory names the container after it: tsrun run ./bundle");
  for (const [name, { summary }] of Object.entries(COMMANDS)) argv.command(name, summary);
  return argv;
}

/** One command with its options. */
function commandArgv(name: CommandName): Argv {
  const { summary, args, flags }: CommandEntry = COMMANDS[name];
  const usage = args.usage === "" ? "" : ` ${args.usage}`;
  return bare().usage(`tsrun ${name}: ${summary}\n\nUsage: tsrun ${name} [options]${usage}`).options(optionsOf(flags));
}

function bare(): Argv {
  return yargs([])
    .scriptName("tsrun")
    .detectLocale(false)
    .version(false)
    .help(false)
    .exitProcess(false)
    .wrap(WIDTH)
    .option("help", { alias: "h", type: "boolean", description: "print this help", group: GROUP });
}

function optionsOf(flags: FlagTable): Record<string, Options> {
  return Object.fromEntries(Object.entries(flags).map(([key, flag]) => [kebab(key), optionOf(flag)]));
}

function optionOf(flag: Flag): Options {
  return {
    type: flag.type === "list" ? "array" : flag.type,
    description: flag.value === undefined ? flag.help : `${flag.value}: ${flag.help}`,
    group: GROUP,
    hidden: flag.hidden ?? false,
    ...(flag.alias !== undefined && { alias: flag.alias }),
    ...(flag.choices !== undefined && { choices: flag.choices }),
    ...(flag.default !== undefined && { defaultDescription: String(flag.default) }),
  };
}
