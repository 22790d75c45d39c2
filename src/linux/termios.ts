// A terminal's modes and size, changed from outside: ioctl_tty(2), termios(3). Hardly anything here throws: a terminal may be gone
// at any moment (its window was closed), and nobody who uses it can do better than go on without.

import { O_CLOEXEC, O_NOCTTY, O_RDWR } from "./abi/fcntl.ts";
import { TCGETS, TCSETS, TIOCGPTPEER, TIOCGWINSZ, TIOCSWINSZ } from "./abi/ioctl.ts";
import { syscallNumber } from "./abi/syscalls.ts";
import * as abi from "./abi/termios.ts";
import { syscall } from "./libc.ts";
import { call } from "./local.ts";

/** A `struct termios`. */
export type Modes = Uint8Array<ArrayBuffer>;

const WINSIZE = 8;

/** The modes of a terminal; undefined for what is none. */
export function modesOf(fd: number): Modes | undefined {
  const modes = new Uint8Array(abi.TERMIOS_SIZE);
  return ioctl(fd, TCGETS, modes) === 0 ? modes : undefined;
}

/** Sets modes, at once and without dropping anything typed or written before; whether they are set. */
export function setModes(fd: number, modes: Modes): boolean {
  return ioctl(fd, TCSETS, modes) === 0;
}

/**
 * Modes in which a terminal hands on every key as it is, control-C included: cfmakeraw(3). With `output` what is written
 * to it is still processed: a newline starts a line.
 */
export function rawModes(modes: Modes, { output }: { readonly output: boolean }): Modes {
  const raw = modes.slice();
  const { IGNBRK, BRKINT, PARMRK, ISTRIP, INLCR, IGNCR, ICRNL, IXON } = abi;
  change(raw, abi.TERMIOS.iflag, IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON, 0);
  change(raw, abi.TERMIOS.oflag, output ? 0 : abi.OPOST, 0);
  change(raw, abi.TERMIOS.cflag, abi.CSIZE | abi.PARENB, abi.CS8);
  change(raw, abi.TERMIOS.lflag, abi.ECHO | abi.ECHONL | abi.ICANON | abi.ISIG | abi.IEXTEN, 0);
  raw[abi.TERMIOS.cc + abi.VMIN] = 1;
  raw[abi.TERMIOS.cc + abi.VTIME] = 0;
  return raw;
}

/** Has a terminal write a newline as it is, without a carriage return before it. */
export function clearOnlcr(fd: number): void {
  const modes = modesOf(fd);
  if (modes === undefined) return;
  change(modes, abi.TERMIOS.oflag, abi.ONLCR, 0);
  setModes(fd, modes);
}

/** The character that ends input when it is typed: control-D, unless a program chose another; 0 where there is none. */
export function endOfFile(fd: number): number {
  return modesOf(fd)?.[abi.TERMIOS.cc + abi.VEOF] ?? 0;
}

function change(modes: Modes, offset: number, clear: number, set: number): void {
  const view = new DataView(modes.buffer);
  view.setUint32(offset, (view.getUint32(offset, true) & ~clear) | set, true);
}

/** Whether a terminal was given a size yet. */
export function hasSize(fd: number): boolean {
  const size = new Uint8Array(WINSIZE);
  return ioctl(fd, TIOCGWINSZ, size) === 0 && size.some((byte) => byte !== 0);
}

/** Gives a terminal the size of another. The kernel tells the programs on it (SIGWINCH) where that is a change. */
export function copySize(from: number, to: number): void {
  const size = new Uint8Array(WINSIZE);
  if (ioctl(from, TIOCGWINSZ, size) === 0) ioctl(to, TIOCSWINSZ, size);
}

/** Opens the other end of a pseudoterminal, by no name. SyscallError where that fails. */
export function openPeer(master: number): number {
  return call("process.terminal", "ioctl", master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

function ioctl(fd: number, request: number, argument: Uint8Array): number {
  return syscall(syscallNumber("ioctl"), fd, request, argument);
}
