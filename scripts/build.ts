// `npm run build`: dist/tsrun, the program that people install, and dist/tsrun-agent, for hosts on which it
// cannot keep its agent in memory. LICENSE.quickjs goes with them.
//
// How the program is made is engine.ts's. Nothing is done when dist/ is newer than all that it is made from; `--force`
// builds in any case. `--arch=arm64` (or x64) makes the same for another architecture in dist/arm64/, on Debian with
// gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user-static. `--to=FOLDER` is for another place than dist/.

import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Architecture, hostArchitecture } from "../src/linux/abi/syscalls.ts";
import { agentImage } from "../src/linux/agent/image.ts";
import { AGENT_SOCKET } from "../src/linux/agent/wire.ts";
import { architectureOf, buildProgram, engineLicense } from "./engine.ts";

const repository = fileURLToPath(new URL("..", import.meta.url));
const at = (...parts: string[]) => join(repository, ...parts);

const SOURCES = ["bin", "src", "package-lock.json", "package.json", "scripts"];

/** Most starts read no state at all, but all come as far as this one does. */
const SAMPLE = ["tsrun", "--root", "/nonexistent", "state", "sample"];

await main();

async function main(): Promise<void> {
  const { arch, folder, force } = options();
  const program = join(folder, "tsrun");
  const agent = join(folder, "tsrun-agent");
  if (!force && newest(SOURCES.map((path) => at(path))) < oldest([program, agent])) return;
  const started = performance.now();
  mkdirSync(folder, { recursive: true });
  await compile(arch, program);
  installAgent(arch, agent);
  writeFileSync(join(folder, "LICENSE.quickjs"), engineLicense(arch));
  const megabytes = (statSync(program).size / 1e6).toFixed(1);
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${relative(repository, program)}: ${megabytes} MB in ${seconds} s`);
}

/** What the command line asks for. The files have their names in any folder: tsrun looks for the agent beside itself. */
function options(): { readonly arch: Architecture; readonly folder: string; readonly force: boolean } {
  const { values } = parseArgs({
    options: { arch: { type: "string" }, to: { type: "string" }, force: { type: "boolean", default: false } },
  });
  const arch = architectureOf(values.arch ?? hostArchitecture());
  const folder = values.to ?? at("dist", arch === hostArchitecture() ? "" : arch);
  return { arch, folder, force: values.force };
}

async function compile(arch: Architecture, output: string): Promise<void> {
  const temporary = `${output}.${process.pid}`;
  const { version } = JSON.parse(readFileSync(at("package.json"), "utf8")) as { version: string };
  const constants = { TSRUN_VERSION: version, TSRUN_COMMIT: commit() };
  const scratch = mkdtempSync(join(tmpdir(), "tsrun-build-"));
  try {
    const input = at("bin/image.ts");
    const program = await buildProgram(arch, { input, constants, sample: SAMPLE }, scratch);
    writeFileSync(temporary, program, { mode: 0o755 });
    renameSync(temporary, output); // a running dist/tsrun keeps its file
  } finally {
    rmSync(temporary, { force: true });
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** The agent as a file, for hosts that forbid executable memfds (vm.memfd_noexec=2). */
function installAgent(arch: Architecture, output: string): void {
  const temporary = `${output}.${process.pid}`;
  writeFileSync(temporary, agentImage(arch, AGENT_SOCKET), { mode: 0o555 });
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
