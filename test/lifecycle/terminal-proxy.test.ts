// A terminal served from standard streams of every kind, under both engines: terminal-proxy-child.ts is what serves it. The
// same with a container and signals: test/root/terminal.test.ts.

import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EngineProgram } from "../engine/program.ts";
import { Screen } from "./pty.ts";

const child = fileURLToPath(new URL("terminal-proxy-child.ts", import.meta.url));

let built: EngineProgram;
beforeAll(async () => {
  built = await EngineProgram.build(child);
});
afterAll(() => built[Symbol.dispose]());

/** Words to start it with. */
const ENGINES: Readonly<Record<string, () => readonly [string, ...string[]]>> = {
  Node: () => [fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url)), child],
  "our engine": () => [built.path],
};

for (const [engine, words] of Object.entries(ENGINES)) {
  const run = (screen: Screen, ...more: string[]) => {
    const [program, ...args] = words();
    return screen.run(program, [...args, ...more]);
  };

  describe(`A terminal served without one, under ${engine}`, () => {
    const serve = (script: string, input?: string) => {
      const [program, ...args] = words();
      return execa(program, [...args, script], {
        ...(input === undefined ? { stdin: "ignore" } : { input }),
        ...{ stripFinalNewline: false, timeout: 20_000 },
      });
    };

    it("gives newlines as they were written, and all output after the end of its input", async () => {
      const { stdout } = await serve("echo first; sleep 0.3; echo last");
      expect(stdout).toBe("first\nlast\n");
    });

    it("tells the end of its input by control-D, also behind an unfinished line", async () => {
      expect((await serve("stty -echo; echo ready; cat; echo end", "")).stdout).toBe("ready\nend\n");
      const { stdout } = await serve("cat; echo end", "no newline");
      expect(stdout).toBe("no newlineno newlineend\n");
    });

    it("loses nothing of five megabytes", async () => {
      const { stdout } = await serve("head -c 5000000 /dev/zero | tr '\\0' x; echo end");
      expect(stdout.length).toBe(5_000_004);
      expect(stdout.endsWith("xend\n")).toBe(true);
    });

    it("goes on when the programs have closed it and open it again", async () => {
      const { stdout } = await serve("t=$(tty); exec <&- >&- 2>&-; sleep 0.3; echo again >$t");
      expect(stdout).toBe("again\n");
    });

    it("does not wait for a process in the background that has it open", async () => {
      const { stdout } = await serve("sleep 1000 & echo out");
      expect(stdout).toBe("out\n");
    });

    it("hangs up when nobody reads: the programs on it end", async () => {
      const shell = `"$@" 'while echo y; do :; done 2>/dev/null' | head -n 1`;
      expect((await execa("sh", ["-c", shell, "sh", ...words()], { timeout: 20_000 })).stdout).toBe("y");
    });
  });

  describe(`A terminal served from a terminal, under ${engine}`, () => {
    it("gets every key, and gives the terminal back as it was", async () => {
      using screen = Screen.open();
      const before = screen.modes();
      const served = run(screen, "stty raw -echo; echo ready; head -c 5 | od -An -tx1; stty sane; echo end");
      await screen.until(/ready/);
      expect(screen.isRaw()).toBe(true);
      screen.write("\x03\x1a\x04\x13a"); // control C, Z, D, S
      expect(await screen.until(/end\r\n/)).toContain("03 1a 04 13 61");
      expect((await served).exitCode).toBe(0);
      expect(screen.modes()).toBe(before);
    });

    it("has the terminal's size from the start", async () => {
      using screen = Screen.open();
      screen.resize(31, 99);
      const served = run(screen, "stty size");
      expect(await screen.until(/\n/)).toBe("31 99\r\n");
      await served;
    });

    it("gives the terminal back when something is thrown", async () => {
      using screen = Screen.open();
      const before = screen.modes();
      const served = await run(screen, "sleep 1", "throw");
      expect(served.exitCode).toBe(1);
      expect(await screen.until(/on purpose/)).toBeTruthy();
      expect(screen.modes()).toBe(before);
    });
  });
}
