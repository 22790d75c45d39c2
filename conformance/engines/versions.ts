// What stands above a column of the engines' table: the kernel, the engines and the runtime, in their own words. A set-up
// of the project "engines", which writes them as JSON to the file that TSRUN_ENGINE_VERSIONS names, if it does.

import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { commandWords } from "../../test/root/harness/runtime.ts";

/** Name: the command that says which version it is. */
const COMMANDS: Readonly<Record<string, readonly [string, ...string[]]>> = {
  docker: ["dockerd", "--version"],
  podman: ["podman", "--version"],
  containerd: ["containerd", "--version"],
  buildah: ["buildah", "--version"],
  runtime: [...commandWords(), "--version"],
};

export function setup(): void {
  const file = process.env.TSRUN_ENGINE_VERSIONS;
  if (file === undefined) return;
  const versions = Object.entries(COMMANDS).map(([name, command]) => [name, versionOf(command)]);
  const cgroups = existsSync("/sys/fs/cgroup/cgroup.controllers") ? "v2" : "v1";
  writeFileSync(file, JSON.stringify({ kernel: release(), cgroups, ...Object.fromEntries(versions) }));
}

/** The first number with points in what the command prints; "none" where there is no such program. */
function versionOf([program, ...args]: readonly [string, ...string[]]): string {
  try {
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
    return /\d+(\.\d+)+/.exec(execFileSync(program, args, { encoding: "utf8", env, stdio: "pipe" }))?.[0] ?? "unknown";
  } catch {
    return "none";
  }
}
