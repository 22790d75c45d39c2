// A descriptor from a process that runs plans to tsrun: a message on the socket that they talk over, unix(7), SCM_RIGHTS.
//
// pidfd_getfd(2) would do, but may be used on who could be traced only, ptrace(2); and of an ordinary user's containers that is
// nobody: their processes began on the host, and are not dumpable.

import { syscallNumber } from "./abi/syscalls.ts";
import { syscall as callOf } from "./calls.ts";
import { memory, syscall } from "./libc.ts";
import { AgentSocket, Plan, Struct } from "./plan.ts";

/** `struct msghdr`: u64 name, u32 namelen, u64 iov, u64 iovlen, u64 control, u64 controllen, u32 flags. No data goes with it. */
const MSGHDR = { size: 56, control: 32, controllen: 40 } as const;
/** `struct cmsghdr`: u64 len, s32 level, s32 type; then the one descriptor, and four bytes of padding. */
const CMSG = { size: 24, length: 20, level: 8, type: 12, descriptor: 16 } as const;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const EINTR = 4;

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
  const { bytes, address } = memory(MSGHDR.size + CMSG.size);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setBigUint64(MSGHDR.control, BigInt(address + MSGHDR.size), true);
  view.setUint32(MSGHDR.controllen, CMSG.size, true);
  while (syscall(syscallNumber("recvmsg"), socket, bytes, MSG_CMSG_CLOEXEC) === -EINTR);
  if (view.getUint32(MSGHDR.controllen, true) < CMSG.length) return undefined;
  return view.getInt32(MSGHDR.size + CMSG.descriptor, true);
}
