// A descriptor from a process that runs plans to tsrun: a message on the socket that they talk over, unix(7), SCM_RIGHTS.
//
// pidfd_getfd(2) would do, but may be used on who could be traced only, ptrace(2); and of an ordinary user's containers that is
// nobody: their processes began on the host, and are not dumpable.

import { EINTR } from "./abi/errno.ts";
import { MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOL_SOCKET } from "./abi/socket.ts";
import { syscallNumber } from "./abi/syscalls.ts";
import { syscall as callOf } from "./calls.ts";
import { memory, syscall } from "./libc.ts";
import { AgentSocket, Plan, Struct } from "./plan.ts";

/** `struct msghdr`: u64 name, u32 namelen, u64 iov, u64 iovlen, u64 control, u64 controllen, u32 flags. No data goes with it. */
const MSGHDR = { size: 56, iov: 16, iovlen: 24, control: 32, controllen: 40 } as const;
/** `struct iovec`: u64 base, u64 length. */
const IOVEC_SIZE = 16;
/** `struct cmsghdr`: u64 len, s32 level, s32 type; then the one descriptor, and four bytes of padding. */
const CMSG = { size: 24, length: 20, level: 8, type: 12, descriptor: 16 } as const;

/** Has the process hand its descriptor `fd` over: the message arrives before the answers do. */
export function planHandingOver(fd: number): Plan {
  const control = new Uint8Array(CMSG.size);
  const view = new DataView(control.buffer);
  view.setUint32(0, CMSG.length, true);
  view.setInt32(CMSG.level, SOL_SOCKET, true);
  view.setInt32(CMSG.type, SCM_RIGHTS, true);
  view.setInt32(CMSG.descriptor, fd, true);
  const header = new Uint8Array(MSGHDR.size);
  new DataView(header.buffer).setUint32(MSGHDR.controllen, CMSG.size, true);
  const plan = new Plan();
  plan.at("agent").add(callOf("sendmsg", new AgentSocket(), new Struct(header, [[MSGHDR.control, control]]), 0));
  return plan;
}

/** The descriptor of the next message, close-on-exec; undefined where that has none. */
export function receiveDescriptor(socket: number): number | undefined {
  return receiveWithDescriptor(socket, new Uint8Array(0)).descriptor;
}

/** The next message: its length or -errno, as much of it as the buffer has room for, and the descriptor that may come with it. */
export function receiveWithDescriptor(
  socket: number,
  buffer: Uint8Array,
): { readonly length: number; readonly descriptor: number | undefined } {
  const data = MSGHDR.size + IOVEC_SIZE + CMSG.size;
  const { bytes, address } = memory(data + buffer.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const pointer = (at: number, to: number): void => view.setBigUint64(at, BigInt(address + to), true);
  pointer(MSGHDR.iov, MSGHDR.size);
  view.setUint32(MSGHDR.iovlen, 1, true);
  pointer(MSGHDR.size, data);
  view.setUint32(MSGHDR.size + 8, buffer.length, true);
  pointer(MSGHDR.control, MSGHDR.size + IOVEC_SIZE);
  view.setUint32(MSGHDR.controllen, CMSG.size, true);
  let length: number;
  do length = syscall(syscallNumber("recvmsg"), socket, bytes, MSG_CMSG_CLOEXEC);
  while (length === -EINTR);
  buffer.set(bytes.subarray(data, data + Math.max(length, 0)));
  const came = length >= 0 && view.getUint32(MSGHDR.controllen, true) >= CMSG.length;
  return { length, descriptor: came ? view.getInt32(MSGHDR.size + IOVEC_SIZE + CMSG.descriptor, true) : undefined };
}
