import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Architecture, syscallTable } from "../../../src/linux/abi/syscalls.ts";

/** Header, and what must be defined for it to define all calls that the kernel has. */
const HEADERS: Readonly<Record<Architecture, { file: string; defines: readonly string[] }>> = {
  x64: { file: "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", defines: [] },
  arm64: {
    file: "/usr/include/asm-generic/unistd.h",
    defines: ["RENAMEAT", "NEW_STAT", "SET_GET_RLIMIT", "TIME32_SYSCALLS", "SYS_CLONE3", "MEMFD_SECRET"],
  },
};
const COMPILER = "/usr/bin/cc";
/** Calls up to this number must be in any header of a supported kernel (5.14); newer headers know more. */
const FLOOR = 446;

describe.each(["x64", "arm64"] as const)("System call numbers of %s", (arch) => {
  const { file, defines } = HEADERS[arch];
  const able = existsSync(file) && existsSync(COMPILER);
  if (!able) {
    console.warn(`System call numbers of ${arch} are not checked: there is no ${file} or no ${COMPILER}`);
  }

  it.skipIf(!able)("are the header's", () => {
    const known = headerNumbers(file, defines);
    const table = Object.entries(syscallTable(arch));
    const wrong = table.filter(([name, number]) => known.get(name) !== number && (known.has(name) || number <= FLOOR));
    expect(wrong).toEqual([]);
    expect(table.filter(([name]) => known.has(name)).length).toBeGreaterThan(200);
  });

  it("are each another", () => {
    const numbers = Object.values(syscallTable(arch));
    expect(new Set(numbers).size).toBe(numbers.length);
  });
});

it("both architectures have the same calls, and the same numbers from 424 on", () => {
  const [x64, arm64] = [syscallTable("x64"), syscallTable("arm64")];
  expect(Object.keys(arm64)).toEqual(Object.keys(x64));
  const recent = Object.entries(x64).filter(([, number]) => number >= 424);
  expect(Object.fromEntries(Object.entries(arm64).filter(([, number]) => number >= 424))).toEqual(
    Object.fromEntries(recent),
  );
});

/** The numbers that a header defines, by what the preprocessor makes of each name. */
function headerNumbers(file: string, defines: readonly string[]): Map<string, number> {
  const flags = ["-D__BITS_PER_LONG=64", ...defines.map((name) => `-D__ARCH_WANT_${name}`)];
  const preprocess = (extra: readonly string[], input: string): string =>
    spawnSync(COMPILER, ["-E", ...extra, ...flags, "-"], { input, encoding: "utf8" }).stdout;
  const macros = preprocess(["-dM"], `#include "${file}"\n`);
  const names = [...macros.matchAll(/#define __NR_(\w+) /g)].map((match) => match[1] ?? "");
  const values = preprocess(["-P"], `#include "${file}"\n${names.map((n) => `@${n}=__NR_${n}`).join("\n")}\n`);
  return new Map([...values.matchAll(/^@(\w+)=(\d+)$/gm)].map((match) => [match[1] ?? "", Number(match[2])]));
}
