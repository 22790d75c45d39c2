// Terminals: the console socket, the size, /dev/console, the controlling terminal (config.md "Process" terminal and
// consoleSize; the wire format is every engine's: one message, the master as SCM_RIGHTS).

import { statSync } from "node:fs";
import { execa } from "execa";
import { describe, expect } from "vitest";
import { idle, sh } from "./harness/config.ts";
import { ConsoleSocket } from "./harness/console.ts";
import { test } from "./harness/fixture.ts";
import { except, needs } from "./harness/needs.ts";
import { commandWords } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";

const terminal = { process: { terminal: true } };

async function onTerminal(box: Sandbox, script: string, more = {}) {
  const socket = new ConsoleSocket(box);
  const container = box.container(sh(script), terminal, more);
  expect(await container.create(["--console-socket", socket.path])).toMatchObject({ code: 0, stderr: "" });
  const console = socket.receive();
  expect((await container.start()).code).toBe(0);
  return { container, console };
}

describe("a container with a terminal", () => {
  test("has it as stdin, stdout, stderr and controlling terminal", async ({ box }) => {
    const { console } = await onTerminal(
      box,
      "tty; test -t 0 -a -t 1 -a -t 2 && echo all; echo hi >/dev/tty; echo END",
    );
    const text = await console.until(/END/);
    expect(text).toMatch(/\/dev\/pts\/0/);
    expect(text).toMatch(/all\r?\nhi\r?\nEND/);
  });

  test("reads what is typed, and control-C interrupts", async ({ box }) => {
    const { console } = await onTerminal(
      box,
      "trap 'echo INTERRUPTED; exit' INT; read x; echo got $x; while :; do sleep 0.02; done",
    );
    console.write("typed\n");
    await console.until(/got typed/);
    console.write("\x03");
    await console.until(/INTERRUPTED/);
  });

  test("is the session's leader, in the foreground", async ({ box }) => {
    const { console } = await onTerminal(box, "cut -d' ' -f5,6,8 /proc/1/stat; echo END");
    expect(await console.until(/END/)).toMatch(/^1 1 1\r?\n/);
  });

  test("has the console size that was given", async ({ box }) => {
    const { console } = await onTerminal(box, "stty size; echo END", {
      process: { terminal: true, consoleSize: { height: 17, width: 93 } },
    });
    expect(await console.until(/END/)).toContain("17 93");
    expect(console.size()).toEqual({ rows: 17, columns: 93 });
  });

  test("finds the same terminal at /dev/console", async ({ box }) => {
    const { console } = await onTerminal(box, "echo through >/dev/console; stat -c %t:%T /dev/console; echo END");
    expect(await console.until(/END/)).toMatch(/through\r?\n88:0/);
  });

  test("finds it at /dev/console on a read-only root", async ({ box }) => {
    const { console } = await onTerminal(box, "echo through >/dev/console; echo END", { root: { readonly: true } });
    expect(await console.until(/END/)).toMatch(/through/);
  });

  test("the slave belongs to the container's user", async ({ box }) => {
    const { console } = await onTerminal(box, "stat -c %u $(tty); echo END", {
      process: { user: { uid: 1000, gid: 1000 } },
    });
    expect(await console.until(/END/)).toMatch(/^1000\r?\n/);
  });

  needs(except({ crun: "1.8 gives them to it" }))(
    "its user is not given the caller's streams, which the container has not got",
    async ({ box }) => {
      const { container } = await onTerminal(box, "echo END", { process: { user: { uid: 1000, gid: 1000 } } });
      expect(statSync(box.path(`${container.id}.out`)).uid).toBe(0);
    },
  );

  test("has the kernel's usual output flags: whoever receives it changes them", async ({ box }) => {
    const { console } = await onTerminal(box, "echo a; echo END");
    expect(console.addsCarriageReturns()).toBe(true);
    expect(await console.until(/END\r\n/)).toBe("a\r\nEND\r\n");
  });

  needs(except({ crun: "1.8 does not tell it the size" }))(
    "in the foreground shares the caller's: input, output and status come through, one CR for each newline",
    async ({ box }) => {
      const container = box.container(
        sh("tty; until stty size 2>/dev/null | grep -v ^0; do sleep 0.02; done; read x; echo got $x; exit 7"),
        terminal,
      );
      const words = [...commandWords(), "--root", box.root, "run", "--bundle", container.bundle, container.id];
      const command = `stty rows 21 cols 77; ${words.map((word) => `'${word}'`).join(" ")}`;
      const result = await execa("script", ["-qefc", command, "/dev/null"], {
        ...{ input: "typed\n", reject: false, timeout: 20_000, stripFinalNewline: false },
        env: { TSRUN_TEST: box.word, TERM: "xterm" },
      });
      expect(result.stdout).toContain("/dev/pts/0"); // the echo of what is typed may come before the end of the line
      expect(result.stdout).toContain("21 77");
      expect(result.stdout).toContain("got typed\r\n");
      expect(result.stdout).not.toContain("\r\r\n");
      expect(result.exitCode).toBe(7);
    },
  );

  test("a long socket path works", async ({ box }) => {
    const socket = new ConsoleSocket(box);
    const container = box.container(sh("echo END"), terminal);
    const { symlinkSync } = await import("node:fs");
    const directory = box.makeDirectory("d".repeat(60));
    symlinkSync(socket.path, `${directory}/${"s".repeat(20)}`);
    const result = await container.create(["--console-socket", `${directory}/${"s".repeat(20)}`]);
    expect(result.code).toBe(0);
    const console = socket.receive();
    await container.start();
    await console.until(/END/);
  });
});

describe("misuse", () => {
  test("create with a terminal and no console socket is refused", async ({ box }) => {
    const result = await box.container(idle(), terminal).create();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/console.socket/);
  });

  needs(except({ crun: "ignores it" }))("a console socket without a terminal is refused", async ({ box }) => {
    const socket = new ConsoleSocket(box);
    const result = await box.container(idle()).create(["--console-socket", socket.path]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/console socket/);
  });

  test("a console socket that does not exist is refused", async ({ box }) => {
    const result = await box.container(idle(), terminal).create(["--console-socket", box.path("nobody.sock")]);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/no such file|console|ENOENT/i);
  });
});

describe("exec on a terminal", () => {
  test("--tty with a console socket", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    await container.start();
    const socket = new ConsoleSocket(box);
    const flags = ["--tty", "--console-socket", socket.path];
    const result = await container.execDetached(["sh", "-c", "test -t 0 && tty; echo END; read x; echo $x"], flags);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    const console = socket.receive();
    expect(await console.until(/END/)).toContain("/dev/pts/");
    console.write("typed\n");
    await console.until(/typed\r?\n.*typed|typed/);
  });

  test("a process file with a terminal and a size", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    await container.start();
    const socket = new ConsoleSocket(box);
    const process = {
      terminal: true,
      consoleSize: { height: 11, width: 22 },
      args: ["sh", "-c", "stty size; echo END; sleep 1000"],
    };
    const file = container.processFile(process);
    const result = await box.callDetached(
      ["exec", "--detach", "--console-socket", socket.path, "--process", file, container.id],
      box.path("exec"),
    );
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(await socket.receive().until(/END/)).toContain("11 22");
  });
});
