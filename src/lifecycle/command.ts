// What a command is: a module of its own with one function, `command(context)`, that does the work and answers with the
// exit status of tsrun. The command table says where the module is, and from the table's flags follow the types of
// `context.flags` and `context.args`: `Context<"create">` has exactly what `tsrun create --help` shows.

import type { CommandName, FlagsOf, PositionalsOf } from "./command-table.ts";
import type { Log } from "./log.ts";

/** Who makes the cgroup: tsrun by file, systemd over D-Bus (`cgroupsPath` is then `slice:prefix:name`), or nobody. */
export type CgroupManager = "cgroupfs" | "systemd" | "disabled";

/** What the options before the command say, checked and with defaults filled in. */
export interface Globals {
  /** Absolute path of the directory that holds the state of all containers. It may not exist yet. */
  readonly root: string;
  /** True when --root was given: then a missing directory is a mistake of the caller's and not an empty store. */
  readonly rootGiven: boolean;
  readonly log: Log;
  /** True with --debug or --log-level debug. */
  readonly debug: boolean;
  /** True when systemd manages the cgroups, by whichever of the two flags. */
  readonly systemdCgroup: boolean;
  readonly cgroupManager: CgroupManager;
  /** Whether failures to set up cgroups for lack of permission are ignored; "auto": decide by euid and user namespace. */
  readonly rootless: boolean | "auto";
}

/** Everything that one run of a command is given. */
export interface Context<Name extends CommandName = CommandName> extends Globals {
  readonly flags: FlagsOf<Name>;
  /** The positional arguments, their number checked against the table. */
  readonly args: PositionalsOf<Name>;
}

/** The exit status of tsrun, 0 to 255. */
export type ExitStatus = number;

/** What a command's module exports. (A method, so that a command may ask for the context of its own name.) */
export interface CommandModule {
  command(context: Context): ExitStatus;
}
