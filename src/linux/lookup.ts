// Finding the program: process.args[0] along PATH inside the container, as the user, with what the user may do. execvp(3);
// runtime-spec config.md#process. The words of the errors are what engines look for to choose exit codes 126 and 127.
//
// A filter that was loaded without no_new_privs is in force by then. Profiles older than statx(2) and faccessat2(2) refuse these:
// then newfstatat(2) is asked, which all know since it is as old as the architecture, and the mode that it tells.

import type { Process } from "../spec/config.gen.ts";
import { EACCES } from "./abi/errno.ts";
import { AT_EACCESS, AT_FDCWD, X_OK } from "./abi/fcntl.ts";
import { S_IFDIR, S_IFMT, STAT_MODE, STAT_SIZE, STATX_BASIC_STATS, STATX_MODE, STATX_SIZE } from "./abi/stat.ts";
import { syscall } from "./calls.ts";
import { type Answers, Out, type Plan, type Result } from "./plan.ts";

/** What execvp(3) searches where the environment has no PATH. */
export const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** How many directories of PATH are looked at. */
const MOST_CANDIDATES = 64;

/** The program cannot be run: there is none, or not for this user. */
export class ExecutableError extends Error {
  override readonly name = "ExecutableError";
}

/** What is at a place: nothing, or something that is no program, or not for this user, or what is looked for. */
type Found = "nothing" | "directory" | "denied" | "program";

interface Candidate {
  readonly path: string;
  readonly found: (answers: Answers) => Found;
}

/** Asks for every place that the program may be in; the answer is its path. Throws ExecutableError. */
export function planLookup(
  plan: Plan,
  process: Process,
  env: readonly string[],
  isFiltered: boolean,
): (answers: Answers) => string {
  const program = process.args[0] ?? "";
  plan.at("process.args[0]");
  const candidates = candidatesOf(program, env).map((path) => planCandidate(plan, path, isFiltered));
  return (answers) => choose(program, candidates, answers);
}

function candidatesOf(program: string, env: readonly string[]): string[] {
  if (program.includes("/")) return [program];
  const path = env.findLast((entry) => entry.startsWith("PATH="))?.slice("PATH=".length) ?? DEFAULT_PATH;
  const directories = path.split(":").slice(0, MOST_CANDIDATES);
  return program === "" ? [] : directories.map((directory) => `${directory || "."}/${program}`);
}

function planCandidate(plan: Plan, path: string, isFiltered: boolean): Candidate {
  const mode = isFiltered ? planFilteredMode(plan, path) : planMode(plan, path);
  const access = plan.probe(syscall("faccessat2", AT_FDCWD, path, X_OK, AT_EACCESS));
  return { path, found: (answers) => judge(mode(answers), answers.value(access)) };
}

/** A file's type and permissions; undefined where there is none. */
type Mode = (answers: Answers) => number | undefined;

function planMode(plan: Plan, path: string): Mode {
  const statx = new Out(STATX_SIZE);
  const asked = plan.probe(syscall("statx", AT_FDCWD, path, 0, STATX_BASIC_STATS, statx));
  return modeFrom(asked, statx, STATX_MODE);
}

function planFilteredMode(plan: Plan, path: string): Mode {
  const [statx, stat] = [new Out(STATX_SIZE), new Out(STAT_SIZE)];
  let older: Mode = () => undefined;
  const asked = plan.probeElse(syscall("statx", AT_FDCWD, path, 0, STATX_BASIC_STATS, statx), () => {
    older = modeFrom(plan.probe(syscall("newfstatat", AT_FDCWD, path, stat, 0)), stat, STAT_MODE);
  });
  const newer = modeFrom(asked, statx, STATX_MODE);
  return (answers) => newer(answers) ?? older(answers);
}

function modeFrom(asked: Result, out: Out, offset: number): Mode {
  return (answers) => {
    if (answers.value(asked) < 0) return undefined;
    return new DataView(answers.bytes(out).slice().buffer).getUint16(offset, true);
  };
}

/** `access` is the answer of faccessat2, or of a filter in its place: then execve(2) will tell what the mode does not. */
function judge(mode: number | undefined, access: number): Found {
  if (mode === undefined) return "nothing";
  if ((mode & S_IFMT) === S_IFDIR) return "directory";
  if (access >= 0) return "program";
  return access !== -EACCES && (mode & 0o111) !== 0 ? "program" : "denied";
}

function choose(program: string, candidates: readonly Candidate[], answers: Answers): string {
  const there = candidates
    .map(({ path, found }) => ({ path, found: found(answers) }))
    .filter(({ found }) => found !== "nothing");
  const good = there.find(({ found }) => found === "program");
  if (good !== undefined) return good.path;
  const quoted = JSON.stringify(program);
  if (there.length === 0) {
    if (program.includes("/")) throw new ExecutableError(`exec: ${quoted}: stat ${program}: no such file or directory`);
    throw new ExecutableError(`exec: ${quoted}: executable file not found in $PATH`);
  }
  if (there.every(({ found }) => found === "directory")) throw new ExecutableError(`exec: ${quoted}: is a directory`);
  throw new ExecutableError(`exec: ${quoted}: permission denied`);
}
