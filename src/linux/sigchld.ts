// A process that ignores SIGCHLD has children that nobody can wait for: how they ended is lost, and their numbers are free
// for others at once. wait(2). Whether it is ignored is inherited.

import { SIGCHLD } from "./abi/signal.ts";
import { isIgnored, useDefault } from "./signal-pipe.ts";

/** Makes the ends of children known where they are not. */
export function stopIgnoringChildren(): void {
  if (isIgnored(SIGCHLD)) useDefault(SIGCHLD);
}
