// The master end of a container's terminal: handed to whoever listens on --console-socket, or kept (terminal-proxy.ts).
// REFERENCE: one message with one descriptor, no answer, and tsrun does not wait for the other side. The modes of the
// terminal are the receiver's business: they are sent as the kernel makes them.

import { close } from "../linux/agent/descriptors.ts";
import { sendDescriptor } from "../linux/send-descriptor.ts";
import { UsageError } from "./usage-error.ts";

/** Refuses what cannot work: a terminal that nobody gets, a socket for no terminal. */
export function checkConsole(terminal: boolean, detached: boolean, consoleSocket: string | undefined): void {
  if (terminal && detached && consoleSocket === undefined)
    throw new UsageError("cannot allocate tty if tsrun will detach without setting console socket");
  if ((!terminal || !detached) && consoleSocket !== undefined)
    throw new UsageError("cannot use console socket if tsrun will not detach or allocate tty");
}

/** What sends a terminal's master end to a socket and closes it here; checkConsole has seen to it that there is one. */
export function consoleSender(socket: string | undefined): (master: number, name: string) => void {
  return (master, name) => {
    try {
      sendDescriptor(socket ?? "", master, name);
    } finally {
      close(master);
    }
  };
}
