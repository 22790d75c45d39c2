// A module whose work is done when it is started: on Node when it is loaded, in a program of our engine by its `main`.

import { engine } from "../../src/engine/engine.ts";

/** Does the work, now or at each start. It returns a status to end with. */
export function asProgram(work: () => number): void {
  if (engine() === undefined) process.exitCode = work();
  else Object.assign(globalThis, { main: work });
}
