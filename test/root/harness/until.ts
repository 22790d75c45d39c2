// Waiting for what somebody else does, who may be slow or have others before him: for the thing itself, never for a time in which
// it should have been done.

import { setTimeout as sleep } from "node:timers/promises";
import { scaled } from "../../../conformance/engines/patience.ts";

/** How long anything is waited for, in milliseconds. Only what never comes takes that long. */
export const PATIENCE = scaled(20_000);

/** Waits until something is so. @throws Error naming it where it never is */
export async function until(isSo: () => boolean | Promise<boolean>, what: string, pause = 10): Promise<void> {
  for (const start = Date.now(); !(await isSo()); await sleep(pause))
    if (Date.now() - start > PATIENCE) throw new Error(`waited in vain for ${what}`);
}
