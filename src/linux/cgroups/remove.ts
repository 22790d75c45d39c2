// Removes cgroups: rmdir(2), children first. The kernel refuses (EBUSY) while a process is in it, and a process that was
// killed is in it until it has run to its end. v2 tells when the last one has left (cgroup.events: populated); of v1 the
// processes themselves tell of their end (pidfd_open(2)). What neither tells of is asked again, soon at first.

import { ENOENT, errnoName } from "../abi/errno.ts";
import { AT_FDCWD, AT_REMOVEDIR } from "../abi/fcntl.ts";
import { syscallNumber } from "../abi/syscalls.ts";
import { close } from "../files.ts";
import { syscall } from "../libc.ts";
import { tryPidfd } from "../local.ts";
import { POLLIN, poll, sleep } from "../poll.ts";
import { errnoOf, failed } from "./error.ts";
import { processesBelow } from "./processes.ts";
import { type Left, visit } from "./tree.ts";
import { WatchedFile } from "./watch.ts";
import { readFile } from "./write.ts";

/**
 * How long all of a container's cgroups together may stay busy, in milliseconds. As long as init may take to die: a killed process
 * ends when it is its turn, which on a busy host, or held by a cgroup above, is later.
 */
const PATIENCE = 10_000;
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
  const top: Left = { path, shown: () => path, parent: AT_FDCWD, name: path };
  if (rmdir(top) === undefined) return;
  visit(path, { leave: (cgroup) => removeOne(cgroup, deadline) });
  removeOne(top, deadline);
}

function removeOne(cgroup: Left, deadline: number): void {
  const { path, shown } = cgroup;
  let code = rmdir(cgroup);
  for (let pause = FIRST_PAUSE; code === "EBUSY" && performance.now() < deadline; pause *= 2) {
    if (!heardOfEnd(path, deadline)) sleep(Math.min(pause, LONGEST_PAUSE));
    code = rmdir(cgroup);
  }
  // A read-only file system answers EROFS before it looks whether there is anything to remove.
  if (code === undefined || (code === "EROFS" && readFile(`${path}/cgroup.procs`) === undefined)) return;
  throw failed(`cannot remove the cgroup: rmdir ${shown()}${describe(processesBelow(path))}`, code);
}

/** Waits until the cgroup is empty (v2) or one of its processes has ended (v1). False where there was nothing to wait for. */
function heardOfEnd(path: string, deadline: number): boolean {
  try {
    using events = new WatchedFile(`${path}/cgroup.events`);
    return events.read("populated") !== 0 && events.waitFor("populated", 0, deadline);
  } catch (error) {
    errnoOf(error); // v1, or gone
  }
  const [pid] = processesBelow(path);
  const pidfd = pid === undefined ? -1 : tryPidfd(pid);
  if (pidfd < 0) return false;
  const ended = (patience: number): boolean => poll([{ fd: pidfd, events: POLLIN }], patience)[0] !== 0;
  const heard = !ended(0) && ended(deadline - performance.now()); // a zombie has ended, and may be in it for a moment
  close(pidfd);
  return heard;
}

function rmdir({ parent, name }: Left): string | undefined {
  const result = syscall(syscallNumber("unlinkat"), parent, name, AT_REMOVEDIR);
  return result === 0 || result === -ENOENT ? undefined : errnoName(-result);
}

function describe(pids: readonly number[]): string {
  if (pids.length === 0) return "";
  return ` with processes ${pids.map((pid) => `${pid} (${readFile(`/proc/${pid}/comm`) ?? "gone"})`).join(", ")}`;
}
