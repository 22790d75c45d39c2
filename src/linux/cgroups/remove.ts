// Removes cgroups: rmdir(2), children first. The kernel refuses (EBUSY) while a process is in it, and a process that was
// killed is in it until it has run to its end; so a busy one is asked again, soon at first: most are gone in under a
// millisecond, and nothing here sleeps for a fixed time.

import { removeDirectory } from "../files.ts";
import { sleep } from "../poll.ts";
import { errnoOf, failed } from "./error.ts";
import { children, processesBelow } from "./processes.ts";
import { readFile } from "./write.ts";

/** How long all of a container's cgroups together may stay busy, in milliseconds. */
const PATIENCE = 2000;
const FIRST_PAUSE = 0.1;
const LONGEST_PAUSE = 10;

/**
 * Removes the cgroups and all below them. Those that are gone already are no error; one that stays busy does not keep
 * the others from being removed.
 * @throws CgroupError naming the first that could not be removed, and the processes in it
 */
export function removeAll(paths: readonly string[]): void {
  const deadline = performance.now() + PATIENCE;
  const errors: unknown[] = [];
  for (const path of paths) {
    try {
      removeTree(path, deadline);
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

function removeTree(path: string, deadline: number): void {
  let code = rmdir(path);
  if (code === undefined) return;
  for (const child of children(path)) removeTree(child, deadline);
  code = rmdir(path);
  for (let pause = FIRST_PAUSE; code === "EBUSY" && performance.now() < deadline; pause *= 2) {
    sleep(Math.min(pause, LONGEST_PAUSE));
    code = rmdir(path);
  }
  // A read-only file system answers EROFS before it looks whether there is anything to remove.
  if (code === undefined || (code === "EROFS" && readFile(`${path}/cgroup.procs`) === undefined)) return;
  throw failed(`cannot remove the cgroup: rmdir ${path}${describe(processesBelow(path))}`, code);
}

function rmdir(path: string): string | undefined {
  try {
    removeDirectory(path);
    return undefined;
  } catch (error) {
    return errnoOf(error);
  }
}

function describe(pids: readonly number[]): string {
  if (pids.length === 0) return "";
  return ` with processes ${pids.map((pid) => `${pid} (${readFile(`/proc/${pid}/comm`) ?? "gone"})`).join(", ")}`;
}
