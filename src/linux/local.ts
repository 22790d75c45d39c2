// The system calls that tsrun makes itself, on the host. Errors are SyscallErrors, as those of a plan are.

import { ESRCH } from "./abi/errno.ts";
import { AT_FDCWD } from "./abi/fcntl.ts";
import { S_IFIFO } from "./abi/stat.ts";
import { type SyscallName, syscallNumber } from "./abi/syscalls.ts";
import { SyscallError } from "./kernel.ts";
import { syscall, type Word } from "./libc.ts";

/** Makes a system call. @throws SyscallError, with the config field that it is for. */
export function call(field: string, name: SyscallName, ...args: Word[]): number {
  const result = syscall(syscallNumber(name), ...args);
  if (result < 0) throw new SyscallError({ name, args }, -result, field);
  return result;
}

/** A NUL-terminated string. */
export function cString(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

/** A pidfd of a process, close-on-exec. pidfd_open(2). */
export function pidfdOpen(pid: number): number {
  return call("process", "pidfd_open", pid, 0);
}

/** The same, or -errno: a process of somebody's may end at any time, and threads have none. */
export function tryPidfd(pid: number): number {
  return syscall(syscallNumber("pidfd_open"), pid, 0);
}

/** A duplicate of another process's descriptor. pidfd_getfd(2). */
export function pidfdGetfd(pidfd: number, fd: number): number {
  return call("process", "pidfd_getfd", pidfd, fd, 0);
}

/** Sends a signal by pidfd: to that process and no later one with its pid; false where it has ended. pidfd_send_signal(2). */
export function pidfdSendSignal(pidfd: number, signal: number): boolean {
  return sent("pidfd_send_signal", pidfd, signal, 0, 0);
}

/** Sends a signal by number; false where there is no such process. kill(2). */
export function sendSignal(pid: number, signal: number): boolean {
  return sent("kill", pid, signal);
}

function sent(name: SyscallName, ...args: readonly number[]): boolean {
  const result = syscall(syscallNumber(name), ...args);
  if (result < 0 && result !== -ESRCH) throw new SyscallError({ name, args }, -result, "signal");
  return result === 0;
}

/** Makes a fifo. mkfifo(3). */
export function mkfifo(path: string, mode: number): void {
  call(path, "mknodat", AT_FDCWD, path, S_IFIFO | mode, 0);
}
