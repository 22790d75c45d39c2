// Run by terminal-proxy.test.ts under each engine: serves a pseudoterminal of its own, on which the shell script that it is
// given runs, from its standard streams, until the shell ends. `throw` as a second word: an exception comes in between.

import { spawn } from "node:child_process";
import { closeSync, constants, openSync } from "node:fs";
import { TerminalProxy } from "../../src/lifecycle/terminal-proxy.ts";
import { TIOCSPTLCK } from "../../src/linux/abi/ioctl.ts";
import { call, pidfdOpen } from "../../src/linux/local.ts";
import { POLLIN, poll } from "../../src/linux/poll.ts";
import { modesOf, openPeer } from "../../src/linux/termios.ts";

/** The status that tells of a terminal that is not as it was. */
const NOT_RESTORED = 70;

const [script = "", fault] = process.argv.slice(2);

function main(): void {
  const master = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY);
  call("test", "ioctl", master, TIOCSPTLCK, new Uint8Array(4));
  const slave = openPeer(master);
  using proxy = new TerminalProxy(master);
  const shell = spawn("setsid", ["-c", "sh", "-c", script], { stdio: [slave, slave, slave] });
  closeSync(slave);
  const pidfd = pidfdOpen(shell.pid ?? -1);
  proxy.begin();
  if (fault === "throw") throw new Error("on purpose");
  for (let ended = 0; !ended; ) {
    const [now = 0, ...rest] = poll([{ fd: pidfd, events: POLLIN }, ...proxy.wanted()]);
    ended = now;
    proxy.move(rest);
  }
  proxy.drain(-1, () => true);
}

/** As the terminal was; engines put it back themselves, but only when they end. */
const before = modesOf(0)?.join();
try {
  main();
} finally {
  if (modesOf(0)?.join() !== before) process.exit(NOT_RESTORED);
}
process.exit(0);
