// Programs of the host that tsrun uses instead of doing what they do: ps(1).

import { O_RDWR } from "./abi/fcntl.ts";
import { spawn } from "./agent/posix-spawn.ts";
import { describeStatus } from "./agent/reap.ts";
import { exists } from "./file-status.ts";
import { close, OpenFile, readAll } from "./files.ts";
import { SyscallError } from "./kernel.ts";
import { call } from "./local.ts";
import { DEFAULT_PATH } from "./lookup.ts";
import { pipe } from "./pipe.ts";

/** What a program prints; its errors go to tsrun's own stderr. @throws Error when there is none, or it fails */
export function outputOf(name: string, args: readonly string[]): string {
  const path = find(name);
  using input = new OpenFile("/dev/null", O_RDWR);
  const [ours, theirs] = pipe();
  let pid: number;
  try {
    pid = start(
      path,
      [name, ...args],
      [
        [input.fd, 0],
        [theirs, 1],
      ],
    );
  } finally {
    close(theirs);
  }
  const output = new TextDecoder().decode(readAll(ours));
  close(ours);
  const status = new Int32Array(2);
  call(name, "wait4", pid, new Uint8Array(status.buffer), 0, 0);
  if (status[0] !== 0) throw new Error(`${[name, ...args].join(" ")} ${describeStatus(status[0] ?? 0)}`);
  return output;
}

function find(name: string): string {
  const directories = (process.env.PATH || DEFAULT_PATH).split(":");
  const path = directories.map((directory) => `${directory || "."}/${name}`).find(exists);
  if (path === undefined) throw new Error(`cannot run ${name}: not found in PATH`);
  return path;
}

function start(path: string, argv: readonly string[], fds: readonly (readonly [number, number])[]): number {
  const encoder = new TextEncoder();
  const env = Object.entries(process.env).map(([name, value]) => encoder.encode(`${name}=${value}`));
  const pid = spawn({ path, argv: argv.map((word) => encoder.encode(word)), env, fds });
  if (pid < 0) throw new SyscallError({ name: "execve", args: [path] }, -pid, "");
  return pid;
}
