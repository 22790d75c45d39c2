// Datagrams between processes of one machine: unix(7), SOCK_DGRAM. A message arrives whole or not at all, and may bring
// descriptors, cmsg(3). What arrives here brings none: recvfrom(2) drops them, whatever a container sends.

import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "./abi/fcntl.ts";
import { AF_UNIX, SCM_RIGHTS, SOCK_CLOEXEC, SOCK_DGRAM, SOL_SOCKET } from "./abi/socket.ts";
import { syscallNumber } from "./abi/syscalls.ts";
import { close } from "./agent/descriptors.ts";
import { SyscallError } from "./kernel.ts";
import { memory, syscall } from "./libc.ts";
import { call, cString } from "./local.ts";

/** Bytes that a path or an abstract name has at most, in struct sockaddr_un beside the NUL that ends or begins it. */
export const ADDRESS_MAX = 107;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Bytes of a message that are read; the rest of it is dropped. */
const MESSAGE = 4096;

/**
 * A socket with a name in a directory, which everybody may send to. One of that name from before is replaced. It is
 * reached through a descriptor of the directory, whose path may so be longer than an address. @throws SyscallError
 */
export function bindDatagram(directory: string, name: string): number {
  const parent = call(directory, "openat", AT_FDCWD, directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  try {
    return withSocket(directory, (socket) => {
      const address = socketAddress(`/proc/self/fd/${parent}/${name}`);
      syscall(syscallNumber("unlinkat"), parent, name, 0);
      call(directory, "bind", socket, address, address.length);
      call(directory, "fchmodat", parent, name, 0o777); // whatever the umask
    });
  } finally {
    close(parent);
  }
}

/** A socket that sends to a path or, after "@", an abstract name, of ADDRESS_MAX bytes at most. @throws SyscallError */
export function connectDatagram(to: string): number {
  return withSocket(to, (socket) => {
    const address = socketAddress(to);
    call(to, "connect", socket, address, address.length);
  });
}

function withSocket(field: string, prepare: (socket: number) => void): number {
  const socket = call(field, "socket", AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  try {
    prepare(socket);
    return socket;
  } catch (error) {
    close(socket);
    throw error;
  }
}

/** `struct sockaddr_un`: u16 family, then a path and NUL, or NUL and an abstract name as long as the address says. */
export function socketAddress(to: string): Uint8Array {
  const abstract = to.startsWith("@");
  const name = abstract ? cString(`\0${to.slice(1)}`).subarray(0, -1) : cString(to);
  const address = new Uint8Array(2 + name.length);
  new DataView(address.buffer).setUint16(0, AF_UNIX, true);
  address.set(name, 2);
  return address;
}

/** The next message, up to 4 KiB of it; undefined where none is there. @throws SyscallError */
export function receive(socket: number): string | undefined {
  const EAGAIN = 11;
  const buffer = new Uint8Array(MESSAGE);
  const length = syscall(syscallNumber("recvfrom"), socket, buffer, buffer.length, MSG_DONTWAIT, 0, 0);
  if (length === -EAGAIN) return undefined;
  if (length < 0) throw new SyscallError({ name: "recvfrom", args: [] }, -length, "");
  return new TextDecoder().decode(buffer.subarray(0, length));
}

/**
 * Sends a message on a connected socket, and a descriptor with it if there is one. How many of its bytes were taken: of a
 * datagram all, of a stream maybe fewer. @throws SyscallError
 */
export function send(socket: number, message: string | Uint8Array, fd?: number): number {
  const { bytes } = messageHeader(typeof message === "string" ? new TextEncoder().encode(message) : message, fd);
  return call("", "sendmsg", socket, bytes, MSG_NOSIGNAL);
}

/**
 * `struct msghdr` (56 bytes: name, namelen, iov, iovlen, control, controllen, flags), and behind it what it points to:
 * a `struct iovec`, a `struct cmsghdr` (u64 len, s32 level, s32 type) with its one descriptor, and the text.
 */
function messageHeader(text: Uint8Array, fd: number | undefined): { bytes: Uint8Array } {
  const [iov, control, data] = [56, 72, 96];
  const block = memory(data + text.length);
  const view = new DataView(block.bytes.buffer);
  const pointer = (at: number, to: number): void => view.setBigUint64(at, BigInt(block.address + to), true);
  pointer(16, iov);
  view.setUint32(24, 1, true);
  pointer(iov, data);
  view.setUint32(iov + 8, text.length, true);
  block.bytes.set(text, data);
  if (fd === undefined) return block;
  pointer(32, control);
  view.setUint32(40, data - control, true);
  view.setUint32(control, 20, true); // CMSG_LEN of a descriptor
  view.setInt32(control + 8, SOL_SOCKET, true);
  view.setInt32(control + 12, SCM_RIGHTS, true);
  view.setInt32(control + 16, fd, true);
  return block;
}
