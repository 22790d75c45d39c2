// Where each command's code is. (Apart from the table, because some commands read the table: it must not import them.)

import * as checkpoint from "./checkpoint.ts";
import type { CommandModule } from "./command.ts";
import type { CommandName } from "./command-table.ts";
import * as completion from "./completion.ts";
import * as create from "./create.ts";
import * as remove from "./delete.ts";
import * as events from "./events.ts";
import * as exec from "./exec.ts";
import * as features from "./features.ts";
import * as help from "./help.ts";
import * as kill from "./kill.ts";
import * as list from "./list.ts";
import * as pause from "./pause.ts";
import * as ps from "./ps.ts";
import * as restore from "./restore.ts";
import * as resume from "./resume.ts";
import * as run from "./run.ts";
import * as spec from "./spec.ts";
import * as start from "./start.ts";
import * as state from "./state.ts";
import * as update from "./update.ts";

export const COMMAND_MODULES: Readonly<Record<CommandName, CommandModule>> = {
  create,
  start,
  run,
  exec,
  state,
  kill,
  delete: remove,
  list,
  pause,
  resume,
  update,
  events,
  ps,
  checkpoint,
  restore,
  spec,
  features,
  completion,
  help,
};
