// Waiting for the end of a process that need not be a child of ours. It is over when it is gone or a zombie: whose child it
// is reads its status. pidfd_open(2) becomes readable then.

import { ConfigError } from "../linux/errors.ts";
import { close, fileCall } from "../linux/files.ts";
import { POLLIN, poll } from "../linux/poll.ts";
import { isAlive } from "./process-identity.ts";

/** Milliseconds: how long it may take, and what is long. */
const PATIENCE = 10_000;
const LONG = 300;

/**
 * Waits for a process, up to ten seconds; while that takes long, `help` is called now and then. Throws where it is there
 * still: it is stuck in the kernel.
 */
export function waitForDeath(pid: number, start: number, help: () => void): void {
  let pidfd: number;
  try {
    pidfd = fileCall("pidfd_open", `process ${pid}`, pid, 0);
  } catch {
    return; // ESRCH: it is gone.
  }
  try {
    if (!isAlive(pid, start)) return;
    for (const end = performance.now() + PATIENCE; performance.now() < end; help()) {
      if (poll([{ fd: pidfd, events: POLLIN }], LONG)[0] !== 0) return;
    }
    throw new ConfigError("container", `process ${pid} was killed and does not end`);
  } finally {
    close(pidfd);
  }
}
