import { describe, expect, it } from "vitest";
import { InRoot } from "../../src/linux/in-root.ts";
import { AgentKernel } from "../../src/linux/kernel.ts";
import { Plan } from "../../src/linux/plan.ts";
import { planConsole, planControllingTerminal, planTerminal, planTerminalStreams } from "../../src/linux/terminal.ts";
import { AgentModel, type Script } from "./agent-model.ts";
import { calls } from "./sample.ts";

/** A devpts whose next terminal has number 300, on a multiplexer with this device number. */
const devpts =
  (major: number, minor: number): Script =>
  ({ name, args, memory }) => {
    const [, request = 0n, address = 0n] = args;
    if (name === "statx") {
      const bytes = memory.bytes(args[4] ?? 0n, 256);
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      view.setUint32(128, major, true);
      view.setUint32(132, minor, true);
    }
    if (name === "ioctl" && request === 0x8004_5430n) memory.setWord(address, 300n);
    return 5;
  };

describe("A terminal", () => {
  const open = (script: Script) => {
    const plan = new Plan();
    const terminal = planTerminal(plan, 3, undefined);
    const answers = new AgentKernel(new AgentModel(script)).run(plan);
    return () => terminal.name(answers);
  };

  it("is opened by descriptor, both ends, and unlocked", () => {
    const plan = new Plan();
    planTerminal(plan, 3, { height: 24, width: 80n });
    expect(calls(plan)).toEqual([
      'openat2(3, "dev/pts/ptmx", {flags=O_RDWR|O_NOCTTY|O_CLOEXEC, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_IN_ROOT})',
      'statx(#1, "", AT_EMPTY_PATH, STATX_BASIC_STATS, out1[256])',
      "ioctl(#1, TIOCSPTLCK, [0])",
      "ioctl(#1, TIOCGPTN, out2[8])",
      "ioctl(#1, TIOCGPTPEER, O_RDWR|O_NOCTTY|O_CLOEXEC)",
      "ioctl(#1, TIOCSWINSZ, {rows=24, columns=80})",
    ]);
  });

  it("has the name that its number gives", () => {
    expect(open(devpts(5, 2))()).toBe("/dev/pts/300");
  });

  it("of what only looks like a multiplexer is refused", () => {
    expect(open(devpts(5, 3))).toThrow("process.terminal: /dev/pts/ptmx is no terminal multiplexer");
    expect(open(devpts(1, 2))).toThrow("no terminal multiplexer");
  });

  it("is bound over /dev/console by descriptor, not by its name", () => {
    const plan = new Plan();
    const terminal = planTerminal(plan, 3, undefined);
    planConsole(plan, new InRoot(3, () => undefined), terminal);
    const lines = calls(plan);
    expect(lines).toContain('open_tree(#2, "", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_EMPTY_PATH)');
    expect(lines).toContain('mknodat(#4, "console", S_IFREG|0644, 0)');
    expect(lines.slice(-3)).toEqual([
      'move_mount(#3, "", #4, "", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)',
      "close(#4)",
      "close(#3)",
    ]);
    expect(lines.join()).not.toContain("/dev/pts/");
  });

  it("becomes the user's, the session's and the standard streams, and its ends are closed", () => {
    const plan = new Plan();
    const terminal = planTerminal(plan, 3, undefined);
    const before = plan.steps.length;
    planTerminalStreams(plan, terminal, 1000);
    planControllingTerminal(plan);
    expect(calls(plan).slice(before)).toEqual([
      "fchown(#2, 1000, -1)",
      "dup3(#2, 0, 0)",
      "dup3(#2, 1, 0)",
      "dup3(#2, 2, 0)",
      "close(#2)",
      "close(#1)",
      "ioctl(0, TIOCSCTTY, 0)",
    ]);
  });
});
