// `npm run build`: dist/tsrun, the program that people install, and dist/tsrun-agent, for hosts on which it
// cannot keep its agent in memory.
//
// Bun compiles the sources with their bytecode into one executable for this machine's architecture, in pieces of which a
// command loads its own alone. A compiled Bun program reads .env, bunfig.toml, tsconfig.json and package.json from the
// current directory unless told not to, and a preload in a stranger's bundle would run as root: all four are off. What
// the environment can make the engine do (run files, write them, send crash reports) entry/program.ts takes away.
// test/root/hazards.test.ts and test/entry.test.ts hold all of this. Nothing is done when dist/ is newer than
// all that it is made from; `--force` builds in any case.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Architecture, hostArchitecture } from "../src/linux/abi/syscalls.ts";
import { agentImage } from "../src/linux/agent/image.ts";
import { AGENT_SOCKET } from "../src/linux/agent/wire.ts";
import { installEntry } from "./entry/install.ts";

const repository = fileURLToPath(new URL("..", import.meta.url));
const at = (...parts: string[]) => join(repository, ...parts);

/** Packages of Bun, by Node's names of architectures. */
const BUN: Readonly<Record<Architecture, string>> = { x64: "bun-linux-x64", arm64: "bun-linux-aarch64" };

const FLAGS = [
  "--compile",
  "--bytecode",
  "--minify",
  "--format=esm",
  "--splitting", // start-up reads what the command needs, not all commands: 2 ms
  "--compile-jit-policy=100", // what runs for 20 ms wins nothing by being compiled: 10 ms of CPU a container
  "--target=bun",
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-tsconfig",
  "--no-compile-autoload-package-json",
  "--sourcemap=none",
  // yargs asks it for configuration files, of which tsrun has none.
  "--define=import.meta.resolve=undefined",
];

const SOURCES = ["bin", "src", "package-lock.json", "package.json", "scripts/build.ts", "scripts/entry"];

main();

function main(): void {
  const outputs = [at("dist/tsrun"), at("dist/tsrun-agent")];
  const forced = process.argv.includes("--force");
  if (!forced && newest(SOURCES.map((path) => at(path))) < oldest(outputs)) return;
  const started = performance.now();
  mkdirSync(at("dist"), { recursive: true });
  compile(at("dist/tsrun"));
  installAgent(at("dist/tsrun-agent"));
  const megabytes = Math.round(statSync(at("dist/tsrun")).size / 1e6);
  console.log(`dist/tsrun: ${megabytes} MB in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

function compile(output: string): void {
  const bun = at("node_modules/@oven", BUN[hostArchitecture()], "bin/bun");
  const temporary = `${output}.${process.pid}`;
  const { version } = JSON.parse(readFileSync(at("package.json"), "utf8")) as { version: string };
  const constants = { TSRUN_VERSION: version, TSRUN_COMMIT: commit() };
  const defines = Object.entries(constants).map(([name, value]) => `--define=${name}=${JSON.stringify(value)}`);
  try {
    execFileSync(bun, ["build", ...FLAGS, ...defines, at("bin/tsrun.ts"), `--outfile=${temporary}`], {
      cwd: repository,
      stdio: ["ignore", "ignore", "inherit"],
    });
    writeFileSync(temporary, installEntry(readFileSync(temporary)));
    renameSync(temporary, output); // a running dist/tsrun keeps its file
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** The agent as a file, for hosts that forbid executable memfds (vm.memfd_noexec=2). */
function installAgent(output: string): void {
  const temporary = `${output}.${process.pid}`;
  writeFileSync(temporary, agentImage(hostArchitecture(), AGENT_SOCKET), { mode: 0o555 });
  renameSync(temporary, output);
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], { cwd: repository, encoding: "utf8", stdio: "pipe" }).trim();
  } catch {
    return "unknown"; // a source archive
  }
}

/** When the newest file below the paths was changed. */
function newest(paths: readonly string[]): number {
  return Math.max(...paths.flatMap((path) => filesBelow(path)).map((path) => statSync(path).mtimeMs));
}

/** When the oldest of the files was changed; 0 when one is missing. */
function oldest(paths: readonly string[]): number {
  return Math.min(...paths.map((path) => (existsSync(path) ? statSync(path).mtimeMs : 0)));
}

/** The path and, for a directory, all in it: a file that is gone changes the time of its directory. */
function filesBelow(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  return [path, ...readdirSync(path).flatMap((name) => filesBelow(join(path, name)))];
}
