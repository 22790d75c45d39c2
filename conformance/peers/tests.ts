// `npm run peers:tests [-- --file=WORDS --prove --write]`: tsrun's own tests of real containers (test/root) on the peers of this machine.
// A test that a peer does not pass says why (`except` in test/root/harness/needs.ts), and those reasons are the page: docs/peers-tests.md
// with --write. Status 1 where a peer fails without a reason. With --prove what is excepted is run too, and has to fail.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Summary } from "../../scripts/reporter.ts";
import { pageOfTests, reasonsOf, type Tested } from "./tests-page.ts";

const repository = fileURLToPath(new URL("../..", import.meta.url));
const vitest = join(repository, "node_modules/vitest/vitest.mjs");

/** Files that test nothing that a peer has: calls that are made to fail, random configs for tsrun's rules, hours of runs. */
const OURS = /\/(faults|random|endurance|node)\.test\.ts$/;

/** A peer that hangs hangs in one file. */
const SECONDS = 300;

main();

function main(): void {
  const files = globSync("test/**/*.test.ts", { cwd: repository })
    .filter((file) => /^test\/root\/|\.root\.test\.ts$/.test(file) && !OURS.test(file))
    .filter((file) => file.includes(flag("--file=") ?? ""))
    .sort();
  const tested = ["/usr/sbin/runc", "/usr/bin/crun"]
    .filter((path) => existsSync(path))
    .map((path) => test(path, files));
  const page = pageOfTests(tested);
  console.log(page);
  if (process.argv.includes("--write")) writeFileSync(join(repository, "docs/peers-tests.md"), page);
  const problems = tested.flatMap((one) => [
    ...one.summary.failed.map((name) => `${one.version} fails without a reason: ${name}`),
    ...(process.argv.includes("--prove") ? untrue(one, files) : []),
  ]);
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}

function flag(name: string): string | undefined {
  return process.argv.find((word) => word.startsWith(name))?.slice(name.length);
}

function test(path: string, files: readonly string[]): Tested {
  const [line = ""] = execFileSync(path, ["--version"], { encoding: "utf8" }).split("\n");
  const version = line.replace(/ version /, " ").replace(/\+.*/, "");
  return { path, name: basename(path), version, summary: run(path, files, {}) };
}

/** Excepted tests that the peer passes. Of what it "may" do nothing is proved. */
function untrue({ path, name, version, summary }: Tested, files: readonly string[]): string[] {
  const always = [...reasonsOf(name, summary)].filter(([, reason]) => !/\bmay\b/.test(reason));
  const excepted = new Set(always.map(([test]) => test));
  const touched = files.filter((file) => [...excepted].some((test) => test.startsWith(`${file} `)));
  const { passed } = run(path, touched, { EXCEPT_NOBODY: "1" });
  return passed
    .filter((test) => excepted.has(test))
    .map((test) => `${version} passes what it is excepted from: ${test}`);
}

/**
 * Once more where one fails, as peers are hurried by a busy machine, too. File by file, each in a mount namespace of its own: what a peer
 * leaves mounted goes with it, and it is not the host's /dev/null that crun gives to a container's root.
 */
function run(path: string, files: readonly string[], env: Readonly<Record<string, string>>): Summary {
  const all: Summary = { tests: [], passed: [], failed: [], skipped: [], retried: [] };
  const scratch = mkdtempSync(join(tmpdir(), "tsrun-peers-"));
  const summary = join(scratch, "summary.json");
  const device = join(scratch, "null");
  try {
    execFileSync("mknod", ["--mode=666", device, "c", "1", "3"]);
    for (const file of files) {
      rmSync(summary, { force: true });
      const apart = ["--mount", "sh", "-c", 'mount --bind "$0" /dev/null && exec "$@"', device];
      const words = ["timeout", "--kill-after=5", String(SECONDS), process.execPath, vitest, "run"];
      spawnSync("unshare", [...apart, ...words, "--project", "root", "--retry=1", file], {
        ...{ cwd: repository, stdio: ["ignore", "ignore", "inherit"] },
        env: { ...process.env, ...env, RUNTIME: path, TSRUN_TEST_SUMMARY: summary },
      });
      if (!existsSync(summary)) all.failed.push(`${file} does not end in ${SECONDS} seconds`);
      else
        for (const [key, list] of Object.entries(read(summary))) (all[key as keyof Summary] as unknown[]).push(...list);
    }
  } finally {
    rmSync(scratch, { recursive: true });
  }
  return all;
}

function read(file: string): Summary {
  return JSON.parse(readFileSync(file, "utf8")) as Summary;
}
