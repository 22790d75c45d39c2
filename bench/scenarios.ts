// What is measured. Each scenario is run for all runtimes in turn before its next round, so that a slow moment of the
// machine falls on all of them; the order turns from round to round.

import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { KINDS, type Kind, makeBundle } from "./bundles.ts";
import { idle, type Spawner } from "./spawn.ts";
import { add, type Samples } from "./statistics.ts";

/** A runtime that takes part. */
export interface Runtime {
  readonly name: string;
  readonly path: string;
}

/** Everything that scenarios share. */
export interface Bench {
  readonly directory: string;
  readonly word: string;
  readonly spawner: Spawner;
  readonly runtimes: readonly Runtime[];
  readonly rounds: number;
  readonly samples: Samples;
}

const SLEEPER = ["sleep", "1000"];
const KIB = 1024;
/** Limits that are tried: three to the octave would claim more precision than the kernel's page counters have. */
const LIMITS = [64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192, 16384].map(
  (kib) => kib * KIB,
);

/** Runs all scenarios. */
export async function measureAll(bench: Bench, say: (text: string) => void): Promise<void> {
  for (const kind of KINDS) {
    say(`${kind}: run`);
    await interleaved(bench, (runtime) => measureRun(bench, kind, runtime));
    say(`${kind}: single commands, after 100 ms of rest each`);
    await interleaved(bench, (runtime) => measureCommands(bench, kind, runtime, 100));
    say(`${kind}: single commands, without rest`);
    await interleaved(bench, (runtime) => measureCommands(bench, kind, runtime, 0));
    say(`${kind}: a hundred containers, one by one and four at a time`);
    for (const runtime of bench.runtimes) for (const width of [1, 4]) measureMany(bench, kind, runtime, width);
    say(`${kind}: lowest memory limit`);
    for (const runtime of bench.runtimes) measureLimit(bench, kind, runtime);
  }
}

async function interleaved(bench: Bench, scenario: (runtime: Runtime) => void | Promise<void>): Promise<void> {
  for (let round = 0; round < bench.rounds; round += 1) {
    const turn = round % bench.runtimes.length;
    for (const runtime of [...bench.runtimes.slice(turn), ...bench.runtimes.slice(0, turn)]) await scenario(runtime);
  }
}

async function measureRun(bench: Bench, kind: Kind, runtime: Runtime): Promise<void> {
  const bundle = bundleFor(bench, kind, ["true"]);
  await idle(20);
  const elapsed = bench.spawner.time(words(bench, runtime, "run", "--bundle", bundle, idOf(bench)));
  add(bench.samples, `${kind}: run true (ms)`, runtime.name, elapsed);
}

/** One container through its life, each command timed, and the resident memory of its init before start. */
async function measureCommands(bench: Bench, kind: Kind, runtime: Runtime, rest: number): Promise<void> {
  const bundle = bundleFor(bench, kind, SLEEPER);
  const id = idOf(bench);
  const pidFile = join(bench.directory, "pid");
  const note = rest > 0 ? "" : " (warm)";
  const time = async (name: string, ...args: string[]) => {
    await idle(rest);
    const elapsed = bench.spawner.time(words(bench, runtime, ...args));
    add(bench.samples, `${kind}: ${name}${note} (ms)`, runtime.name, elapsed);
    return elapsed;
  };
  let sum = await time("create", "create", "--bundle", bundle, "--pid-file", pidFile, id);
  const pid = Number(readFileSync(pidFile, "utf8"));
  if (rest > 0) add(bench.samples, `${kind}: init before start (KiB)`, runtime.name, residentKiB(pid));
  await time("state", "state", id);
  sum += await time("start", "start", id);
  await time("exec true", "exec", id, "true");
  sum += await time("kill", "kill", id, "KILL");
  await untilDead(pid);
  sum += await time("delete", "delete", id);
  add(bench.samples, `${kind}: create+start+kill+delete${note} (ms)`, runtime.name, sum);
}

/** A hundred containers that run `true`, `width` of them at a time; milliseconds a container. */
function measureMany(bench: Bench, kind: Kind, runtime: Runtime, width: number): void {
  const count = bench.rounds >= 20 ? 100 : 20;
  const free = Array.from({ length: width }, (_, index) => index);
  const slots = new Map<number, number>();
  const bundles = free.map((slot) => bundleFor(bench, kind, ["true"], slot));
  const started = process.hrtime.bigint();
  for (let begun = 0, ended = 0; ended < count; ) {
    const slot = begun < count ? free.pop() : undefined;
    if (slot !== undefined) {
      const id = idOf(bench, slot);
      slots.set(bench.spawner.start(words(bench, runtime, "run", "--bundle", bundles[slot] ?? "", id)), slot);
      begun += 1;
      continue;
    }
    const { pid, status } = bench.spawner.wait(-1);
    if (status !== 0) throw new Error(`${runtime.name}: run of true ended with status ${status}`);
    free.push(slots.get(pid) ?? 0);
    ended += 1;
  }
  const elapsed = Number(process.hrtime.bigint() - started) / 1e6;
  add(bench.samples, `${kind}: each of ${count}, ${width} at a time (ms)`, runtime.name, elapsed / count);
}

/** The lowest limit with which `true` runs five times out of five, by bisection. */
function measureLimit(bench: Bench, kind: Kind, runtime: Runtime): void {
  let [low, high] = [0, LIMITS.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (runsWithin(bench, kind, runtime, LIMITS[middle] ?? 0)) high = middle;
    else low = middle + 1;
  }
  add(bench.samples, `${kind}: lowest memory limit (KiB)`, runtime.name, (LIMITS[high] ?? 0) / KIB);
}

function runsWithin(bench: Bench, kind: Kind, runtime: Runtime, memory: number): boolean {
  const id = idOf(bench);
  const bundle = makeBundle(join(bench.directory, `limit-${kind}`), {
    kind,
    args: ["true"],
    memory,
    cgroupsPath: `/${id}`,
  });
  for (let time = 0; time < 5; time += 1) {
    // timeout(1): a runtime whose init dies may wait for it forever.
    const run = ["timeout", "-k", "1", "5", ...words(bench, runtime, "run", "--bundle", bundle, id)];
    if (bench.spawner.wait(bench.spawner.start(run)).status !== 0) {
      bench.spawner.wait(bench.spawner.start(words(bench, runtime, "delete", "--force", id)));
      return false;
    }
  }
  return true;
}

function words(bench: Bench, runtime: Runtime, ...args: string[]): string[] {
  return [runtime.path, "--root", join(bench.directory, `state-${runtime.name}`), ...args];
}

function idOf(bench: Bench, slot = 0): string {
  return `${bench.word}-${slot}`;
}

/** The bundle for a program, made when it is asked for first. */
function bundleFor(bench: Bench, kind: Kind, args: readonly string[], slot = 0): string {
  const directory = join(bench.directory, `${kind}-${args[0]}-${slot}`);
  if (statSync(directory, { throwIfNoEntry: false })) return directory;
  return makeBundle(directory, { kind, args, cgroupsPath: `/${idOf(bench, slot)}` });
}

function residentKiB(pid: number): number {
  const line = /^Rss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  return Number(line?.[1]);
}

/** Waits until a process is gone or a zombie: `delete` must not be measured waiting for it. */
async function untilDead(pid: number): Promise<void> {
  for (let tries = 0; tries < 1000; tries += 1) {
    if (!alive(pid)) return;
    await idle(1);
  }
  throw new Error(`process ${pid} does not die`);
}

function alive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
