// The engine of the built program: that what it offers its JavaScript is what Node offers, that a heap which the build
// made serves, and that nothing gets into one that would be untrue at the next start.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, test, vi } from "vitest";
import { minimalConfig } from "../spec/fixtures.ts";
import { EngineProgram } from "./program.ts";
import { decoded, disposal, messageOf, type Recipe, verdictOf } from "./same-on-node.ts";

const module = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

let checks: EngineProgram;
beforeAll(async () => {
  checks = await EngineProgram.build(module("checks.ts"));
});
afterAll(() => checks[Symbol.dispose]());

const run = (name: string, given: unknown = null) =>
  spawnSync(checks.path, [name, JSON.stringify(given)], { encoding: "utf8", maxBuffer: 1 << 26 });

function resultOf(name: string, given?: unknown): unknown {
  const { stdout, stderr } = run(name, given);
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

describe("What Node has too", () => {
  test("a config is read the same", () => {
    const config = JSON.stringify(minimalConfig());
    const withMore = (more: string) => `${config.slice(0, -1)},${more}}`;
    const texts = [
      config,
      withMore('"linux":{"resources":{"pids":{"limit":9223372036854775807},"memory":{"limit":1e3}}}'),
      withMore('"linux":{"resources":{"pids":{"limit":9223372036854775808}}}'),
      withMore('"linux":{"resources":{"pids":{"limit":4.00000000000000000001}}}'),
      withMore('"annotations":{"__proto__":"a","n":"12345678901234567"},"x":"\\ud800"'),
      withMore('"mounts":[{"destination":"/a\\u0000"},{"destination":"/proc/x"}]'),
      "{]",
      "[".repeat(1000),
    ];
    const shown = (value: unknown) =>
      JSON.stringify(value, (_, part) => (typeof part === "bigint" ? `${part}n` : part));
    expect(JSON.stringify(resultOf("configs", texts))).toBe(shown(texts.map(verdictOf)));
  });

  test("bytes are decoded the same, whatever they are", () => {
    const byte = fc.oneof(
      fc.nat(255),
      fc.constantFrom(0xc2, 0xe0, 0xed, 0xef, 0xbb, 0xbf, 0xf0, 0xf4, 0x80, 0x9f, 0xa0),
    );
    const arrays = fc.sample(fc.array(byte, { maxLength: 12 }), 2000);
    expect(resultOf("decode", arrays)).toEqual(arrays.map((bytes) => decoded(Uint8Array.from(bytes))));
  });

  test("strings are encoded the same, lone surrogates too", () => {
    const texts = fc
      .sample(fc.string({ unit: "binary", maxLength: 12 }), 1000)
      .concat("\ud800", "a\udfff\ud83d\ude00", "");
    expect(resultOf("encode", texts)).toEqual(texts.map((text) => [...new TextEncoder().encode(text)]));
  });

  test("plans are encoded the same, whatever is in them", () => {
    const kinds = ["number", "bigint", "string", "result", "socket", "out", "word", "bytes", "strings", "struct"];
    const number = fc.oneof(fc.integer(), fc.maxSafeInteger());
    const recipe: fc.Arbitrary<Recipe> = fc.record({
      name: fc.constantFrom("openat2", "mount_setattr", "read", "adopt"),
      as: fc.constantFrom("add", "tolerate", "probe", "unless", "orElse", "addSocket"),
      args: fc.array(fc.tuple(fc.constantFrom(...kinds), number, fc.string({ maxLength: 9 })), { maxLength: 6 }),
    });
    const long: Recipe = { name: "read", as: "add", args: [["long", 0, "x"]] };
    // All of it is a word of a command line.
    for (let batch = 0; batch < 25; batch++) {
      const plans = fc.sample(fc.array(recipe, { maxLength: 20 }), 20);
      plans.push([], [...(plans[0] ?? []), long]);
      const expected = plans.map(messageOf);
      expect(resultOf("plans", plans)).toEqual(expected);
      expect(expected.at(-1)?.far[0]).toBeGreaterThan(200_000);
    }
  });

  test("resources are given up in the same order", () => {
    expect(resultOf("disposal")).toEqual(disposal());
  });

  test("the process is the one that was started", () => {
    const environment = { A: "1", EMPTY: "", EQUALS: "a=b", TZ: "UTC" };
    const child = spawnSync(checks.path, ["process", "null", "--x", "ä"], {
      encoding: "utf8",
      cwd: "/usr",
      env: environment,
    });
    expect(JSON.parse(child.stdout)).toEqual({
      arguments: ["process", "null", "--x", "ä"],
      environment,
      directory: "/usr",
      ids: [child.pid, process.pid, process.geteuid?.()],
      architecture: process.arch,
    });
  });
});

describe("The heap", () => {
  it("gives memory back to those that ask later", () => {
    const kilobytes = 200_000; // a fifth of what is asked for
    const line = `ulimit -v ${kilobytes}; exec "$0" churn 2000`;
    expect(execFileSync("sh", ["-c", line, checks.path], { encoding: "utf8" })).toBe("true");
  });

  it("says so when there is no more", () => {
    expect(resultOf("full")).toMatch(/InternalError|RangeError/);
  });

  it("is the same at every start, wherever the kernel puts all else", () => {
    const outputs = Array.from({ length: 100 }, () => execFileSync(checks.path, ["disposal"], { encoding: "utf8" }));
    expect(new Set(outputs).size).toBe(1);
  });
});

describe("The stack", () => {
  it.each(["8192", "256"])("ends in an exception, not in a crash (%s KiB of it)", (kilobytes) => {
    const line = `ulimit -s ${kilobytes}; exec "$0" deep 1000000`;
    expect(execFileSync("sh", ["-c", line, checks.path], { encoding: "utf8" })).toBe('"InternalError"');
  });
});

test("what Math has can be asked for while a module is loaded, and is there at the start", async () => {
  using program = await EngineProgram.of(
    "const { floor, pow, atan2 } = Math; globalThis.main = () => floor(pow(2, 3.5)) + floor(atan2(1, 0));",
  );
  expect(spawnSync(program.path).status).toBe(12);
});

test("an error that nothing caught is told, with where it came from", () => {
  expect(run("fatal")).toMatchObject({
    status: 1,
    stdout: "",
    stderr: expect.stringMatching(/^tsrun: internal error: Error: on purpose\n +at .*fatal/),
  });
});

describe("A module is refused that", () => {
  const built = async (text: string): Promise<void> => {
    using _ = await EngineProgram.of(`globalThis.main = () => 0;\n${text}`);
  };

  it("asks the system while it is loaded: the answer would be the build machine's for ever", async () => {
    await expect(built("globalThis.pid = process.pid;")).rejects.toThrow();
    await expect(built("globalThis.path = process.env.PATH;")).rejects.toThrow();
    await expect(built("globalThis.started = performance.now();")).rejects.toThrow();
    await built("globalThis.pid = () => process.pid;");
  });

  it("keeps an address in a shared library, which is elsewhere at the next start", async () => {
    const folder = mkdtempSync(join(tmpdir(), "engine-compiler-"));
    try {
      const compiler = join(folder, "gcc");
      writeFileSync(compiler, `#!/bin/sh\nexec gcc -DMATH_ELSEWHERE "$@"\n`, { mode: 0o755 });
      vi.stubEnv("CC", compiler);
      await expect(built("globalThis.floor = Math.floor;")).rejects.toThrow();
      await built("globalThis.floor = 1;");
    } finally {
      vi.unstubAllEnvs();
      rmSync(folder, { recursive: true });
    }
  });

  it("imports what the engine does not have", async () => {
    await expect(built('import { readFileSync } from "node:fs"; globalThis.read = readFileSync;')).rejects.toThrow(
      /node:fs/,
    );
  });
});
