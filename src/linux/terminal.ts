// process.terminal: a pseudoterminal of the container's own devpts. pty(7), ioctl_tty(2), pts(4); runtime-spec
// config.md#process. The other end goes to whoever listens on --console-socket, or is served by a foreground `run`.
//
// Its end in the container is taken from the descriptor of /dev/ptmx (TIOCGPTPEER), never by the name /dev/pts/N, which a
// process of another container that shares the mount could have replaced (CVE-2025-52565).

import type { ConsoleSize } from "../spec/config.gen.ts";
import { AT_EMPTY_PATH, O_CLOEXEC, O_NOCTTY, O_RDWR } from "./abi/fcntl.ts";
import { TIOCGPTN, TIOCGPTPEER, TIOCSCTTY, TIOCSPTLCK, TIOCSWINSZ, winsize } from "./abi/ioctl.ts";
import { STATX_BASIC_STATS, STATX_RDEV_MAJOR, STATX_RDEV_MINOR, STATX_SIZE } from "./abi/stat.ts";
import { cloneTree, close, moveMount, openInRoot, syscall } from "./calls.ts";
import { SafetyViolation } from "./errors.ts";
import type { InRoot } from "./in-root.ts";
import { type Answers, type Late, Out, type Plan, type Result } from "./plan.ts";

/** A pseudoterminal, as descriptors of the process that the plan runs in. */
export interface Terminal {
  readonly master: Result;
  readonly slave: Result;
  /** What to check, and the name `/dev/pts/N`, once the calls were made. */
  readonly name: (answers: Answers) => string;
}

/** Opens a new pseudoterminal in the devpts at /dev/pts of `root`. */
export function planTerminal(plan: Plan, root: Late, size: ConsoleSize | undefined): Terminal {
  plan.at("process.terminal");
  const master = plan.add(openInRoot(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY));
  const statx = new Out(STATX_SIZE);
  plan.add(syscall("statx", master, "", AT_EMPTY_PATH, STATX_BASIC_STATS, statx));
  plan.add(syscall("ioctl", master, TIOCSPTLCK, new Uint8Array(4)));
  const number = new Out(8);
  plan.add(syscall("ioctl", master, TIOCGPTN, number));
  const slave = plan.add(syscall("ioctl", master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (size !== undefined) {
    const { height, width } = size;
    plan.at("process.consoleSize").add(syscall("ioctl", master, TIOCSWINSZ, winsize(Number(height), Number(width))));
  }
  return { master, slave, name: (answers) => nameOf(answers, statx, number) };
}

function nameOf(answers: Answers, statx: Out, number: Out): string {
  const view = new DataView(answers.bytes(statx).slice().buffer);
  const major = view.getUint32(STATX_RDEV_MAJOR, true);
  const minor = view.getUint32(STATX_RDEV_MINOR, true);
  if (major !== 5 || minor !== 2)
    throw new SafetyViolation("process.terminal", "/dev/pts/ptmx is no terminal multiplexer");
  return `/dev/pts/${new DataView(answers.bytes(number).slice().buffer).getUint32(0, true)}`;
}

/** Binds the container's end over /dev/console. */
export function planConsole(plan: Plan, inRoot: InRoot, { slave }: Terminal): void {
  plan.at("process.terminal (/dev/console)");
  const tree = plan.add(cloneTree(slave, "", AT_EMPTY_PATH));
  inRoot.makeFile(plan, "/dev/console");
  const target = inRoot.open(plan, "/dev/console");
  plan.add(moveMount(tree, target));
  plan.add(close(target));
  plan.add(close(tree));
}

/** Makes the terminal, which becomes the user's, the caller's standard streams. */
export function planTerminalStreams(plan: Plan, { slave, master }: Terminal, uid: number): void {
  plan.at("process.terminal");
  const SAME_GROUP = 0xffff_ffff;
  plan.add(syscall("fchown", slave, uid, SAME_GROUP));
  for (const fd of [0, 1, 2]) plan.add(syscall("dup3", slave, fd, 0));
  plan.add(close(slave));
  plan.add(close(master));
}

/** Makes the terminal that is the caller's standard input the controlling one of its session, which it must lead. */
export function planControllingTerminal(plan: Plan): void {
  plan.at("process.terminal").add(syscall("ioctl", 0, TIOCSCTTY, 0));
}
