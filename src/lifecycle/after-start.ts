// What follows once the program runs: the poststart hooks, of which a failing one ends the container (runtime-spec
// runtime.md#lifecycle, step 9, since 1.3).

import type { Container } from "./container.ts";
import { killInit } from "./destroy.ts";
import { runPoststart } from "./hook-points.ts";

/** Runs the poststart hooks. @throws HookError; the container is dead then, and stopped. */
export function afterStart(container: Container): void {
  const { state } = container;
  if (state.hooks.poststart.length === 0) return;
  try {
    runPoststart(state);
  } catch (error) {
    killInit(container);
    throw error;
  }
}
