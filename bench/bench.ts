// `npm run bench [-- --quick] [--with=NAME=PATH ...]`: tsrun, runc and crun side by side, and other runtimes that are
// named. Interleaved, the same bundles, whole processes. Prints medians, 95th percentiles and ratios, and writes them to
// bench/results/.
//
// Debian's crun refuses this kernel's hybrid cgroup hierarchy, so the whole benchmark, for all runtimes alike, runs in a
// mount namespace of its own in which /sys/fs/cgroup/unified is not mounted: it starts itself again there.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Bench, measureAll, type Runtime } from "./scenarios.ts";
import { Spawner } from "./spawn.ts";
import { summarise, table } from "./statistics.ts";

const repository = fileURLToPath(new URL("..", import.meta.url));
const INSIDE = "TSRUN_BENCH_NAMESPACE";

if (process.env[INSIDE] === undefined) process.exitCode = inOwnNamespace();
else await main();

function inOwnNamespace(): number {
  const script = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"';
  const words = ["-m", "sh", "-c", script, "sh", process.execPath, ...process.argv.slice(1)];
  const { status } = spawnSync("unshare", words, { stdio: "inherit", env: { ...process.env, [INSIDE]: "1" } });
  return status ?? 1;
}

async function main(): Promise<void> {
  const quick = process.argv.includes("--quick");
  const directory = mkdtempSync(join(tmpdir(), "tsrun-bench-"));
  const runtimes = findRuntimes().map((runtime) => freshCopy(runtime, directory));
  const versions = runtimes.map(described);
  const errors = join(directory, "errors");
  const spawner = new Spawner(errors);
  const bench: Bench = {
    ...{ directory, word: basename(directory), spawner, runtimes },
    ...{ rounds: quick ? 5 : 40, samples: new Map() },
  };
  try {
    await measureAll(bench, (text) => console.error(text));
  } catch (error) {
    console.error(existsSync(errors) ? readFileSync(errors, "utf8").slice(-2000) : "");
    throw error;
  } finally {
    cleanUp(bench);
  }
  const rows = summarise(bench.samples);
  console.log(
    `\n${table(
      rows,
      runtimes.map(({ name }) => name),
    )}\n`,
  );
  const file = save({
    date: new Date().toISOString(),
    quick,
    machine: machine(),
    runtimes: versions,
    rows,
  });
  console.log(file);
}

/** tsrun first: its ratios to the others are what the table shows. */
function findRuntimes(): Runtime[] {
  const ours = { name: "tsrun", path: join(repository, "dist/tsrun") };
  const installed = ["runc", "crun"].flatMap((name) => {
    const path = ["/usr/bin", "/usr/sbin", "/usr/local/bin"].map((place) => join(place, name)).find(existsSync);
    return path === undefined ? [] : [{ name, path }];
  });
  const found = [...(existsSync(ours.path) ? [ours] : []), ...installed, ...named()];
  if (found.length === 0) throw new Error("Cannot measure: neither dist/tsrun nor runc nor crun is here");
  return found;
}

/** Those that --with names. */
function named(): Runtime[] {
  return process.argv.flatMap((word) => {
    const [, name, path] = /^--with=([^=]+)=(.+)$/.exec(word) ?? [];
    return name === undefined || path === undefined ? [] : [{ name, path }];
  });
}

/**
 * A copy of the program, made just now. How a program lies in the page cache (in large or small folios, by how it was written
 * or read) is worth up to 2 ms of a large one's start, and for one that has lain about it is chance.
 */
function freshCopy({ name, path }: Runtime, directory: string): Runtime {
  const copy = join(directory, name);
  writeFileSync(copy, readFileSync(path), { mode: 0o755 });
  return { name, path: copy };
}

function described({ name, path }: Runtime) {
  return { name, path, version: execFileSync(path, ["--version"], { encoding: "utf8" }).split("\n")[0] };
}

function machine() {
  return { kernel: release(), cpus: cpus().length, model: cpus()[0]?.model, memory: totalmem(), arch: process.arch };
}

function save(result: object): string {
  const directory = join(repository, "bench/results");
  mkdirSync(directory, { recursive: true });
  const file = join(directory, `${new Date().toISOString().replaceAll(":", "-")}.json`);
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
  return file;
}

/** Deletes what a failure left, by the ids that are used. */
function cleanUp({ directory, word, runtimes, spawner }: Bench): void {
  for (const { name, path } of runtimes) {
    for (const slot of [0, 1, 2, 3]) {
      spawner.wait(
        spawner.start([path, "--root", join(directory, `state-${name}`), "delete", "--force", `${word}-${slot}`]),
      );
    }
  }
  rmSync(directory, { recursive: true, force: true });
}
