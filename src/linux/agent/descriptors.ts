// Descriptors, with the errors of plans: read(2), write(2), close(2).

import { EINTR } from "../abi/errno.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { SyscallError } from "../kernel.ts";
import { syscall } from "../libc.ts";

/** Closes a descriptor. Linux has closed it even where it reports an error. */
export function close(fd: number): void {
  syscall(syscallNumber("close"), fd);
}

/** Reads once: the number of bytes, 0 at end of file, -errno. */
export function read(fd: number, buffer: Uint8Array): number {
  return again(() => syscall(syscallNumber("read"), fd, buffer, buffer.length));
}

/** Writes once: the number of bytes written, -errno. */
export function write(fd: number, bytes: Uint8Array): number {
  return again(() => syscall(syscallNumber("write"), fd, bytes, bytes.length));
}

/** A result ≥ 0 of a call, or its SyscallError. */
export function checked(result: number, name: SyscallError["call"]["name"], ...args: (string | number)[]): number {
  if (result < 0) {
    throw new SyscallError({ name, args }, -result, "agent");
  }
  return result;
}

/** A signal that is handled interrupts a blocking call; nothing was done then. */
function again(call: () => number): number {
  for (;;) {
    const result = call();
    if (result !== -EINTR) {
      return result;
    }
  }
}
