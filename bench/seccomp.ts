// What Docker's default seccomp profile costs a container: `node bench/seccomp.ts`. Measured inside single runs of our engine, each
// a process of its own as a runtime's is: with nothing kept (libseccomp is loaded and compiles) and with the filter kept.
// Milliseconds; the least, and the quartiles, of a hundred runs. `--profile=FILE` takes another profile, in the config's form.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { EngineProgram } from "../test/engine/program.ts";
import { dockersProfile } from "../test/linux/seccomp/docker-profile.ts";

const RUNS = 100;
const given = process.argv.flatMap((word) => /^--profile=(.+)$/.exec(word)?.[1] ?? []).at(-1);

interface Run {
  readonly made: number;
  readonly loaded: number;
  readonly instructions: number;
}

/** Filters are kept below /run, which is in memory. */
const folder = mkdtempSync("/dev/shm/tsrun-seccomp-");
try {
  using program = await EngineProgram.build(fileURLToPath(new URL("seccomp-inside.ts", import.meta.url)));
  const profile = join(folder, "profile.json");
  writeFileSync(profile, given === undefined ? JSON.stringify(dockersProfile()) : readFileSync(given));
  const once = (directory: string): Run =>
    JSON.parse(execFileSync(program.path, [profile, join(folder, directory)], { encoding: "utf8" }));
  const cold = Array.from({ length: RUNS }, (_, n) => once(`cold-${n}`));
  const warm = Array.from({ length: RUNS }, () => once("cold-0"));
  console.log(`${cold[0]?.instructions} instructions`);
  show("nothing kept: compile and keep", cold, "made");
  show("kept: read and compare", warm, "made");
  show("the kernel's part, seccomp(2)", [...cold, ...warm], "loaded");
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function show(what: string, runs: readonly Run[], part: "made" | "loaded"): void {
  const sorted = runs.map((run) => run[part]).sort((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(2);
  console.log(`${what.padEnd(32)} ${[0, 0.25, 0.5, 0.75].map(at).join("  ")}`);
}
