// Programs of the host that tsrun uses instead of doing what they do: ps(1), newuidmap(1).

import { O_RDWR } from "./abi/fcntl.ts";
import { spawn } from "./agent/posix-spawn.ts";
import { describeStatus, waitFor } from "./agent/reap.ts";
import { exists } from "./file-status.ts";
import { close, OpenFile, readAll } from "./files.ts";
import { SyscallError } from "./kernel.ts";
import { DEFAULT_PATH } from "./lookup.ts";
import { pipe } from "./pipe.ts";

/** What a program prints; its errors go to tsrun's own stderr. @throws Error when there is none, or it fails */
export function outputOf(name: string, args: readonly string[]): string {
  const { status, output } = run(find(name), [name, ...args], [1]);
  if (status !== 0) throw new Error(`${[name, ...args].join(" ")} ${describeStatus(status)}`);
  return output;
}

/** Runs a program that says nothing unless it fails. Returns what it said then; undefined where all went well. */
export function complaintOf(path: string, args: readonly string[]): string | undefined {
  const { status, output } = run(path, [path, ...args], [1, 2]);
  return status === 0 ? undefined : output.trim() || describeStatus(status);
}

/** Runs a program to its end, with these of its streams (1, 2) in a pipe. */
function run(path: string, argv: readonly string[], streams: readonly number[]): { status: number; output: string } {
  using input = new OpenFile("/dev/null", O_RDWR);
  const [ours, theirs] = pipe();
  let pid: number;
  try {
    pid = start(path, argv, [[input.fd, 0], ...streams.map((to) => [theirs, to] as const)]);
  } finally {
    close(theirs);
  }
  const output = new TextDecoder().decode(readAll(ours));
  close(ours);
  return { status: waitFor(pid), output };
}

function find(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`cannot run ${name}: not found in PATH`);
  return path;
}

/**
 * Where a program is; undefined where it is not. The current directory, which an empty entry of PATH means, is not searched, nor is
 * anything below it: it may be a bundle.
 */
export function findProgram(name: string): string | undefined {
  const directories = (process.env.PATH || DEFAULT_PATH).split(":").filter((directory) => directory.startsWith("/"));
  return directories.map((directory) => `${directory}/${name}`).find(exists);
}

/** The environment that tsrun has, as a program of the host takes it. */
export function ownEnvironment(): string[] {
  return Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
}

function start(path: string, argv: readonly string[], fds: readonly (readonly [number, number])[]): number {
  const encoder = new TextEncoder();
  const env = ownEnvironment().map((entry) => encoder.encode(entry));
  const pid = spawn({ path, argv: argv.map((word) => encoder.encode(word)), env, fds });
  if (pid < 0) throw new SyscallError({ name: "execve", args: [path] }, -pid, "");
  return pid;
}
