// What a fresh clone needs before `npm start` and `npm test` can do anything: the npm packages, a C compiler, then
// dist/tsrun. Runs on the Node that the machine has (20 or newer) with no node_modules; everything after it runs on the
// Node among them.

import { spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
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
  installDebianPackages(COMPILER, "the build fails without them");
  must(node, ["scripts/build.ts"]);
}

/** Debian package: a program or file that shows that it is installed. */
const COMPILER = { gcc: "gcc", "libc6-dev": "/usr/include/stdio.h" };

/** Where programs are looked for: root's PATH may lack what only root needs. */
export const PATH = [process.env.PATH, "/usr/sbin", "/sbin"].join(delimiter);

/**
 * Installs the Debian packages of which something is missing: on Debian as root, elsewhere it says so. `otherwise` is what
 * follows when one cannot be had.
 */
export function installDebianPackages(packages, otherwise) {
  const missing = Object.keys(packages).filter((name) => !isInstalled(packages[name]));
  if (missing.length === 0) return;
  if (process.getuid() !== 0 || !existsSync("/etc/debian_version")) {
    console.log(`Not installed: ${missing.join(", ")} (only done on Debian as root): ${otherwise}.`);
    return;
  }
  console.log(`Installing ${missing.join(", ")} ...`);
  apt(["update", "-qq"]);
  // All at once is quick; when that fails, one by one gets what can be had.
  if (!apt(["install", "-y", "-qq", "--no-install-recommends", ...missing])) {
    for (const name of missing) apt(["install", "-y", "-qq", "--no-install-recommends", name]);
  }
  const still = missing.filter((name) => !isInstalled(packages[name]));
  if (still.length > 0) console.log(`Cannot install ${still.join(", ")}: ${otherwise}.`);
}

function isInstalled(sign) {
  return sign.split("|").some((program) => {
    const places = program.startsWith("/") ? [program] : PATH.split(delimiter).map((place) => join(place, program));
    return places.some(isThere);
  });
}

function isThere(path) {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs apt-get without questions and without starting services (policy-rc.d is Debian's way to say so). */
function apt(args) {
  const { status } = spawnSync("apt-get", args, {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, PATH, DEBIAN_FRONTEND: "noninteractive", RUNLEVEL: "1" },
  });
  return status === 0;
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
