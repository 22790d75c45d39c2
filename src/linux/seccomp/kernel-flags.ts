// Which flags of seccomp(2) the kernel knows. It looks at them first, then at the filter, which is none here: so EFAULT
// says that it would have taken them, and nothing is changed.

import { EFAULT } from "../abi/errno.ts";
import { SECCOMP_SET_MODE_FILTER } from "../abi/prctl.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { syscall } from "../libc.ts";

/** Has seccomp(2) return the descriptor of a listener. */
export const NEW_LISTENER = 1 << 3;
const WAIT_KILLABLE_RECV = 1 << 5;

/** Whether these bits, together, are taken. */
export function knowsFlags(bits: number): boolean {
  return syscall(syscallNumber("seccomp"), SECCOMP_SET_MODE_FILTER, bits, 0) === -EFAULT;
}

/** Whether a process that waits for a listener's answer can be made immune to all but fatal signals: Linux 5.19. */
export function knowsWaitKillable(): boolean {
  return knowsFlags(NEW_LISTENER | WAIT_KILLABLE_RECV);
}
