// Run by terminal-proxy.test.ts under each engine: serves a pseudoterminal of its own, on which the shell script that it is
// given runs, from its standard streams, until the shell ends. `throw` as a second word: an exception comes in between.

import { TerminalProxy } from "../../src/lifecycle/terminal-proxy.ts";
import { O_NOCTTY, O_RDWR } from "../../src/linux/abi/fcntl.ts";
import { TIOCSPTLCK } from "../../src/linux/abi/ioctl.ts";
import { spawn } from "../../src/linux/agent/posix-spawn.ts";
import { close, open } from "../../src/linux/files.ts";
import { call, pidfdOpen } from "../../src/linux/local.ts";
import { POLLIN, poll } from "../../src/linux/poll.ts";
import { modesOf, openPeer } from "../../src/linux/termios.ts";
import { asProgram } from "../engine/as-program.ts";

/** The status that tells of a terminal that is not as it was. */
const NOT_RESTORED = 70;

asProgram(() => {
  const [script = "", fault] = process.argv.slice(2);
  // As the terminal was; engines put it back themselves, but only when they end.
  const before = modesOf(0)?.join();
  let error: unknown;
  try {
    serve(script, fault);
  } catch (thrown) {
    error = thrown;
  }
  if (modesOf(0)?.join() !== before) return NOT_RESTORED;
  if (error !== undefined) throw error;
  return 0;
});

function serve(script: string, fault: string | undefined): void {
  const master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
  call("test", "ioctl", master, TIOCSPTLCK, new Uint8Array(4));
  const slave = openPeer(master);
  using proxy = new TerminalProxy(master);
  const shell = spawn({
    path: "/usr/bin/setsid",
    argv: ["setsid", "-c", "sh", "-c", script].map((word) => new TextEncoder().encode(word)),
    env: [new TextEncoder().encode("PATH=/usr/local/bin:/usr/bin:/bin")],
    fds: [
      [slave, 0],
      [slave, 1],
      [slave, 2],
    ],
  });
  close(slave);
  const pidfd = pidfdOpen(shell);
  proxy.begin();
  if (fault === "throw") throw new Error("on purpose");
  for (let ended = 0; !ended; ) {
    const [now = 0, ...rest] = poll([{ fd: pidfd, events: POLLIN }, ...proxy.wanted()]);
    ended = now;
    proxy.move(rest);
  }
  proxy.drain(-1, () => true);
}
