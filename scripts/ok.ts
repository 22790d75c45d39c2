// `npm run ok`: the gate that every change passes, in seconds: format and lint (layering is a lint rule), types, dead
// code, generated files fresh, unit tests. All steps run even when one fails, so that one run tells everything.

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("..", import.meta.url));
const bin = (name: string) => `node_modules/.bin/${name}`;

interface Step {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
  readonly unit?: true;
}

const STEPS: readonly Step[] = [
  { name: "format and lint", command: [bin("biome"), "check", "--error-on-warnings"] },
  { name: "types", command: [bin("tsc"), "-p", "."] },
  { name: "dead code", command: [bin("knip"), "--no-progress"] },
  { name: "generated files", command: [bin("node"), "scripts/generate.ts", "--check"] },
  { name: "unit tests", command: [bin("vitest"), "run", "--project", "unit", "--reporter=dot"], unit: true },
];

const wanted = STEPS.filter((step) => step.unit === undefined || !process.argv.includes("--no-unit"));
const failed = wanted.filter((step) => !passes(step));
if (failed.length > 0) {
  console.error(`not ok: ${failed.map(({ name }) => name).join(", ")}`);
  process.exitCode = 1;
}

function passes({ name, command }: Step): boolean {
  const started = performance.now();
  const [program, ...args] = command;
  // The Node of the dev dependencies: tests run TypeScript with it.
  const env = { ...process.env, PATH: `${repository}node_modules/.bin:${process.env.PATH}` };
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: repository, encoding: "utf8", env });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${status === 0 ? "ok    " : "NOT OK"}  ${name} (${seconds} s)`);
  if (status !== 0) console.log(`${stdout}${stderr}`);
  return status === 0;
}
