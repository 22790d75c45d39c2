// tsrun help, --help and the usage that a mistake on the command line is answered with.

import type { Context, ExitStatus } from "./command.ts";
import { COMMANDS, type CommandName } from "./command-table.ts";
import { HELP } from "./help.gen.ts";
import { print } from "./output.ts";
import { closest } from "./suggest.ts";
import { UsageError } from "./usage-error.ts";

/** `tsrun help [command]`. */
export function command({ args: [name = "tsrun"] }: Context<"help">): ExitStatus {
  if (name !== "tsrun" && !Object.hasOwn(COMMANDS, name)) {
    const meant = closest(name, Object.keys(COMMANDS));
    throw new UsageError(`no help for ${name}: unknown command`, { hint: meant && `did you mean ${meant}?` });
  }
  return printHelp(name as CommandName | "tsrun");
}

/** Prints the help of tsrun or of one command on stdout. */
export function printHelp(topic: CommandName | "tsrun"): ExitStatus {
  print(HELP[topic]);
  return 0;
}
