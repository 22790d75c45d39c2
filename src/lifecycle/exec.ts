// tsrun exec: one more process in a container.

import type { Context, ExitStatus } from "./command.ts";

export function command(_: Context<"exec">): ExitStatus {
  throw new Error("exec");
}
