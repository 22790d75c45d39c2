// The container's lock: one holder at a time, across processes, also when holders are killed.

import { once } from "node:events";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { execa } from "execa";
import { expect, onTestFinished, test, vi } from "vitest";
import { inherit, isLockedByAnother, Lock } from "../../src/lifecycle/lock.ts";
import { processStat } from "../../src/lifecycle/process-identity.ts";
import { node, repository, script, temporary } from "./harness.ts";

// Whole processes, on machines that have other things to do.
vi.setConfig({ testTimeout: 60_000 });

const namespace = readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");

/** The name of a process that is no more: our own pid, started at another time. */
const dead = (start: number) => `${process.pid}.${start}.${namespace}`;

/** Another process that takes the lock and holds it until it is killed. */
async function otherHolder(directory: string) {
  const text = `const { Lock } = await import(${JSON.stringify(`${repository}src/lifecycle/lock.ts`)});
    Lock.acquire(${JSON.stringify(directory)}); console.log("held"); setInterval(() => {}, 1e6);`;
  const child = execa(node, ["--input-type=module-typescript", "-e", text], { reject: false });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child.stdout, "data");
  return { child }; // a bare one would be waited for
}

test("a lock is taken, given back once, and can be taken again", () => {
  const directory = temporary();
  const lock = Lock.acquire(directory);
  expect(readlinkSync(`${directory}/lock`)).toBe(`${process.pid}.${processStat("self")?.start}.${namespace}`);
  lock.release();
  expect(() => readlinkSync(`${directory}/lock`)).toThrow(/ENOENT/);
  using again = Lock.acquire(directory);
  lock.release();
  expect(lstatSync(`${directory}/lock`).isSymbolicLink()).toBe(true);
  again.release();
});

test("a second taker waits, and is told who holds the lock when it has waited long enough", () => {
  const directory = temporary();
  using _ = Lock.acquire(directory);
  expect(() => Lock.acquire(directory, 30)).toThrow(
    `another command holds the container's lock: process ${process.pid}`,
  );
});

test("a lock held by a living process is not taken from it; when it is killed it is", async () => {
  const directory = temporary();
  const { child } = await otherHolder(directory);
  expect(isLockedByAnother(directory)).toBe(true);
  expect(() => Lock.acquire(directory, 50)).toThrow(/process \d+/);
  child.kill("SIGKILL");
  await child;
  expect(isLockedByAnother(directory)).toBe(false);
  using lock = Lock.acquire(directory, 1000);
  expect(() => Lock.acquire(directory, 30)).toThrow(/another command/);
  lock.release();
  expect(existsSync(`${directory}/lock`)).toBe(false);
});

test("the lock of a dead heir of a dead holder is inherited in turn", () => {
  const directory = temporary();
  symlinkSync(dead(1), `${directory}/lock`);
  symlinkSync(dead(2), `${directory}/heir.${dead(1)}`);
  symlinkSync(dead(3), `${directory}/heir.${dead(2)}`);
  using _ = Lock.acquire(directory, 0);
  expect(readlinkSync(`${directory}/heir.${dead(3)}`)).toMatch(new RegExp(`^${process.pid}\\.`));
});

test("an heir of a chain that no longer begins at the lock has nothing", () => {
  const directory = temporary();
  const me = `${process.pid}.${processStat("self")?.start}.${namespace}`;
  // What was seen in the lock, dead(1), has had an heir since, who released it, and somebody else has taken it.
  symlinkSync(dead(9), `${directory}/lock`);
  symlinkSync(dead(2), `${directory}/heir.${dead(1)}`);
  expect(inherit(directory, dead(1), me)).toBe(false);
  expect(readlinkSync(`${directory}/heir.${dead(2)}`)).toBe(me);
  // Where it does still begin there, being the heir already is as good as becoming it.
  symlinkSync(me, `${directory}/heir.${dead(9)}`);
  expect(inherit(directory, dead(9), me)).toBe(true);
});

test("a holder in another pid namespace counts as alive", () => {
  const directory = temporary();
  symlinkSync(`${process.pid}.1.1`, `${directory}/lock`);
  expect(() => Lock.acquire(directory, 20)).toThrow(/another command/);
  expect(isLockedByAnother(directory)).toBe(true);
});

test("a directory that is not there is an error at once, and one that goes ends the wait", async () => {
  const directory = `${temporary()}/c1`;
  expect(() => Lock.acquire(directory)).toThrow(/ENOENT/);
  mkdirSync(directory);
  using _ = Lock.acquire(directory);
  const waiter = script(`const { Lock } = await import(room + "/lock.ts");
    console.log("waiting"); Lock.acquire(${JSON.stringify(directory)});`);
  await new Promise((resolve) => setTimeout(resolve, 200));
  renameSync(directory, `${directory}~`);
  expect(await waiter).toMatchObject({ code: 1, stdout: "waiting\n", stderr: expect.stringContaining("ENOENT") });
});

test("four processes, one of them killed again and again, never hold the lock together", async () => {
  const directory = temporary();
  const counter = `${directory}/counter`;
  writeFileSync(counter, "0");
  // Each adds to a number by reading and writing it, and some die with the lock held. Two holders at once would lose an
  // addition, or find the other's mark.
  const worker = (rounds: number, dies: boolean) => `
    import { readFileSync, writeFileSync, appendFileSync } from "node:fs";
    const { Lock } = await import(room + "/lock.ts");
    for (let i = 0; i < ${rounds}; i++) {
      const lock = Lock.acquire(${JSON.stringify(directory)});
      const mark = readFileSync(${JSON.stringify(counter)}, "utf8");
      const next = String(Number(mark) + 1);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.random() * 2);
      if (readFileSync(${JSON.stringify(counter)}, "utf8") !== mark) appendFileSync(${JSON.stringify(`${counter}.bad`)}, "x");
      writeFileSync(${JSON.stringify(counter)}, next);
      ${dies ? 'if (i === 2) process.kill(process.pid, "SIGKILL");' : ""}
      lock.release();
    }`;
  const steady = [worker(60, false), worker(60, false)].map((text) => script(text));
  const dying = (async () => {
    for (let i = 0; i < 6; i++) await Promise.all([script(worker(5, true)), script(worker(5, true))]);
  })();
  const ends = await Promise.all(steady);
  await dying;
  expect(ends.map((end) => [end.code, end.stderr])).toEqual([
    [0, ""],
    [0, ""],
  ]);
  expect(existsSync(`${counter}.bad`)).toBe(false);
  expect(readFileSync(counter, "utf8")).toBe(String(2 * 60 + 12 * 3));
}, 60_000);
