// The part of `start` and `run` that a service of Type=notify needs: see notify-socket.ts.

import { close } from "../linux/files.ts";
import { pidfdOpen } from "../linux/local.ts";
import { POLLIN } from "../linux/poll.ts";
import type { Container } from "./container.ts";
import type { Listener } from "./foreground.ts";
import { announceReady, managerSocket, notifyDirectory, openNotify, relayNotify, saysReady } from "./notify-socket.ts";

/** What waits for the container to be ready. */
export interface Ready extends Listener {
  /** Waits until it is, or has ended, and tells the manager. The container's init is the main process. */
  readonly relay: () => void;
}

/** Makes the container's socket, before its program runs. Undefined where nobody is to be told. */
export function listen(container: Container): Ready | undefined {
  const manager = managerSocket();
  const socket = manager === undefined ? undefined : openNotify(notifyDirectory(container.directory));
  if (manager === undefined || socket === undefined) return undefined;
  return {
    polled: { fd: socket, events: POLLIN },
    hear: () => hear(socket, manager),
    relay: () => relay(container.state.pid, socket, manager),
  };
}

/** Whether the container is ready and the manager has been told so. tsrun is the main process. */
function hear(socket: number, manager: string): boolean {
  if (!saysReady(socket)) return false;
  close(socket);
  announceReady(manager, process.pid, 0); // tsrun stays: nothing is lost when the manager reads this later
  return true;
}

function relay(pid: number, socket: number, manager: string): void {
  const pidfd = pidfdOpen(pid);
  try {
    relayNotify(socket, { pid, pidfd }, manager);
  } finally {
    close(pidfd);
    close(socket);
  }
}
