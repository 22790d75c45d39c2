// Waiting for several things at once: ppoll(2). A pidfd is readable once its process has ended, pidfd_open(2), so that
// one wait covers a process and its pipes.

import { EINTR } from "./abi/errno.ts";
import { syscallNumber } from "./abi/syscalls.ts";
import { SyscallError } from "./kernel.ts";
import { syscall } from "./libc.ts";

/** Events, <asm-generic/poll.h>. The last one is reported whether asked for or not. */
export const POLLIN = 0x01;
export const POLLPRI = 0x02;
export const POLLOUT = 0x04;
export const POLLHUP = 0x10;

const POLLFD_SIZE = 8;
/** More seconds than any wait takes; within what the kernel's clock can hold. */
const FOREVER = 1e9;

/** What to wait for. A negative descriptor is passed over. */
export interface Polled {
  readonly fd: number;
  readonly events: number;
}

/**
 * Waits until one of them has an event, for `milliseconds` at most; undefined: without end. The events of each; all are
 * 0 when time has passed, or a signal came. SyscallError where the kernel refuses.
 */
export function poll(polled: readonly Polled[], milliseconds?: number): number[] {
  const fds = new DataView(new ArrayBuffer(POLLFD_SIZE * polled.length)); // struct pollfd: s32 fd, s16 events, s16 revents
  polled.forEach(({ fd, events }, i) => {
    fds.setInt32(POLLFD_SIZE * i, fd, true);
    fds.setInt16(POLLFD_SIZE * i + 4, events, true);
  });
  const timeout = milliseconds === undefined ? 0 : timespec(milliseconds);
  const result = syscall(syscallNumber("ppoll"), new Uint8Array(fds.buffer), polled.length, timeout, 0, 0);
  if (result < 0 && result !== -EINTR) throw new SyscallError({ name: "ppoll", args: [] }, -result, "");
  return polled.map((_, i) => fds.getInt16(POLLFD_SIZE * i + 6, true));
}

/** `struct timespec`: s64 seconds, nanoseconds. Rounded up: a wait that ends early would be repeated at once. */
function timespec(milliseconds: number): Uint8Array {
  const whole = Math.min(Math.max(Math.ceil(milliseconds), 0), FOREVER * 1000);
  const time = BigInt64Array.of(BigInt(Math.floor(whole / 1000)), BigInt((whole % 1000) * 1_000_000));
  return new Uint8Array(time.buffer);
}

/** Blocks for some milliseconds. */
export function sleep(milliseconds: number): void {
  poll([], milliseconds);
}

/** The milliseconds until a moment of performance.now(); undefined for no moment. */
export function until(deadline: number | undefined): number | undefined {
  return deadline === undefined ? undefined : deadline - performance.now();
}
