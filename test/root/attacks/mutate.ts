// Takes each guard of guards.ts away, in a copy of the repository, and looks that its test fails. Prints the list as it does:
// the attack, the guard, and whether the test saw it gone. Needs root, and takes some minutes; --list only prints.
//
//     node_modules/.bin/node test/root/attacks/mutate.ts [--list] [WORD]      WORD: only guards whose id has it

import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GUARDS, type Guard } from "./guards.ts";

const repository = fileURLToPath(new URL("../../..", import.meta.url));
const [option = "", second = ""] = process.argv.slice(2);
const word = option === "--list" ? second : option;
const wanted = GUARDS.filter(({ id }) => id.includes(word));

if (option === "--list") for (const guard of wanted) console.log(describe(guard));
else process.exitCode = mutateAll();

function describe({ id, tried, guard, test, edits }: Guard): string {
  const files = [...new Set(edits.map(({ file }) => file))].join(", ");
  return `${id}\n    tried:  ${tried}\n    guard:  ${guard} (${files})\n    test:   ${test.join(": ")}`;
}

function mutateAll(): number {
  const copy = mkdtempSync(join(tmpdir(), "tsrun-mutate-"));
  let unseen = 0;
  try {
    const files = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], { cwd: repository, encoding: "utf8" });
    for (const file of files.trim().split("\n")) cpSync(join(repository, file), join(copy, file));
    for (const name of ["node_modules", ".cache"]) symlinkSync(join(repository, name), join(copy, name));
    for (const guard of wanted) {
      const problem = mutate(copy, guard);
      if (problem !== undefined) unseen += 1;
      console.log(
        `${describe(guard)}\n    result: ${problem ?? "with the guard the test passes, without it it fails"}`,
      );
    }
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
  console.log(`${wanted.length - unseen} of ${wanted.length} guards were missed when they were gone`);
  return unseen === 0 ? 0 : 1;
}

/** Undefined where the test passes with the guard and fails without it; else what is wrong. */
function mutate(copy: string, guard: Guard): string | undefined {
  if (outcome(copy, guard) !== "passed") return "THE TEST DOES NOT PASS AS IT IS";
  const before = new Map(guard.edits.map(({ file }) => [file, readFileSync(join(copy, file), "utf8")]));
  try {
    for (const { file, find, replace } of guard.edits) {
      const text = readFileSync(join(copy, file), "utf8");
      if (text.split(find).length !== 2) return `THE GUARD IS NOT WHERE THE LIST SAYS: ${file}`;
      writeFileSync(join(copy, file), text.split(find).join(replace));
    }
    const found = outcome(copy, guard);
    return found === "failed" ? undefined : `NOT SEEN: the tests ${found}`;
  } finally {
    for (const [file, text] of before) writeFileSync(join(copy, file), text);
  }
}

/** Builds the copy and runs the guard's test. */
function outcome(copy: string, { test: [file, name] }: Guard): "passed" | "failed" | "did not build" | "did not run" {
  const env = { ...process.env, PATH: `${copy}/node_modules/.bin:${process.env.PATH}:/usr/sbin`, NO_COLOR: "1" };
  const run = (program: string, args: string[]) =>
    spawnSync(program, args, { cwd: copy, env, encoding: "utf8", timeout: 300_000, killSignal: "SIGKILL" });
  if (run(`${copy}/node_modules/.bin/node`, ["scripts/build.ts"]).status !== 0) return "did not build";
  const pattern = name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const { stdout, status } = run("vitest", [
    "run",
    file,
    "-t",
    pattern,
    "--reporter=json",
    "--project",
    projectOf(file),
  ]);
  const report = JSON.parse(stdout.slice(stdout.indexOf("{")) || "{}") as {
    numPassedTests?: number;
    numFailedTests?: number;
  };
  if ((report.numFailedTests ?? 0) > 0) return "failed";
  return (report.numPassedTests ?? 0) > 0 && status === 0 ? "passed" : "did not run";
}

function projectOf(file: string): string {
  return file.startsWith("test/root/") ? "root" : "unit";
}
