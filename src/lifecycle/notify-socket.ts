// Readiness of a service in a container, told to the service manager that started tsrun: sd_notify(3), systemd.service(5)
// (Type=notify). The container does not get the manager's own socket, which would let it say anything as tsrun: it gets one
// of tsrun's, and of what it sends there only that it is ready is passed on, then which process to watch.
//
//    create   makes <container>/notify, which the container sees read-only as /run/notify, and sets its NOTIFY_SOCKET
//    start    makes the socket in it, starts the container, and ends when that is ready or has ended
//    run      does both
//
// Where the configuration mounts something on /run/notify itself, the caller (Podman does) relays, and nothing is done here.

import { close } from "../linux/agent/descriptors.ts";
import { ADDRESS_MAX, bindDatagram, connectDatagram, receive, send } from "../linux/datagram.ts";
import { makeDirectory } from "../linux/directories.ts";
import { exists } from "../linux/file-status.ts";
import { chmod } from "../linux/files.ts";
import { pipe } from "../linux/pipe.ts";
import { POLLIN, poll, until } from "../linux/poll.ts";
import type { Config, Mount } from "../spec/config.gen.ts";
import { UsageError } from "./usage-error.ts";

const INSIDE = "/run/notify";
const NAME = "notify.sock";
/** How long the manager may take to have read all that it was sent: one that knows no barriers never says so. */
const BARRIER_MS = 30_000;
/** Messages that are read at once, lest a container that never stops sending keep tsrun from all else. */
const MESSAGES = 1024;

/** What the configuration of a container gets. */
export interface NotifyAdditions {
  readonly mount: Mount;
  /** An entry of the environment, which takes the place of one of that name. */
  readonly env: string;
}

/** The manager's socket, from tsrun's environment; undefined when there is none. UsageError for what is no address. */
export function managerSocket(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const address = environment.NOTIFY_SOCKET;
  if (!address) return undefined;
  if (!/^[/@]./.test(address)) throw new UsageError(`NOTIFY_SOCKET is no path and no abstract name: ${address}`);
  if (new TextEncoder().encode(address).length > ADDRESS_MAX)
    throw new UsageError(`NOTIFY_SOCKET is too long: ${address}`);
  return address;
}

/** The directory of the socket, of a container whose directory is given. */
export function notifyDirectory(container: string): string {
  return `${container}/notify`;
}

/** What is added to a configuration; undefined where that has a /run/notify of its own. `directory`: notifyDirectory's. */
export function notifyAdditions(config: Config, directory: string): NotifyAdditions | undefined {
  if (config.mounts?.some(({ destination }) => destination.replace(/\/+$/, "") === INSIDE)) return undefined;
  const options = ["bind", "ro", "nosuid", "noexec", "nodev"];
  return {
    mount: { destination: INSIDE, type: "bind", source: directory, options },
    env: `NOTIFY_SOCKET=${INSIDE}/${NAME}`,
  };
}

/** Makes the directory. Its mode lets any user of the container reach the socket, and only root change anything. */
export function makeNotifyDirectory(directory: string): void {
  makeDirectory(directory);
  chmod(directory, 0o755); // whatever the umask
}

/**
 * Makes the socket that the container sends to; close-on-exec. Undefined where create made no directory for it. To be
 * called before the program runs, which may be ready at once.
 */
export function openNotify(directory: string): number | undefined {
  return exists(directory) ? bindDatagram(directory, NAME) : undefined;
}

/** Reads what has been sent so far: whether the container said that it is ready. Does not wait. */
export function saysReady(socket: number): boolean {
  for (let i = 0; i < MESSAGES; i++) {
    const message = receive(socket);
    if (message === undefined) return false;
    if (message.split("\n").includes("READY=1")) return true;
  }
  return false;
}

/**
 * Tells the manager that the service is ready and what its main process is; waits until it has taken notice, or for
 * `patience` milliseconds. SyscallError where it is not there.
 */
export function announceReady(manager: string, mainPid: number, patience = BARRIER_MS): void {
  const socket = connectDatagram(manager);
  try {
    send(socket, "READY=1\n");
    send(socket, `MAINPID=${mainPid}\n`);
    barrier(socket, patience);
  } finally {
    close(socket);
  }
}

/** sd_notify_barrier(3): the manager closes the pipe when it has worked through all messages before this one. */
function barrier(socket: number, patience: number): void {
  using undo = new DisposableStack();
  const [ours, theirs] = pipe();
  undo.defer(() => close(ours));
  try {
    send(socket, "BARRIER=1", theirs);
  } finally {
    close(theirs); // the manager's copy must be the last
  }
  waitForEvent([ours], patience);
}

/** The container, as its readiness is waited for. */
export interface MainProcess {
  /** init's, as the manager sees it: the main process. */
  readonly pid: number;
  /** A pidfd of init. */
  readonly pidfd: number;
}

/** Waits until the container is ready, and announces it; whether it was before it ended. */
export function relayNotify(socket: number, { pid, pidfd }: MainProcess, manager: string): boolean {
  for (;;) {
    const [, ended] = waitForEvent([socket, pidfd]);
    if (saysReady(socket)) {
      announceReady(manager, pid);
      return true;
    }
    if (ended) return false;
  }
}

/** Waits until one of them is readable or at its end, or the time is up: what poll says of each. */
function waitForEvent(fds: readonly number[], milliseconds?: number): number[] {
  const deadline = milliseconds === undefined ? undefined : performance.now() + milliseconds;
  for (;;) {
    const left = until(deadline);
    const events = poll(
      fds.map((fd) => ({ fd, events: POLLIN })),
      left,
    );
    if (events.some((event) => event !== 0) || (left !== undefined && left <= 0)) return events;
  }
}
