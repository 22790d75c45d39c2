// The part of `start` and `run` that a service of Type=notify needs: see notify-socket.ts.

import { close } from "../linux/files.ts";
import { pidfdOpen } from "../linux/local.ts";
import type { Container } from "./container.ts";
import { managerSocket, notifyDirectory, openNotify, relayNotify } from "./notify-socket.ts";

/** What waits for the container to be ready. */
export interface Ready {
  /** Waits until it is, or has ended, and tells the manager. */
  readonly relay: () => void;
}

/** Makes the container's socket, before its program runs. Undefined where nobody is to be told. */
export function listen(container: Container): Ready | undefined {
  const manager = managerSocket();
  const socket = manager === undefined ? undefined : openNotify(notifyDirectory(container.directory));
  if (manager === undefined || socket === undefined) return undefined;
  return { relay: () => relay(container.state.pid, socket, manager) };
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
