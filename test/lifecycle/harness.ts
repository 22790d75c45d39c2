// What the tests of this room share: a directory of their own, and tsrun as a process, built from the sources as they are.

import { mkdtempSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { execa, type Options } from "execa";
import { afterAll, onTestFinished } from "vitest";
import { EngineProgram } from "../engine/program.ts";

export const repository = fileURLToPath(new URL("../..", import.meta.url));

/** The Node that runs TypeScript as it is. */
export const node = `${repository}node_modules/.bin/node`;

/** A new directory, removed when the test ends, however it ends. */
export function temporary(): string {
  const path = mkdtempSync("/tmp/cli-test-");
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

/** How a process ended. */
export interface Ended {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** tsrun, built when a test file runs it first. */
let program: Promise<EngineProgram> | undefined;
afterAll(async () => (await program)?.[Symbol.dispose]());

/** Runs tsrun. */
export async function tsrun(words: readonly string[], options: Options = {}): Promise<Ended> {
  program ??= EngineProgram.build(`${repository}bin/image.ts`, undefined, { TSRUN_VERSION: "0.0.0" });
  return ended((await program).path, words, options);
}

/** Runs a script of this room's in a process of its own: `text` is a module, with the room's sources under `room`. */
export function script(text: string, options: Options = {}): Promise<Ended> {
  const room = `const room = ${JSON.stringify(`${repository}src/lifecycle`)};\n`;
  return ended(node, ["--input-type=module-typescript", "-e", room + text], options);
}

async function ended(path: string, words: readonly string[], options: Options): Promise<Ended> {
  const running = execa(path, words, { reject: false, stripFinalNewline: false, stdin: "ignore", ...options });
  onTestFinished(() => void running.kill("SIGKILL"));
  const result = await running;
  return { code: result.exitCode, stdout: String(result.stdout ?? ""), stderr: String(result.stderr ?? "") };
}
