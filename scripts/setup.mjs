// What a fresh clone needs before `npm start` and `npm test` can do anything: the npm packages, then dist/tsrun. Runs on
// the Node that the machine has (20 or newer) with no node_modules; everything after it runs on the Node among them.

import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root directory. */
export const repository = fileURLToPath(new URL("..", import.meta.url));

/** The Node of the dev dependencies, which runs TypeScript as it is. */
export const node = join(repository, "node_modules/.bin/node");

/** Installs the npm packages of the lock file, unless they are there and no older than it. */
export function installPackages() {
  const lock = join(repository, "package-lock.json");
  const stamp = join(repository, "node_modules/.package-lock.json");
  if (existsSync(node) && existsSync(stamp) && statSync(stamp).mtimeMs >= statSync(lock).mtimeMs) return;
  console.log("Installing npm packages ...");
  // Not `npm ci`: it refuses a lock file without the packages of platforms that a registry's mirror does not have.
  must("npm", ["install", "--no-fund", "--no-audit", "--loglevel=error"]);
}

/** Builds dist/tsrun, unless it is newer than its sources. */
export function build() {
  must(node, ["scripts/build.ts"]);
}

/** Runs a program in the repository; when it fails, so do we. */
export function must(program, args) {
  const { status, error } = spawnSync(program, args, { cwd: repository, stdio: ["ignore", "inherit", "inherit"] });
  if (error !== undefined) throw error;
  if (status !== 0) {
    console.error(`Cannot go on: ${program} ${args.join(" ")} failed`);
    process.exit(1);
  }
}
