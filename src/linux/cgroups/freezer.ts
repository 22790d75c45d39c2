// Pausing all processes of a cgroup and below: cgroup-v2.rst, "cgroup.freeze"; cgroup-v1/freezer-subsystem.rst.
//
//   v2  cgroup.freeze takes 1 and 0, cgroup.events says when all are frozen, and a frozen process can be killed
//   v1  freezer.state goes from THAWED by FREEZING to FROZEN and tells nobody; a frozen process does not die before it is
//       thawed. A process that is born while the others freeze can keep it FREEZING: thawing and freezing again helps.
//
// A cgroup may hold still because one above it is frozen. It is not paused then, and thawing it would not help.

import { sleep } from "../poll.ts";
import { CgroupError, failed } from "./error.ts";
import { WatchedFile } from "./watch.ts";
import { readFile, writeFile } from "./write.ts";

/** Which freezer a cgroup has. Hybrid hosts keep v1's. */
export type Freezer = "v1" | "v2";

/** How long all processes together may take to hold still, in milliseconds: one may be in the midst of slow I/O. */
const PATIENCE = 10_000;

/** Whether the cgroup was told to hold still, whether or not it does yet. One read for a cgroup that was not. */
export function isPaused(path: string, freezer: Freezer): boolean {
  if (freezer === "v2") return readFile(`${path}/cgroup.freeze`) === "1";
  const state = readFile(`${path}/freezer.state`);
  return state !== undefined && state !== "THAWED" && readFile(`${path}/freezer.self_freezing`) !== "0";
}

/** Whether the cgroup holds still, or begins to, because of itself or one above. */
export function holdsStill(path: string, freezer: Freezer): boolean {
  return (freezer === "v2" && isPaused(path, freezer)) || isFrozen(path, freezer);
}

/** The same, but v2 says so no sooner than all in it hold still: of a cgroup that nobody is in at once. One read. */
export function isFrozen(path: string, freezer: Freezer): boolean {
  if (freezer === "v2") return readFile(`${path}/cgroup.events`)?.includes("frozen 1") === true;
  const state = readFile(`${path}/freezer.state`);
  return state !== undefined && state !== "THAWED";
}

/**
 * Freezes the processes and waits until none runs any more.
 * @throws CgroupError where that cannot be, or takes more than ten seconds; they all run again then
 */
export function freeze(path: string, freezer: Freezer): void {
  const frozen = freezer === "v2" ? freezeV2(path) : freezeV1(path);
  if (frozen) return;
  thaw(path, freezer);
  throw new CgroupError(`cannot freeze ${path}: a process in it did not hold still for ${PATIENCE / 1000} seconds`);
}

/** Lets the processes run again. No error where they do already, or are gone with their cgroup. @throws CgroupError */
export function thaw(path: string, freezer: Freezer): void {
  const [file, value] = freezer === "v2" ? ["cgroup.freeze", "0"] : ["freezer.state", "THAWED"];
  set(`${path}/${file}`, value, GONE);
}

function freezeV2(path: string): boolean {
  set(`${path}/cgroup.freeze`, "1");
  using events = new WatchedFile(`${path}/cgroup.events`);
  return events.waitFor("frozen", 1, performance.now() + PATIENCE);
}

/** Looks before the first pause: a few processes are frozen in microseconds. */
const BUSY_LOOKS = 16;
/** Looks, a millisecond apart, before it is begun anew. */
const LOOKS = 50;

function freezeV1(path: string): boolean {
  const file = `${path}/freezer.state`;
  for (const deadline = performance.now() + PATIENCE; performance.now() < deadline; set(file, "THAWED")) {
    set(file, "FROZEN");
    for (let look = 0; look < LOOKS; look++) {
      if (readFile(file) === "FROZEN") return true;
      if (look >= BUSY_LOOKS) sleep(1);
    }
  }
  return false;
}

const GONE: readonly string[] = ["ENOENT", "ENODEV"];

function set(file: string, value: string, tolerated: readonly string[] = []): void {
  const code = writeFile(file, value);
  if (code !== undefined && !tolerated.includes(code)) throw failed(`write ${file} ${JSON.stringify(value)}`, code);
}
