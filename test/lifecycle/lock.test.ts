// The container's lock: one holder at a time, across processes, also when holders are killed.

import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { execa } from "execa";
import { expect, onTestFinished, test, vi } from "vitest";
import { isLocked, Lock } from "../../src/lifecycle/lock.ts";
import { node, repository, script, temporary } from "./harness.ts";

// Whole processes, on machines that have other things to do.
vi.setConfig({ testTimeout: 60_000 });

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
  expect(isLocked(directory)).toBe(true);
  lock.release();
  expect(isLocked(directory)).toBe(false);
  using _again = Lock.acquire(directory);
  lock.release();
  expect(isLocked(directory)).toBe(true);
});

test("a second taker waits, and is told so when it has waited long enough", () => {
  const directory = temporary();
  using _ = Lock.acquire(directory);
  expect(() => Lock.acquire(directory, 30)).toThrow("another command holds the container's lock");
});

test("a lock held by a living process is not taken from it; when it is killed it is", async () => {
  const directory = temporary();
  const { child } = await otherHolder(directory);
  expect(isLocked(directory)).toBe(true);
  expect(() => Lock.acquire(directory, 50)).toThrow("another command");
  child.kill("SIGKILL");
  await child;
  expect(isLocked(directory)).toBe(false);
  using _ = Lock.acquire(directory, 1000);
});

test("no program that is started while it is held holds it on", () => {
  const directory = temporary();
  const lock = Lock.acquire(directory);
  const descriptors = readdirSync("/proc/self/fd").filter((fd) => targetOf(fd) === directory);
  expect(descriptors).toHaveLength(1);
  expect(readFileSync(`/proc/self/fdinfo/${descriptors[0]}`, "utf8")).toMatch(/flags:\t0?2\d{6}/); // O_CLOEXEC
  lock.release();
  expect(readdirSync("/proc/self/fd").filter((fd) => targetOf(fd) === directory)).toEqual([]);
});

function targetOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined; // what listed them
  }
}

// For a moment nothing is there, which the waiter may see: that is another test's.
test("after a wait it is the lock of what the path leads to by then", { retry: 2 }, async () => {
  const directory = `${temporary()}/c1`;
  mkdirSync(directory);
  const first = Lock.acquire(directory);
  const waiter = script(`const { Lock, isLocked } = await import(room + "/lock.ts");
    Lock.acquire(${JSON.stringify(directory)}); console.log(isLocked(${JSON.stringify(directory)}));`);
  await new Promise((resolve) => setTimeout(resolve, 200));
  renameSync(directory, `${directory}~`);
  mkdirSync(directory);
  first.release();
  expect(await waiter).toMatchObject({ code: 0, stdout: "true\n" });
  expect(isLocked(`${directory}~`)).toBe(false);
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
  expect(isLocked(directory)).toBe(false);
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
