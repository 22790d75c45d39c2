// The cgroups that a program and its containers leave: all below one of ours, of which there is one in each hierarchy.

import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

/** Removes the cgroup of that name in every hierarchy, with what is below it. Error where one cannot be removed. */
export async function removeCgroups(name: string): Promise<void> {
  const points = readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(" - cgroup "))
    .map((line) => `${line.split(" ")[4]}`);
  for (const point of points) await removeTree(join(point, name));
}

/** The kernel says EBUSY until the last dead process of a cgroup is gone, a moment after the pid namespace. */
async function removeTree(path: string): Promise<void> {
  for (let tries = 1; existsSync(path); tries += 1) {
    try {
      removeBelow(path);
    } catch (error) {
      if (tries === 400) throw error;
      await sleep(50);
    }
  }
}

function removeBelow(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    if (entry.isDirectory()) removeBelow(join(path, entry.name));
  }
  rmdirSync(path);
}
