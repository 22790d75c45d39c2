// Terminals of foreground processes: `run` and `exec --tty` without --detach serve the container's terminal from tsrun's own
// streams. For a person that is a terminal, which the test plays; for a script it is pipes. Also the signals that are
// passed on meanwhile and that no terminal sends.

import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { describe, expect } from "vitest";
import { scaled } from "../../conformance/engines/patience.ts";
import { Screen } from "../lifecycle/pty.ts";
import { idle, sh } from "./harness/config.ts";
import { test } from "./harness/fixture.ts";
import { except, needs } from "./harness/needs.ts";
import { commandWords, handedOn, settled } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";
import { PATIENCE, until, untilItWaits } from "./harness/until.ts";

const terminal = { process: { terminal: true } };

/** The words of a call of the runtime, for a program that calls it. */
function words(box: Sandbox, ...args: readonly string[]): readonly [string, ...string[]] {
  const [program, ...before] = commandWords();
  return [program, ...before, "--root", box.root, ...args];
}

/** `run` of a script with a terminal, on a terminal of a person's. */
function onScreen(box: Sandbox, script: string, more = {}) {
  const container = box.container(sh(script), terminal, more);
  const screen = Screen.open();
  box.defer(() => screen[Symbol.dispose]());
  const [program, ...args] = words(box, "run", "--bundle", container.bundle, container.id);
  const before = screen.modes();
  const start = () => screen.run(program, args, { TSRUN_TEST: box.word });
  return { container, screen, before, start };
}

describe("a terminal in the foreground, for a person", () => {
  test("control-C, control-Z and control-D are the container's", async ({ box }) => {
    const wait = "trap 'echo INTERRUPTED; got=1' INT; echo STARTED; while [ -z $got ]; do sleep 0.02; done";
    const script = `${wait}; stty raw -echo; echo READY; head -c 3 | od -An -tx1; exit 5`;
    const { screen, start } = onScreen(box, script);
    const running = start();
    await screen.until(/STARTED/);
    await raw(screen);
    screen.write("\x03");
    await screen.until(/INTERRUPTED[\s\S]*READY/);
    screen.write("\x03\x1a\x04");
    await screen.until(/03 1a 04/);
    expect((await running).exitCode).toBe(5);
  });

  test("control-D ends input", async ({ box }) => {
    const { screen, start } = onScreen(box, "cat; echo ENDED");
    const running = start();
    screen.write("hello\n");
    await screen.until(/hello\r\nhello/);
    screen.write("\x04");
    await screen.until(/ENDED/);
    expect((await running).exitCode).toBe(0);
  });

  test("theirs is raw meanwhile, and as before afterwards", async ({ box }) => {
    const { screen, before, start } = onScreen(box, "echo READY; read x; exit 3");
    const running = start();
    await screen.until(/READY/);
    await raw(screen);
    screen.write("\n");
    expect((await running).exitCode).toBe(3);
    expect(screen.modes()).toBe(before);
  });

  test("theirs is as before when signals end the container: one that is passed on, and one from outside", async ({
    box,
  }) => {
    for (const [by, status] of [
      ["TERM", 9],
      ["KILL", 137],
    ] as const) {
      const { container, screen, before, start } = onScreen(
        box,
        "trap 'exit 9' TERM; echo READY; while :; do sleep 0.02; done",
      );
      const running = start();
      await screen.until(/READY/);
      await raw(screen);
      if (by === "TERM") running.kill("SIGTERM");
      else await container.kill("KILL");
      expect((await running).exitCode).toBe(status);
      expect(screen.modes()).toBe(before);
    }
  });

  test("theirs is as before when the program cannot be run", async ({ box }) => {
    const { screen, before, start } = onScreen(box, "", { process: { terminal: true, args: ["/nothing"] } });
    expect((await start()).exitCode).toBe(1);
    expect(screen.modes()).toBe(before);
  });

  needs(except({ runc: "sets it late", crun: "has no size at first" }))(
    "its size is theirs, and follows",
    async ({ box }) => {
      const { screen, start } = onScreen(
        box,
        "trap 'stty size; exit' WINCH; stty size; echo READY; while :; do sleep 0.02; done",
      );
      screen.resize(33, 101);
      const running = start();
      expect(await screen.until(/READY/)).toMatch(/^33 101\r\n/);
      await raw(screen);
      screen.resize(12, 34);
      await screen.until(/12 34/);
      expect((await running).exitCode).toBe(0);
    },
  );

  needs(except({ runc: "takes the caller's nevertheless" }))(
    "a size in the configuration comes before theirs",
    async ({ box }) => {
      const process = { terminal: true, consoleSize: { height: 17, width: 93 } };
      const { screen, start } = onScreen(box, "stty size", { process });
      screen.resize(33, 101);
      await start();
      expect(await screen.until(/\n/)).toBe("17 93\r\n");
    },
  );

  const inTime = needs(except({ runc: "sets the size when the program runs already" }));
  inTime("exec --tty is served the same way", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    await container.start();
    const screen = Screen.open();
    box.defer(() => screen[Symbol.dispose]());
    const before = screen.modes();
    const script = "stty size; read x; echo got $x; sleep 1000 & exit 6";
    const [program, ...args] = words(box, "exec", "--tty", container.id, "sh", "-c", script);
    screen.resize(21, 77);
    const running = screen.run(program, args, { TSRUN_TEST: box.word });
    expect(await screen.until(/\n/)).toBe("21 77\r\n");
    screen.write("typed\n");
    await screen.until(/got typed\r\n/);
    expect((await running).exitCode).toBe(6);
    expect(screen.modes()).toBe(before);
  });

  const stops = needs(except({ runc: "takes it", crun: "takes it" }));
  stops("a tsrun in the background stops instead of taking the terminal", async ({ box }) => {
    const screen = Screen.open();
    box.defer(() => screen[Symbol.dispose]());
    const container = box.container(sh("echo DONE"), terminal);
    const line = words(box, "run", "--bundle", container.bundle, container.id).map((word) => `'${word}'`);
    const stopped = 'until [ -n "$(jobs -s)" ]; do sleep 0.02; done; jobs';
    const running = screen.run("bash", ["-mc", `${line.join(" ")} & ${stopped}; fg; echo BACK`], {
      TSRUN_TEST: box.word,
    });
    expect(await screen.until(/BACK/)).toMatch(/Stopped[\s\S]*DONE/);
    await running;
  });
});

/** Waits until every key goes to the container. */
function raw(screen: Screen): Promise<void> {
  return until(() => screen.isRaw(), "a raw terminal");
}

describe("a terminal in the foreground, without a person", () => {
  const without = needs(except({ runc: "needs a terminal of its own", crun: "needs a terminal of its own" }));

  without("newlines are as the program wrote them", async ({ box }) => {
    const result = await box.container(sh("echo a; echo b >&2"), terminal).run();
    expect(result).toMatchObject({ code: 0, stdout: "a\nb\n", stderr: "" });
  });

  without("input from a pipe is typed, its end is control-D, and output goes on after it", async ({ box }) => {
    const result = await box.container(sh("cat; sleep 0.3; echo end"), terminal).run([], { input: "in\n" });
    expect(result).toMatchObject({ code: 0, stdout: "in\nin\nend\n" });
  });

  without("a hundred megabytes come through whole", async ({ box }) => {
    const container = box.container(sh("head -c 100000000 /dev/zero | tr '\\0' x; echo end; exit 3"), terminal);
    const [program, ...args] = words(box, "run", "--bundle", container.bundle, container.id);
    const line = `{ "$0" "$@" </dev/null; echo status $? >&2; } | tee >(tail -c 5 >&2) | wc -c`;
    const result = await execa("bash", ["-c", line, program, ...args], { timeout: scaled(50_000) });
    expect(result.stdout).toBe("100000004");
    expect(result.stderr).toMatch(/status 3/);
    expect(result.stderr).toMatch(/xend/);
  });

  without("a program that closes the terminal may open it again", async ({ box }) => {
    const script = "exec <&- >&- 2>&-; sleep 0.3; echo again >/dev/console; exit 4";
    expect(await box.container(sh(script), terminal).run()).toMatchObject({ code: 4, stdout: "again\n" });
  });

  without("when nobody reads the output the terminal is hung up, and the container ends", async ({ box }) => {
    const container = box.container(sh("while echo y; do :; done 2>/dev/null; exit 0"), terminal);
    const [program, ...args] = words(box, "run", "--bundle", container.bundle, container.id);
    const line = `"$0" "$@" </dev/null | head -n 1`;
    expect((await execa("bash", ["-c", line, program, ...args], { timeout: PATIENCE })).stdout).toBe("y");
  });

  without("a signal ends the wait for somebody who does not read", async ({ box }) => {
    const container = box.container(sh("trap '' TERM; echo written; echo written >/done"), terminal);
    const [program, ...args] = words(box, "run", "--keep", "--bundle", container.bundle, container.id);
    await execa("mkfifo", [box.path("fifo")]);
    const fifo = openSync(box.path("fifo"), "r+");
    writeSync(fifo, "x".repeat(65_536)); // now it is full
    box.defer(() => closeSync(fifo));
    const running = execa(program, args, { stdio: ["ignore", handedOn(fifo), "inherit"], timeout: scaled(50_000) });
    await until(() => existsSync(`${container.rootfs}/done`), "the end of its output");
    const pid = Number(running.pid);
    const children = () => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    await until(() => children().every((child) => stateOf(child) === "Z"), "the end of the container");
    await until(() => stateOf(String(pid)) === "S", "tsrun, which sees it, to wait again");
    const exit = once(running, "exit", { signal: AbortSignal.timeout(PATIENCE) });
    running.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
    await running;
  });
});

describe("signals for a foreground process", () => {
  test("real-time signals are passed on", async ({ box }) => {
    const container = box.container(sh("trap 'echo got; exit 8' 37; echo ready; while :; do sleep 0.02; done"));
    const running = container.beginRun();
    await new Promise((resolve) => running.stdout?.once("data", resolve));
    await untilItWaits(Number(running.pid));
    process.kill(running.pid ?? -1, 37);
    expect(await settled(running)).toMatchObject({ code: 8, stdout: "ready\ngot\n" });
  });

  const keeps = needs(except({ runc: "passes SIGPIPE on", crun: "passes all on" }));
  keeps("those that are about tsrun itself are not passed on", async ({ box }) => {
    const trap = "for s in URG CHLD PIPE; do trap \"echo got $s\" $s; done; trap 'exit 9' TERM";
    const container = box.container(sh(`${trap}; echo ready; while :; do :; done`));
    const running = container.beginRun();
    await new Promise((resolve) => running.stdout?.once("data", resolve));
    await untilItWaits(Number(running.pid));
    for (const signal of ["SIGURG", "SIGCHLD", "SIGPIPE", "SIGTERM"] as const) running.kill(signal);
    expect(await settled(running)).toMatchObject({ code: 9, stdout: "ready\n" });
  });

  needs(except({ runc: "passes it on", crun: "passes it on" }))(
    "a hang-up that tsrun was started to ignore (nohup) stays ignored",
    async ({ box }) => {
      const script = "trap 'exit 7' HUP; trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done";
      const container = box.container(sh(script));
      const line = `trap "" HUP; exec "$0" "$@"`;
      const [program, ...args] = words(box, "run", "--bundle", container.bundle, container.id);
      const running = execa("sh", ["-c", line, program, ...args], {
        ...{ stdin: "ignore", reject: false, timeout: PATIENCE, env: { TSRUN_TEST: box.word } },
      });
      await new Promise((resolve) => running.stdout?.once("data", resolve));
      running.kill("SIGHUP");
      await sleep(200);
      running.kill("SIGTERM");
      expect((await running).exitCode).toBe(9);
    },
  );
});

/** The letter that proc_pid_stat(5) has. */
function stateOf(pid: string): string | undefined {
  return /\) (.)/.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
}
