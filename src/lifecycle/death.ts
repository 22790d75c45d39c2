// Waiting for the end of a process that need not be a child of ours. It is over when it is gone or a zombie: whose child it
// is reads its status. pidfd_open(2) becomes readable then.

import { reapEnded } from "../linux/agent/reap.ts";
import { ConfigError } from "../linux/errors.ts";
import { close, fileCall } from "../linux/files.ts";
import { POLLIN, poll } from "../linux/poll.ts";
import { isErrno } from "./output.ts";
import { isAlive } from "./process-identity.ts";

/** Milliseconds: how long it may take, and what is long. */
const PATIENCE = 10_000;
const LONG = 300;
/** Between two looks after children of ours. */
const PAUSE = 5;

/**
 * Waits for a process, up to ten seconds; while that takes long, `help` is called now and then. Throws where it is there
 * still: it is stuck in the kernel.
 */
export function waitForDeath(pid: number, start: number, help: () => void): void {
  let pidfd: number;
  try {
    pidfd = fileCall("pidfd_open", `process ${pid}`, pid, 0);
  } catch (error) {
    if (isErrno(error, "ESRCH")) return; // it is gone
    throw error;
  }
  try {
    if (isAlive(pid, start) && !ends(pidfd, help))
      throw new ConfigError("container", `process ${pid} was killed and does not end`);
  } finally {
    close(pidfd);
  }
}

/** Whether it ends in time. A hook in its pid namespace that is a child of ours, ended and not reaped, would keep it. */
function ends(pidfd: number, help: () => void): boolean {
  const deadline = performance.now() + PATIENCE;
  for (let next = performance.now() + LONG; performance.now() < deadline; ) {
    const pause = reapEnded() ? PAUSE : LONG;
    if (poll([{ fd: pidfd, events: POLLIN }], pause)[0]) return true;
    if (performance.now() < next) continue;
    help();
    next = performance.now() + LONG;
  }
  return false;
}
