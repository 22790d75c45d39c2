// Finding the program: process.args[0] along PATH inside the container, as the user, with what the user may do. execvp(3);
// runtime-spec config.md#process. The words of the errors are what engines look for to choose exit codes 126 and 127.

import type { Process } from "../spec/config.gen.ts";
import { AT_EACCESS, AT_FDCWD, X_OK } from "./abi/fcntl.ts";
import { S_IFMT, STATX_BASIC_STATS, STATX_MODE, STATX_SIZE } from "./abi/stat.ts";
import { syscall } from "./calls.ts";
import { type Answers, Out, type Plan, type Result } from "./plan.ts";

const S_IFDIR = 0o040000;
/** What execvp(3) searches where the environment has no PATH. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** How many directories of PATH are looked at. */
const MOST_CANDIDATES = 64;

/** The program cannot be run: there is none, or not for this user. */
export class ExecutableError extends Error {
  override readonly name = "ExecutableError";
}

interface Candidate {
  readonly path: string;
  readonly stat: Result;
  readonly statx: Out;
  readonly access: Result;
}

/** Asks for every place that the program may be in; the answer is its path. Throws ExecutableError. */
export function planLookup(plan: Plan, process: Process, env: readonly string[]): (answers: Answers) => string {
  const program = process.args[0] ?? "";
  plan.at("process.args[0]");
  const candidates = candidatesOf(program, env).map((path): Candidate => {
    const statx = new Out(STATX_SIZE);
    const stat = plan.probe(syscall("statx", AT_FDCWD, path, 0, STATX_BASIC_STATS, statx));
    const access = plan.probe(syscall("faccessat2", AT_FDCWD, path, X_OK, AT_EACCESS));
    return { path, stat, statx, access };
  });
  return (answers) => choose(program, candidates, answers);
}

function candidatesOf(program: string, env: readonly string[]): string[] {
  if (program.includes("/")) return [program];
  const path = env.findLast((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? DEFAULT_PATH;
  const directories = path.split(":").slice(0, MOST_CANDIDATES);
  return program === "" ? [] : directories.map((directory) => `${directory || "."}/${program}`);
}

function choose(program: string, candidates: readonly Candidate[], answers: Answers): string {
  const isDirectory = ({ statx }: Candidate): boolean => {
    const mode = new DataView(answers.bytes(statx).slice().buffer).getUint16(STATX_MODE, true);
    return (mode & S_IFMT) === S_IFDIR;
  };
  const there = candidates.filter(({ stat }) => answers.value(stat) >= 0);
  const good = there.find((candidate) => answers.value(candidate.access) >= 0 && !isDirectory(candidate));
  if (good !== undefined) return good.path;
  const quoted = JSON.stringify(program);
  const [first] = there;
  if (first === undefined) {
    if (program.includes("/")) throw new ExecutableError(`exec: ${quoted}: stat ${program}: no such file or directory`);
    throw new ExecutableError(`exec: ${quoted}: executable file not found in $PATH`);
  }
  if (there.every(isDirectory)) throw new ExecutableError(`exec: ${quoted}: is a directory`);
  throw new ExecutableError(`exec: ${quoted}: permission denied`);
}
