// `npm run conformance [-- --guest --alone --only=PROGRAM,... --with=NAME=PATH ... --write]`: the validation programs of OCI's
// runtime-tools on tsrun and its peers, side by side. Prints the matrix, and writes it to matrix.md with --write. Status 1 where tsrun does not
// pass what a peer passes, or fails without a reason in reasons.ts. With --guest: what this machine's kernel cannot do, in a guest
// (guest.ts), and the matrix is matrix-guest.md. With --alone: no peers, as a suite of `npm test`.
//
// Each program runs in namespaces and cgroups of its own (place), so several can at a time, whatever they call their cgroups.
// What each has printed is kept in .cache/runtime-tools/last.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Summary } from "../../scripts/reporter.ts";
import { addInterface, runInGuest } from "./guest.ts";
import { type Cell, matrixOf, problemsOf, type Runtime } from "./matrix.ts";
import { FOR_GUEST, type Place, reasonsIn } from "./reasons.ts";
import { removeCgroups } from "./tidy.ts";
import { verdictOf } from "./verdict.ts";

const here = fileURLToPath(new URL(".", import.meta.url));
const cache = join(here, "../../.cache/runtime-tools");
const SUITE = join(cache, "made/suite");
/** The folder, in the guest, that its matrix goes to. */
const [folderOfGuest] = optionsNamed("in-guest");
const place: Place = folderOfGuest === undefined ? "machine" : "guest";
const REASONS = reasonsIn(place);
/** Most of what a program does is to wait for a container; but an emulated processor is slow. */
const AT_A_TIME = place === "guest" ? 2 : 6;
const SECONDS = place === "guest" ? 600 : 120;
const options = {
  only: optionsNamed("only").flatMap((list) => list.split(",")),
  write: process.argv.includes("--write"),
};

/** Programs that run, and whether somebody wants them to end. */
const running = new Set<ChildProcess>();
let interrupted = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    interrupted = true;
    for (const child of running) child.kill("SIGKILL");
  });
}

if (process.argv.includes("--guest")) process.exitCode = mainOfGuest();
else await main();

/** Makes what is needed, here, and has the guest run it. */
function mainOfGuest(): number {
  execFileSync(join(here, "build"), { stdio: "inherit" });
  const only = options.only.length > 0 ? options.only : FOR_GUEST;
  const { status, matrix } = runInGuest([`--only=${only.join(",")}`]);
  console.log(matrix);
  if (options.write && matrix !== "") writeFileSync(join(here, "matrix-guest.md"), matrix);
  return status;
}

async function main(): Promise<void> {
  if (!readFileSync("/proc/self/mountinfo", "utf8").includes(" - cgroup "))
    throw new Error("Cannot run: the programs know cgroups of version 1 only, and none is mounted here");
  execFileSync(join(here, "build"), { stdio: "inherit" });
  if (place === "guest") addInterface();
  const runtimes = findRuntimes();
  const programs = readdirSync(join(SUITE, "sources/validation")).filter(
    (name) => /^\w+$/.test(name) && name !== "util" && (options.only.length === 0 || options.only.includes(name)),
  );
  rmSync(join(cache, "last"), { recursive: true, force: true });
  const jobs = programs.flatMap((program) => runtimes.map((runtime) => ({ program, runtime })));
  const cells = await inParallel(jobs, ({ program, runtime }) => run(program, runtime));
  // Programs poll, and a busy machine may make one fail that passes alone: then it must do so every time.
  for (const [i, { program, runtime, verdict }] of cells.entries()) {
    if (!interrupted && verdict.result !== "pass" && REASONS[program] === undefined)
      cells[i] = await runAgain(program, runtime);
  }
  if (interrupted) process.exit(130);
  const matrix = matrixOf(cells, place);
  console.log(matrix);
  if (folderOfGuest !== undefined) writeFileSync(join(folderOfGuest, "matrix"), matrix);
  if (options.write) writeFileSync(join(here, "matrix.md"), matrix);
  writeSummary(cells);
  const problems = options.only.length === 0 || place === "guest" ? problemsOf(cells, place) : [];
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}

/** For `npm test`, in the form of its other suites: scripts/reporter.ts. */
function writeSummary(cells: readonly Cell[]): void {
  const file = process.env.TSRUN_TEST_SUMMARY;
  if (file === undefined) return;
  const summary: Summary = { tests: [], passed: [], failed: [], skipped: [], retried: [] };
  for (const { program, verdict } of cells) {
    const reason = REASONS[program];
    const name = `conformance/runtime-tools > ${program}`;
    summary.tests.push(name);
    if (verdict.result === "pass") summary.passed.push(name);
    else if (reason === undefined) summary.failed.push(`${name}: ${verdict.reason}`);
    else summary.skipped.push({ name, reason: `${reason.kind}: ${reason.why}` });
  }
  writeFileSync(file, JSON.stringify(summary));
}

function optionsNamed(name: string): string[] {
  const start = `--${name}=`;
  return process.argv.filter((word) => word.startsWith(start)).map((word) => word.slice(start.length));
}

/** tsrun first, then Debian's peers: of sid, and, on the machine, those that it has. */
function findRuntimes(): Runtime[] {
  const ours = join(here, "../../dist/tsrun");
  const peers = [
    ...["runc", "crun"].map((name) => join(cache, "made/peers", name)),
    ...(place === "guest" ? [] : ["/usr/sbin/runc", "/usr/bin/crun"]),
    ...optionsNamed("with"),
  ];
  const wanted = process.argv.includes("--alone") ? [] : peers.filter((path) => existsSync(path));
  return [ours, ...wanted].map((path) => ({ path, version: versionOf(path) }));
}

function versionOf(path: string): string {
  const [line = ""] = execFileSync(path, ["--version"], { encoding: "utf8" }).split("\n");
  return line.replace(/ version /, " ").replace(/\+.*/, "");
}

async function inParallel<Job, Done>(jobs: readonly Job[], work: (job: Job) => Promise<Done>): Promise<Done[]> {
  const done: Done[] = [];
  const queue = jobs.entries();
  const worker = async () => {
    for (const [i, job] of queue) if (!interrupted) done[i] = await work(job);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return done;
}

async function runAgain(program: string, runtime: Runtime): Promise<Cell> {
  let cell = await run(program, runtime);
  for (let times = 1; times < 5 && cell.verdict.result === "pass"; times += 1) cell = await run(program, runtime);
  return cell;
}

async function run(program: string, runtime: Runtime): Promise<Cell> {
  const folder = join(cache, "last", runtime.version.replace(" ", "-"));
  mkdirSync(folder, { recursive: true });
  const word = `tsrun-conformance-${process.pid}-${program}-${runtime.version.replace(/\W/g, "-")}`;
  const [out, err] = [join(folder, `${program}.tap`), join(folder, `${program}.err`)];
  const status = await inPlace(word, program, runtime.path, [out, err]);
  await removeCgroups(word);
  const verdict = verdictOf({ stdout: readFileSync(out, "utf8"), stderr: readFileSync(err, "utf8"), status });
  return { program, runtime, verdict };
}

/** The program's status; undefined where it was ended. To files: a container that is left keeps its output open. */
async function inPlace(word: string, program: string, path: string, files: readonly string[]) {
  const fds = files.map((file) => openSync(file, "w"));
  const child = spawn(join(here, "place"), [word, program], {
    cwd: SUITE,
    stdio: ["ignore", ...fds],
    detached: true, // from the terminal's signals, which are ours to pass on
    env: { ...process.env, RUNTIME: path },
  });
  running.add(child);
  for (const fd of fds) closeSync(fd);
  let late = false;
  // Its end is that of all it has started: they are in a pid namespace of its own.
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, SECONDS * 1000);
  const status = await new Promise<number>((resolve) => child.on("close", (code) => resolve(code ?? -1)));
  clearTimeout(timer);
  running.delete(child);
  return late ? undefined : status;
}
