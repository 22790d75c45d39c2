// `npm run engines [-- --place=here,uml,sid,qemu --file=WORDS --write]`: the tests of engines in four places, and the table of what
// came of them. Prints it, and writes it to table.md with --write. What a place said last is kept in .cache/engines, so that one
// can be run alone; without --place all are. `--place=` runs none and makes the table of what is kept. With --file only test files
// whose name begins so are run (docker.test,podman), and what is kept of the others stands: under QEMU all would take hours.
//
// RUNTIME=runc or crun has the engines drive that one. Its results are kept beside ours, and the table lists where it fails and
// tsrun does not. Status 1 where tsrun fails. Plain Node, as all that starts a guest.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { build, installPackages, node, PATH, repository } from "../../scripts/setup.mjs";
import { guestMissing, testInGuest } from "../../scripts/vm.mjs";
import { PLACES, RUNTIMES, tableOf } from "./table.mjs";

const cache = join(repository, ".cache/engines");
const runtime = basename(process.env.RUNTIME ?? RUNTIMES[0]);
const wanted = flag("--place=") ?? PLACES.join();
const words = (flag("--file=") ?? "").split(",").map((file) => `conformance/engines/${file}`);
const table = join(repository, "conformance/engines/table.md");

installPackages();
build();
mkdirSync(cache, { recursive: true });
for (const place of PLACES.filter((each) => wanted.split(",").includes(each))) run(place);
const results = readResults();
const text = tableOf(results);
console.log(text);
if (process.argv.includes("--write")) writeFileSync(table, text);
const failed = results.filter((result) => result.runtime === RUNTIMES[0]).flatMap(({ summary }) => summary.failed);
process.exitCode = failed.length > 0 ? 1 : 0;

function flag(name) {
  return process.argv.find((word) => word.startsWith(name))?.slice(name.length);
}

/** Runs the tests in a place and keeps what they said. */
function run(place) {
  const scratch = mkdtempSync(join(tmpdir(), "tsrun-engines-"));
  const [summary, versions] = ["summary.json", "versions.json"].map((name) => join(scratch, name));
  try {
    if (place === "here") runHere(summary, versions);
    else runInGuest(place, summary, versions);
    const result = { place, runtime, versions: read(versions), summary: withKept(place, read(summary)) };
    writeFileSync(fileOf(place, runtime), JSON.stringify(result, undefined, 1));
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

/** With what is kept of files that were not run now. */
function withKept(place, summary) {
  const path = fileOf(place, runtime);
  if (flag("--file=") === undefined || !existsSync(path)) return summary;
  const kept = read(path).summary;
  const ran = new Set([...summary.tests, ...summary.failed].map(testFile));
  const both = Object.keys(summary).map((key) => [
    key,
    [...(kept[key] ?? []).filter((test) => !ran.has(testFile(test.name ?? test))), ...summary[key]],
  ]);
  return Object.fromEntries(both);
}

/** The path that the name of a test begins with, or of a file that could not be run. */
function testFile(name) {
  return /^.*?\.test\.ts/.exec(name)?.[0];
}

function runHere(summary, versions) {
  const vitest = join(repository, "node_modules/vitest/vitest.mjs");
  spawnSync(node, [vitest, "run", "--project", "engines", ...words], {
    ...{ cwd: repository, stdio: ["ignore", "inherit", "inherit"] },
    env: { ...process.env, PATH, TSRUN_TEST_SUMMARY: summary, TSRUN_ENGINE_VERSIONS: versions },
  });
}

function runInGuest(place, summary, versions) {
  const backend = place === "qemu" ? "qemu" : "uml";
  const suite = place === "sid" ? "sid" : "trixie";
  const missing = guestMissing(backend, false, suite);
  if (missing !== undefined) throw new Error(`No guest: ${missing}`);
  const seconds = backend === "qemu" ? 7200 : 1800;
  testInGuest({ project: "engines", words, backend, suite, summary, versions, seconds });
}

/** What is kept, of every place and runtime. */
function readResults() {
  const files = RUNTIMES.flatMap((name) => PLACES.map((place) => fileOf(place, name)));
  return files.filter((file) => existsSync(file)).map(read);
}

function fileOf(place, name) {
  return join(cache, `${name}-${place}.json`);
}

function read(file) {
  return JSON.parse(readFileSync(file, "utf8"));
}
