// A new container takes the id in the very moment in which the old one is gone: what stands between two system calls of a
// remove is played here by what rename(2) "does" besides.

import { existsSync, mkdirSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { Container } from "../../src/lifecycle/container.ts";
import { isLocked, Lock } from "../../src/lifecycle/lock.ts";
import type * as files from "../../src/linux/files.ts";
import { temporary } from "./harness.ts";
import { sample } from "./sample.ts";

const after = vi.hoisted(() => ({ rename: (_from: string): void => {} }));

vi.mock("../../src/linux/files.ts", async (original) => {
  const real = await original<typeof files>();
  const rename: typeof real.rename = (from, to) => {
    real.rename(from, to);
    after.rename(from);
  };
  return { ...real, rename };
});

test("a remover leaves the lock of the next container of the same id alone", () => {
  const root = temporary();
  using old = Container.create(root, "c1");
  old.update(sample());
  using next = new DisposableStack();
  after.rename = (directory) => {
    mkdirSync(directory);
    next.use(Lock.acquire(directory));
  };
  old.remove();
  expect(existsSync(`${root}/c1`)).toBe(true);
  expect(isLocked(`${root}/c1`)).toBe(true);
});
