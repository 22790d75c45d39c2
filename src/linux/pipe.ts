// Pipes between tsrun and a program: pipe(7), pipe2(2). Both ends are close-on-exec. Whether an end blocks is a matter of
// that end alone: ours can be made not to without the program's noticing.

import { O_CLOEXEC, O_NONBLOCK } from "./abi/fcntl.ts";
import { call } from "./local.ts";

const F_GETFL = 3;
const F_SETFL = 4;

/** A new pipe. */
export function pipe(): readonly [read: number, write: number] {
  const fds = new Int32Array(2);
  call("pipe", "pipe2", new Uint8Array(fds.buffer), O_CLOEXEC);
  return [fds[0] ?? -1, fds[1] ?? -1];
}

/** Has reads and writes of a descriptor fail with EAGAIN instead of waiting. */
export function stopBlocking(fd: number): void {
  const flags = call("pipe", "fcntl", fd, F_GETFL, 0);
  call("pipe", "fcntl", fd, F_SETFL, flags | O_NONBLOCK);
}
