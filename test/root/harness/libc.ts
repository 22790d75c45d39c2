// The few C library calls that Node has no name for and that callers of a runtime make: receiving a descriptor over a
// unix socket (unix(7), SCM_RIGHTS), asking who may use a key (keyctl_get_security(3)). Not src/linux/libc.ts: what is tested does not test itself.

import { closeSync } from "node:fs";
import koffi from "koffi";

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x4000_0000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const EINTR = 4;
const POLLIN = 1;
/** A cmsghdr (16 bytes) and room for four descriptors: one more than one would show. */
const CONTROL_SIZE = 32;

interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Buffer, length: number): number;
  listen(fd: number, backlog: number): number;
  accept(fd: number, address: null, length: null): number;
  poll(fds: Buffer, count: number, timeout: number): number;
  recvmsg(fd: number, message: object, flags: number): number;
  recv(fd: number, data: Buffer, size: number, flags: number): number;
  sendto(fd: number, data: Buffer, size: number, flags: number, address: Buffer, length: number): number;
  ioctl(fd: number, request: number, argument: Buffer): number;
  keyctl(call: number, operation: number, key: number, buffer: Buffer, size: number): number;
}

let loaded: Libc | undefined;

function libc(): Libc {
  loaded ??= load();
  return loaded;
}

function load(): Libc {
  const library = koffi.load("libc.so.6");
  koffi.struct("iovec", { base: "void *", length: "size_t" });
  koffi.struct("msghdr", {
    name: "void *",
    nameLength: "uint32_t",
    iov: "iovec *",
    iovCount: "size_t",
    control: "void *",
    controlLength: "size_t",
    flags: "int",
  });
  return {
    socket: library.func("int socket(int domain, int type, int protocol)"),
    bind: library.func("int bind(int fd, const void *address, uint32_t length)"),
    listen: library.func("int listen(int fd, int backlog)"),
    accept: library.func("int accept(int fd, void *address, void *length)"),
    poll: library.func("int poll(void *fds, unsigned long count, int timeout)"),
    recvmsg: library.func("intptr_t recvmsg(int fd, _Inout_ msghdr *message, int flags)"),
    recv: library.func("intptr_t recv(int fd, void *data, size_t size, int flags)"),
    sendto: library.func("intptr_t sendto(int fd, void *data, size_t size, int flags, void *address, uint32_t length)"),
    ioctl: library.func("int ioctl(int fd, unsigned long request, void *argument)"),
    keyctl: library.func("intptr_t syscall(long call, long operation, long key, _Out_ void *buffer, size_t size)"),
  } as unknown as Libc;
}

function checked(name: string, result: number): number {
  if (result < 0) throw new Error(`${name}: errno ${koffi.errno()}`);
  return result;
}

/** A listening unix socket on a path that must not exist. The caller closes it. */
export function listenUnix(path: string): number {
  const fd = checked("socket", libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const address = addressOf(path);
  checked("bind", libc().bind(fd, address, address.length));
  checked("listen", libc().listen(fd, 4));
  return fd;
}

/** A datagram socket bound to a path that must not exist. The caller closes it. */
export function bindDatagram(path: string): number {
  const fd = checked("socket", libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const address = addressOf(path);
  checked("bind", libc().bind(fd, address, address.length));
  return fd;
}

/** A datagram that has arrived, if one has. */
export function receiveDatagram(fd: number): string | undefined {
  const data = Buffer.alloc(4096);
  const size = libc().recv(fd, data, data.length, MSG_DONTWAIT);
  return size < 0 ? undefined : data.toString("utf8", 0, size);
}

/** Sends a datagram to a path. */
export function sendDatagram(path: string, text: string): void {
  const fd = checked("socket", libc().socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const data = Buffer.from(text);
  const address = addressOf(path);
  try {
    checked("sendto", libc().sendto(fd, data, data.length, 0, address, address.length));
  } finally {
    closeSync(fd);
  }
}

/** A sockaddr_un. */
function addressOf(path: string): Buffer {
  const address = Buffer.alloc(110);
  address.writeUInt16LE(AF_UNIX, 0);
  if (address.write(path, 2) !== Buffer.byteLength(path)) throw new Error(`socket path too long: ${path}`);
  return address;
}

/** Accepts a connection that is already waiting, or fails. The caller closes it. */
export function acceptWaiting(fd: number): number {
  if (!readable(fd)) throw new Error("nobody has connected");
  return checked("accept", libc().accept(fd, null, null));
}

/** Whether a read would not block. */
export function readable(fd: number): boolean {
  const request = Buffer.alloc(8);
  request.writeInt32LE(fd, 0);
  request.writeInt16LE(POLLIN, 4);
  const result = libc().poll(request, 1, 0);
  if (result < 0 && koffi.errno() === EINTR) return readable(fd); // a signal to vitest
  return checked("poll", result) > 0;
}

/** One message with its text and its descriptors, which the caller closes. */
export function receiveDescriptors(fd: number): { text: string; descriptors: number[] } {
  const data = Buffer.alloc(4096);
  const control = Buffer.alloc(CONTROL_SIZE);
  const iov = [{ base: data, length: data.length }];
  const message = {
    ...{ name: null, nameLength: 0, iov, iovCount: 1, flags: 0 },
    ...{ control, controlLength: control.length },
  };
  const size = checked("recvmsg", libc().recvmsg(fd, message, MSG_CMSG_CLOEXEC));
  return { text: data.toString("utf8", 0, size), descriptors: descriptorsOf(control) };
}

function descriptorsOf(control: Buffer): number[] {
  const rights = control.readInt32LE(8) === SOL_SOCKET && control.readInt32LE(12) === SCM_RIGHTS;
  const count = rights ? (Number(control.readBigUInt64LE(0)) - 16) / 4 : 0;
  return Array.from({ length: count }, (_, index) => control.readInt32LE(16 + 4 * index));
}

/** ioctl(2) with a structure to read or fill. */
export function ioctl(fd: number, request: number, argument: Buffer): void {
  checked("ioctl", libc().ioctl(fd, request, argument));
}

const SYS_keyctl = process.arch === "arm64" ? 219 : 250;
const KEYCTL_GET_SECURITY = 17;

/** What the security module says of a key, by the key's number. */
export function keySecurity(key: number): string {
  const buffer = Buffer.alloc(256);
  const size = checked("keyctl", libc().keyctl(SYS_keyctl, KEYCTL_GET_SECURITY, key, buffer, buffer.length));
  return buffer.toString("utf8", 0, size).replace("\0", "");
}
