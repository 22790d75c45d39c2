// The command table as yargs knows it, for the help that people read. Loading yargs costs three times what a whole
// `tsrun state` does, so nothing that a machine calls comes here.
//
// yargs is told all that it could otherwise find out by itself: nothing of the environment or the current directory may
// change what a runtime does for root.

import yargs, { type Argv, type Options } from "yargs";
import { COMMANDS, type CommandEntry, type CommandName, GLOBAL_FLAGS } from "./command-table.ts";
import { type Flag, type FlagTable, kebab } from "./flag.ts";

/** Columns of the help, whatever the terminal: it is read through pipes too. */
const WIDTH = 110;

const GROUP = "Options:";

/** tsrun with its global options and all commands. */
export function tsrunArgv(): Argv {
  const argv = bare()
    .usage("tsrun: run OCI containers\n\nUsage: tsrun [global options] <command> [options] [arguments]")
    .options(optionsOf(GLOBAL_FLAGS))
    .option("version", { alias: "v", type: "boolean", description: "print the version", group: GROUP })
    .epilogue("A path with a slash to a bundle's directory names the container after it: tsrun run ./bundle");
  for (const [name, { summary }] of Object.entries(COMMANDS)) argv.command(name, summary);
  return argv;
}

/** One command with its options. */
export function commandArgv(name: CommandName): Argv {
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
