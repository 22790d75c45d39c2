// Handing a container's cgroup over to the user of its process, who may then make cgroups below it, put processes there and
// hand controllers out: what a service manager in a container does. cgroups(7), "Cgroup delegation"; runtime-spec
// config-linux.md#cgroup-ownership. The limits of the cgroup itself stay root's: the kernel lists what may be given.

import { AT_FDCWD } from "../abi/fcntl.ts";
import { fileCall } from "../files.ts";
import { errnoOf, failed } from "./error.ts";
import { readFile } from "./write.ts";

/** Where the kernel does not list them. */
const USUAL = "cgroup.procs\ncgroup.subtree_control\ncgroup.threads";
const SAME_GROUP = 0xffff_ffff;

/** Makes a host user the owner of a v2 cgroup. @throws CgroupError */
export function delegate(directory: string, uid: number): void {
  chown(directory, uid);
  for (const file of (readFile("/sys/kernel/cgroup/delegate") ?? USUAL).split("\n")) chown(`${directory}/${file}`, uid);
}

/** Not every cgroup has all of the files. */
function chown(path: string, uid: number): void {
  try {
    fileCall("fchownat", path, AT_FDCWD, path, uid, SAME_GROUP, 0);
  } catch (error) {
    const code = errnoOf(error);
    if (code !== "ENOENT") throw failed(`linux.cgroupsPath: chown ${path} ${uid}`, code);
  }
}
