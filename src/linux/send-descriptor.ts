// A descriptor for whoever listens on a unix socket: unix(7), SOCK_STREAM, one text with one descriptor, which goes with its
// first byte, and no answer. --console-socket and listenerPath of seccomp are served by it.

import { AT_FDCWD, O_CLOEXEC, O_DIRECTORY, O_PATH } from "./abi/fcntl.ts";
import { AF_UNIX, SOCK_CLOEXEC, SOCK_STREAM } from "./abi/socket.ts";
import { close } from "./agent/descriptors.ts";
import { send, socketAddress } from "./datagram.ts";
import { call } from "./local.ts";
import { basename, dirname } from "./paths.ts";

/**
 * Sends it. The socket is reached through a descriptor of its directory, whose path may so be longer than an address.
 * @throws SyscallError
 */
export function sendDescriptor(path: string, fd: number, text: string): void {
  using undo = new DisposableStack();
  const own = (opened: number): number => undo.adopt(opened, close);
  const parent = own(call(path, "openat", AT_FDCWD, dirname(path), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const socket = own(call(path, "socket", AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const address = socketAddress(`/proc/self/fd/${parent}/${basename(path)}`);
  call(path, "connect", socket, address, address.length);
  const bytes = new TextEncoder().encode(text);
  for (let sent = send(socket, bytes, fd); sent < bytes.length; ) sent += send(socket, bytes.subarray(sent));
}
