// --pidfd-socket: a pidfd of init, or of the process of an exec, for whoever listens there, who can watch and signal that
// process and no later one with its number. As with --console-socket: one message with one descriptor, no answer. pidfd_open(2).

import { close } from "../linux/agent/descriptors.ts";
import { pidfdOpen } from "../linux/local.ts";
import { sendDescriptor } from "../linux/send-descriptor.ts";

/** Sends it, if there is a socket. The process must be a child of ours: nobody else can have its number. @throws SyscallError */
export function sendPidfd(socket: string | undefined, pid: number): void {
  if (socket === undefined) return;
  const pidfd = pidfdOpen(pid);
  try {
    sendDescriptor(socket, pidfd, "pidfd");
  } finally {
    close(pidfd);
  }
}
