// A terminal for a program that wants one on its standard input and output: `script` has it, and we type into it and read it.

import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { engineEnvironment } from "./engine.ts";
import { scaled } from "./patience.ts";

/** Rows and columns of every terminal here. */
export const SIZE = "33 77";

/** Runs a program on a terminal of its own; it is killed with the sandbox, if it still runs. */
export function onTerminal(box: Sandbox, command: readonly string[]): Pty {
  return new Pty(box, command);
}

export class Pty {
  readonly #child;
  #seen = "";

  constructor(box: Sandbox, command: readonly string[]) {
    const [rows, columns] = SIZE.split(" ");
    const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
    const line = `stty rows ${rows} cols ${columns}; exec ${words}`;
    this.#child = execa("script", ["--quiet", "--return", "--flush", "--command", line, "/dev/null"], {
      reject: false,
      timeout: scaled(50_000),
      env: { ...engineEnvironment(box), SHELL: "/bin/sh", TERM: "dumb" },
    });
    this.#child.stdout.on("data", (data: Buffer) => {
      this.#seen += data.toString("utf8");
    });
    box.defer(() => void this.#child.kill("SIGKILL"));
  }

  /** Types text. */
  type(text: string): void {
    this.#child.stdin.write(text);
  }

  /** Waits until what came since the last match matches. */
  async until(pattern: RegExp): Promise<void> {
    const end = Date.now() + scaled(20_000);
    for (let match = pattern.exec(this.#seen); ; match = pattern.exec(this.#seen)) {
      if (match !== null) {
        this.#seen = this.#seen.slice(match.index + match[0].length);
        return;
      }
      if (Date.now() > end) throw new Error(`no ${pattern} in ${JSON.stringify(this.#seen)}`);
      await sleep(20);
    }
  }

  /** Waits for the program's end: its status. */
  async ended(): Promise<number | undefined> {
    return (await this.#child).exitCode;
  }
}
