// What create and run are asked for, beyond what the config says.

import type { Globals } from "./command.ts";

/** What the command line says about a container to be made. */
export interface Request extends Globals {
  readonly id: string;
  readonly bundle: string;
  /** Path of the configuration; undefined: config.json in the bundle. */
  readonly config: string | undefined;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  readonly preserveFds: number;
  readonly consoleSocket: string | undefined;
  readonly pidfdSocket: string | undefined;
  /** Takes the master end of the container's terminal over. */
  readonly onTerminal: (master: number, name: string) => void;
  /** Whether tsrun ends before the container does: then somebody else must take its terminal. */
  readonly detached: boolean;
  /** Called before the first thing is made that a tsrun ended by a signal would leave. */
  readonly beforehand?: () => void;
  /** Whether `start` will come: then init is given fifos to wait on. */
  readonly waitsForStart: boolean;
}
