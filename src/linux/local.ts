// The system calls that tsrun makes itself, on the host. Errors are SyscallErrors, as those of a plan are.

import { AT_FDCWD } from "./abi/fcntl.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "./abi/ioctl.ts";
import { S_IFIFO } from "./abi/stat.ts";
import { type SyscallName, syscallNumber } from "./abi/syscalls.ts";
import { SyscallError } from "./kernel.ts";
import { memory, syscall } from "./libc.ts";

/** Makes a system call. @throws SyscallError, with the config field that it is for. */
export function call(field: string, name: SyscallName, ...args: (number | bigint | Uint8Array)[]): number {
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

/** A duplicate of another process's descriptor. pidfd_getfd(2). */
export function pidfdGetfd(pidfd: number, fd: number): number {
  return call("process", "pidfd_getfd", pidfd, fd, 0);
}

/** Sends a signal by pidfd: to that process and no later one with its pid. pidfd_send_signal(2). */
export function pidfdSendSignal(pidfd: number, signal: number): void {
  call("signal", "pidfd_send_signal", pidfd, signal, 0, 0);
}

/** Makes a fifo. mkfifo(3). */
export function mkfifo(path: string, mode: number): void {
  call(path, "mknodat", AT_FDCWD, cString(path), S_IFIFO | mode, 0);
}

/**
 * Sends a descriptor, with a name for it, to whoever listens on a unix socket. unix(7), cmsg(3).
 * A path longer than sun_path takes is reached through a descriptor of its directory.
 */
export function sendDescriptor(path: string, fd: number, name: string): void {
  const socket = call(path, "socket", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  try {
    const address = socketAddress(path);
    call(path, "connect", socket, address, address.length);
    sendOne(socket, fd, cString(name).subarray(0, -1), path);
  } finally {
    syscall(syscallNumber("close"), socket);
  }
}

const SUN_PATH = 108;

/** `struct sockaddr_un`: u16 family, then the path. */
function socketAddress(path: string): Uint8Array {
  const bytes = cString(path);
  if (bytes.length > SUN_PATH) throw new RangeError(`${path}: longer than the address of a socket can be`);
  const address = new Uint8Array(2 + bytes.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(bytes, 2);
  return address;
}

/** sendmsg(2) of one descriptor. `struct msghdr`: name, namelen, iov, iovlen, control, controllen, flags, 8 bytes each. */
function sendOne(socket: number, fd: number, name: Uint8Array, field: string): void {
  const SOL_SOCKET = 1;
  const SCM_RIGHTS = 1;
  const all = memory(56 + 16 + 24 + name.length);
  const [iov, control, text] = [56, 72, 96];
  const view = new DataView(all.bytes.buffer);
  const pointer = (at: number, to: number): void => view.setBigUint64(at, BigInt(all.address + to), true);
  pointer(16, iov);
  view.setUint32(24, 1, true);
  pointer(32, control);
  view.setUint32(40, 24, true);
  pointer(iov, text);
  view.setUint32(iov + 8, name.length, true);
  view.setUint32(control, 20, true); // CMSG_LEN(4)
  view.setUint32(control + 8, SOL_SOCKET, true);
  view.setUint32(control + 12, SCM_RIGHTS, true);
  view.setInt32(control + 16, fd, true);
  all.bytes.set(name, text);
  call(field, "sendmsg", socket, all.bytes, 0);
}
