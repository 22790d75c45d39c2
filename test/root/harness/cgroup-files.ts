// Where the kernel shows a container's limits: from outside in the hierarchy of the file's controller (v1) or in the only
// one (v2), from inside below the container's own /sys/fs/cgroup.

import { existsSync, mkdirSync, readFileSync, rmdirSync } from "node:fs";
import { type Json, mounts } from "./config.ts";
import { bySystemd } from "./runtime.ts";
import type { Sandbox } from "./sandbox.ts";

const PLACE = "/sys/fs/cgroup";
/** Where this machine has its v2 hierarchy. */
export const HIERARCHY = existsSync(`${PLACE}/cgroup.controllers`) ? PLACE : `${PLACE}/unified`;

/** What the runtime sees: this machine's, or v2 alone where it is called by on-cgroup-v2.sh. */
export const cgroupVersion = HIERARCHY === PLACE || process.env.ON_CGROUP_V2 !== undefined ? "v2" : "v1";

/** A cgroup mount and namespace, so that the container sees its own. */
export const OWN_CGROUP: Json = {
  ...mounts({ destination: PLACE, type: "cgroup", source: "cgroup", options: ["nosuid", "noexec", "nodev", "ro"] }),
  linux: { namespaces: ["pid", "network", "ipc", "uts", "mount", "cgroup"].map((type) => ({ type })) },
};

/** linux.cgroupsPath for a container, of which the functions below know the place. */
export function cgroupsPathOf(id: string): string {
  return bySystemd ? `:test:${id}` : `/${id}`;
}

/** The path of a file of the cgroup that cgroupsPathOf names, on the host. */
export function cgroupFile(id: string, file: string): string {
  const place = bySystemd ? `system.slice/test-${id}.scope` : id;
  return `${cgroupVersion === "v2" ? HIERARCHY : `${PLACE}/${file.split(".")[0]}`}/${place}/${file}`;
}

/** The path of a file of its own cgroup, in a container with OWN_CGROUP. */
export function fileInside(file: string): string {
  return cgroupVersion === "v2" ? `${PLACE}/${file}` : `${PLACE}/${file.split(".")[0]}/${file}`;
}

/** The text of a file without its newline. */
export function readCgroup(id: string, file: string): string {
  return readFileSync(cgroupFile(id, file), "utf8").trim();
}

/** The number after a word of a file of words and numbers: memory.events, cpu.stat. */
export function count(id: string, file: string, word: string): number {
  return Number(new RegExp(`^${word} (\\d+)$`, "m").exec(readCgroup(id, file))?.[1]);
}

/** Whether a cgroup made here has the file, looked at in one that is removed again. */
export function hasCgroupFile(box: Sandbox, file: string): boolean {
  const probe = cgroupFile(`${box.word}-probe`, file);
  const directory = probe.slice(0, probe.lastIndexOf("/"));
  if (!existsSync(directory.slice(0, directory.lastIndexOf("/")))) return false;
  mkdirSync(directory);
  try {
    return existsSync(probe);
  } finally {
    rmdirSync(directory);
  }
}
