// A process that ignores SIGCHLD has children that nobody can wait for: how they ended is lost, and their numbers are free
// for others at once. wait(2). Whether it is ignored is inherited.

import { call } from "./local.ts";

const SIGCHLD = 17;
const SIG_IGN = 1n;
/** Bytes of the kernel's `struct sigaction`: u64 handler, flags, restorer, mask. All zeros is the default action. */
const SIGACTION = 32;
const MASK = 8;

/** Makes the ends of children known where they are not. */
export function stopIgnoringChildren(): void {
  const now = new BigUint64Array(SIGACTION / 8);
  call("", "rt_sigaction", SIGCHLD, 0, new Uint8Array(now.buffer), MASK);
  if (now[0] === SIG_IGN) call("", "rt_sigaction", SIGCHLD, new Uint8Array(SIGACTION), 0, MASK);
}
