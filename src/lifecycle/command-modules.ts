// Where each command's code is. It is loaded when the command is called, and no other is. (Apart from the table, because
// some commands read the table: it must not import them.)

import type { CommandModule } from "./command.ts";
import type { CommandName } from "./command-table.ts";

/** Loads a command. */
export const COMMAND_MODULES: Readonly<Record<CommandName, () => Promise<CommandModule>>> = {
  create: () => import("./create.ts"),
  start: () => import("./start.ts"),
  run: () => import("./run.ts"),
  exec: () => import("./exec.ts"),
  state: () => import("./state.ts"),
  kill: () => import("./kill.ts"),
  delete: () => import("./delete.ts"),
  list: () => import("./list.ts"),
  ps: () => import("./ps.ts"),
  spec: () => import("./spec.ts"),
  features: () => import("./features.ts"),
  completion: () => import("./completion.ts"),
  help: () => import("./help.ts"),
};
