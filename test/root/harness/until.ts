// Waiting for what somebody else does, who may be slow or have others before him: for the thing itself, never for a time in which
// it should have been done.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { scaled } from "../../../conformance/engines/patience.ts";

/** How long anything is waited for, in milliseconds. Only what never comes takes that long. */
export const PATIENCE = scaled(20_000);

/** Waits until something is so. @throws Error naming it where it never is, in the words of then where it is a function */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  what: string | (() => string),
  pause = 10,
): Promise<void> {
  for (const start = Date.now(); !(await isSo()); await sleep(pause))
    if (Date.now() - start > PATIENCE)
      throw new Error(`waited in vain for ${typeof what === "string" ? what : what()}`);
}

/** Real-time signals are the last that a foreground tsrun catches: all else that is to be done before it waits has been done by then. */
const LAST_CAUGHT = 37;

/** Waits until a foreground runtime does nothing any more but wait for its process, and passes all signals on to it. */
export function untilItWaits(pid: number): Promise<void> {
  const caught = () => BigInt(`0x${/^SigCgt:\t(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]}`);
  const catches = () => (caught() & (1n << BigInt(LAST_CAUGHT - 1))) !== 0n;
  return until(() => catches() || hasSignalfd(pid), `the runtime (${pid}) to wait for its process`);
}

/** crun's way, which tsrun does not use. */
function hasSignalfd(pid: number): boolean {
  const descriptors = readdirSync(`/proc/${pid}/fd`).map((fd) => `/proc/${pid}/fd/${fd}`);
  return descriptors.some((path) => readlinkSync(path) === "anon_inode:[signalfd]");
}
