// A new v1 cpuset has no processors and no memory nodes, and joining it is ENOSPC until it has: cgroup-v1/cpusets.rst.
// So what is empty gets the values of the level above. Values that are there stay: a narrower level is somebody's decision.

import { dirname } from "../paths.ts";
import { failed } from "./error.ts";
import { readFile, writeFile } from "./write.ts";

/** Fills `path` and the levels above it, up to the mount point, from the top down. Returns what `path` has then. */
export function fillCpuset(path: string, mount: string): readonly [cpus: string, mems: string] {
  const cpus = readFile(`${path}/cpuset.cpus`) ?? "";
  const mems = readFile(`${path}/cpuset.mems`) ?? "";
  if ((cpus !== "" && mems !== "") || path === mount) return [cpus, mems];
  const [parentCpus, parentMems] = fillCpuset(dirname(path), mount);
  if (cpus === "") copyDown(`${path}/cpuset.cpus`, parentCpus);
  if (mems === "") copyDown(`${path}/cpuset.mems`, parentMems);
  return [cpus || parentCpus, mems || parentMems];
}

function copyDown(file: string, value: string): void {
  const code = writeFile(file, value);
  if (code !== undefined) throw failed(`write ${file} ${JSON.stringify(value)}`, code);
}
