// Run by engine.test.ts as a program of our engine: does what its first argument says, with the JSON of its second.

import { print } from "../../src/lifecycle/output.ts";
import { facts } from "../linux/libc-checks.ts";
import { asProgram } from "./as-program.ts";
import { caught, decoded, disposal, messageOf, type Recipe, verdictOf } from "./same-on-node.ts";

type Check = (given: never) => unknown;

const CHECKS: Readonly<Record<string, Check>> = {
  libc: facts,
  configs: (texts: readonly string[]) => texts.map(verdictOf),
  decode: (arrays: readonly number[][]) => arrays.map((bytes) => decoded(Uint8Array.from(bytes))),
  encode: (texts: readonly string[]) => texts.map((text) => [...new TextEncoder().encode(text)]),
  plans: (plans: readonly (readonly Recipe[])[]) => plans.map(messageOf),
  process: () => ({
    arguments: process.argv.slice(2),
    environment: process.env,
    directory: process.cwd(),
    ids: [process.pid, process.ppid, process.geteuid?.()],
    architecture: process.arch,
  }),
  disposal,
  churn,
  deep: (depth: number) => caught(() => nest(depth)),
  full: () => caught(() => new Uint8Array(2 ** 31)),
  fatal: () => {
    throw new Error("on purpose");
  },
};

asProgram(() => {
  const [name = "", given = "null"] = process.argv.slice(2);
  const result = CHECKS[name]?.(JSON.parse(given) as never);
  print(JSON.stringify(result, (_, value) => (typeof value === "bigint" ? `${value}n` : value)));
  return 0;
});

/** Makes and drops pieces of many sizes, two of them a megabyte. What is left must be what was put there. */
function churn(pieces: number): unknown {
  const kept: Uint8Array[] = [];
  for (let i = 1; i <= pieces; i++) {
    const bytes = new Uint8Array((i * 7919) % 1_000_000).fill(i % 251);
    if (i % 100 === 0) kept.push(bytes);
  }
  return kept.every((bytes, at) => bytes.every((byte) => byte === ((at + 1) * 100) % 251));
}

function nest(depth: number): number {
  return depth === 0 ? 0 : 1 + nest(depth - 1);
}
