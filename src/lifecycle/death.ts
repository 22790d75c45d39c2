// Waiting for the end of a process that need not be a child of ours. It is over when it is gone or a zombie: whose child it
// is reads its status. pidfd_open(2) becomes readable then.

import { ConfigError } from "../linux/errors.ts";
import { close, fileCall } from "../linux/files.ts";
import { isAlive } from "./process-identity.ts";

const POLLIN = 1;
const SECONDS = 10;

/** Waits for a process, up to ten seconds. Throws where it is there still: it is stuck in the kernel. */
export function waitForDeath(pid: number, start: number): void {
  let pidfd: number;
  try {
    pidfd = fileCall("pidfd_open", `process ${pid}`, pid, 0);
  } catch {
    return; // ESRCH: it is gone.
  }
  try {
    if (!isAlive(pid, start)) return;
    const pollfd = new Uint8Array(Int32Array.of(pidfd, POLLIN).buffer);
    const timeout = new Uint8Array(BigInt64Array.of(BigInt(SECONDS), 0n).buffer);
    if (fileCall("ppoll", `process ${pid}`, pollfd, 1, timeout, 0, 0) === 0)
      throw new ConfigError("container", `process ${pid} was killed and does not end`);
  } finally {
    close(pidfd);
  }
}
