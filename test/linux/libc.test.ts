import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const root = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const ENGINES = {
  "Node, through koffi": root("node_modules/.bin/node"),
  "Bun, through its own FFI": root(`node_modules/@oven/bun-linux-${process.arch}/bin/bun`),
};

it.each(Object.entries(ENGINES))("the C library is called from %s", (_, engine) => {
  const { stdout, stderr } = spawnSync(engine, [root("test/linux/libc-checks.ts")], { encoding: "utf8" });
  expect(stderr).toBe("");
  expect(JSON.parse(stdout)).toEqual({
    nothingLoadedBefore: true,
    pid: true,
    errno: -9,
    errnoAgain: -2,
    empty: -22,
    bigint: -9,
    out: true,
    pipe: true,
    memory: true,
    memoryIsZeroed: true,
    library: 4,
    noLibrary: true,
    noFunction: true,
  });
});
