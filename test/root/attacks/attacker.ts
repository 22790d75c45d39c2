// The attacker's program, built once for a test file, and put where it is to run.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { copyFileSync, lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import type { Json } from "../harness/config.ts";
import type { Container } from "../harness/container.ts";
import { except, program } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";

/** What the tests that attack with a program need. */
export const compiler = program("gcc");

/** Of attacks on the process that waits or joins. */
export const onlyOurs = except({ runc: "maps its stage elsewhere", crun: "maps its stage elsewhere" });

/** Another user of the host. */
export const OTHER = 20_001;

let built: string | undefined;

afterAll(() => {
  if (built !== undefined) rmSync(dirname(built), { recursive: true });
});

/** Path of the program on the host. */
function attacker(): string {
  if (built !== undefined) return built;
  const folder = mkdtempSync(join(tmpdir(), "tsrun-attacker-"));
  built = join(folder, "attacker");
  const source = fileURLToPath(new URL("attacker.c", import.meta.url));
  execFileSync("gcc", ["-static", "-O1", "-Wall", "-o", built, source]);
  return built;
}

/** Puts the program into an image as /attacker. */
export function arm(container: Container): void {
  copyFileSync(attacker(), join(container.rootfs, "attacker"));
}

/** Overrides of a container whose process attacks all others that it sees, for ever. */
export function attacking(how: "spy" | "stop" | "haunt" | "hold" | "keep" | "overwrite" | "weigh"): Json {
  return { process: { args: ["/attacker", how] } };
}

/** Has somebody on the host exchange names, as fast as can be, until the test ends. */
export function swapNames(box: Sandbox, ...pairs: readonly (readonly [string, string])[]): void {
  const racer: ChildProcess = spawn(attacker(), ["swap", ...pairs.flat()], { stdio: "ignore" });
  box.defer(() => void racer.kill("SIGKILL"));
}

/** What is below a directory of the host: names, kinds, modes, owners, contents. Nothing of it may change. */
export function inventory(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const path = join(directory, name);
      const { mode, uid, gid, rdev } = lstatSync(path);
      const kind = mode & 0o170000;
      const content = kind === 0o100000 ? readFileSync(path, "utf8") : kind === 0o120000 ? readlinkSync(path) : "";
      return `${name} ${mode.toString(8)} ${uid}:${gid} ${rdev} ${content}`;
    });
}
