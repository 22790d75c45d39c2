// `npm run peers [-- --only=WORDS --write]`: what tsrun does as is wanted and a peer does not, each case tried on every runtime.
// Prints the page, and writes it to docs/peers.md with --write. Status 1 where a case does not hold for tsrun, or holds for all.
//
// The peers are Debian's: of sid, unpacked for the conformance runner (conformance/runtime-tools/build), and this machine's.

import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Answer } from "./case.ts";
import { CASES } from "./cases.ts";
import { pageOf, problemsOf, type Tried } from "./page.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const suite = join(here, "../runtime-tools");
const peers = join(here, "../../.cache/runtime-tools/made/peers");

main();

function main(): void {
  execFileSync(join(suite, "build"), { stdio: "inherit" });
  const only = process.argv.find((word) => word.startsWith("--only="))?.slice("--only=".length) ?? "";
  const places = [
    join(here, "../../dist/tsrun"),
    ...[join(peers, "runc"), join(peers, "crun"), "/usr/sbin/runc", "/usr/bin/crun"],
  ];
  const tried = places.filter((path) => existsSync(path)).map((path) => attempt(path, only));
  const page = pageOf(CASES, tried);
  console.log(page);
  if (process.argv.includes("--write")) writeFileSync(join(here, "../../docs/peers.md"), page);
  const problems = problemsOf(CASES, tried);
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}

function attempt(path: string, only: string): Tried {
  // In a mount namespace of its own: what a peer leaves mounted goes with it.
  const words = ["--mount", process.execPath, join(here, "attempts.ts"), only];
  const output = execFileSync("unshare", words, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, RUNTIME: path },
  });
  return { version: versionOf(path), answers: JSON.parse(output) as Record<string, Answer> };
}

function versionOf(path: string): string {
  const [line = ""] = execFileSync(path, ["--version"], { encoding: "utf8" }).split("\n");
  return line.replace(/ version /, " ").replace(/\+.*/, "");
}
