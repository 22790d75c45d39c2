// The master end of a container's terminal: handed to whoever listens on --console-socket. REFERENCE: one message with one
// descriptor, no answer, and tsrun does not wait for the other side.

import { closeSync } from "node:fs";
import { TCGETS, TCSETS } from "../linux/abi/ioctl.ts";
import { call, sendDescriptor } from "../linux/local.ts";
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
      clearOnlcr(master);
      sendDescriptor(socket ?? "", master, name);
    } finally {
      closeSync(master);
    }
  };
}

/** Offset of c_oflag in struct termios, and the flag that turns a newline into carriage return and newline. */
const C_OFLAG = 4;
const ONLCR = 4;
const TERMIOS_SIZE = 64;

/** Output reaches the caller as the program wrote it: runc's choice, which callers compare byte for byte with. */
export function clearOnlcr(master: number): void {
  const termios = new Uint8Array(TERMIOS_SIZE);
  call("process.terminal", "ioctl", master, TCGETS, termios);
  const view = new DataView(termios.buffer);
  view.setUint32(C_OFLAG, view.getUint32(C_OFLAG, true) & ~ONLCR, true);
  call("process.terminal", "ioctl", master, TCSETS, termios);
}
