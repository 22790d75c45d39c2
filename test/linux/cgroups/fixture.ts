// Real cgroups for tests: names of their own, and all of them removed whatever happens.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cgroupHost } from "../../../src/linux/cgroups/host.ts";

/** A v1 host with the controllers that tests limit; undefined, with the reason printed, where they cannot run. */
export function v1Host() {
  const host = cgroupHost();
  const reason = process.getuid?.() !== 0 ? "not root" : host.mode === "v2" ? "the host has cgroup v2 only" : undefined;
  if (reason !== undefined) console.warn(`skipped: ${reason}`);
  return reason === undefined ? host : undefined;
}

/** A name below which a test makes its cgroups, in every hierarchy. */
export function uniqueName(): string {
  return `tsrun-cgroups-${process.pid}-${Math.random().toString(36).slice(2, 8)}`;
}

/** Every directory of this name that is left below the mounts of the hierarchies. */
export function leftovers(name: string): string[] {
  return cgroupHost()
    .hierarchies.map(({ mount }) => join(mount, name))
    .filter(existsSync);
}

/** Removes what a failed test left, processes first, by the plainest means: what is tested must not be needed for it. */
export function sweep(name: string): void {
  const script = `
    find "$@" -name pids.max | while read -r f; do echo 0 >"$f"; done
    find "$@" -name freezer.state | while read -r f; do echo THAWED >"$f"; done
    for top in "$@"; do
      for try in $(seq 200); do
        find "$top" -name cgroup.procs -exec cat {} + | xargs -r kill -KILL
        find "$top" -depth -type d -exec rmdir {} +
        [ -e "$top" ] || break
        sleep 0.01
      done
    done`;
  const paths = leftovers(name);
  if (paths.length > 0) spawnSync("sh", ["-c", script, "sh", ...paths], { stdio: "ignore" });
  const left = leftovers(name);
  if (left.length > 0) throw new Error(`could not remove ${left.join(", ")}`);
}

/** A single-threaded process that moves itself by the descriptors, as the agent does, and then runs `script`. */
export async function joined(tasks: readonly number[], script = "sleep 1000"): Promise<ChildProcess> {
  const moves = tasks.map((_, index) => `echo 0 >&${index + 3}`);
  const child = spawn("/bin/busybox", ["sh", "-c", [...moves, "echo in", script].join(" && ")], {
    stdio: ["ignore", "pipe", "inherit", ...tasks],
  });
  await new Promise<void>((resolve, reject) => {
    child.once("exit", (status, signal) => reject(new Error(`could not join: ${status ?? signal}`)));
    child.stdout?.once("data", () => resolve());
  });
  return child;
}
