// Whether a container's cgroup becomes its user's: runtime-spec config-linux.md#cgroup-ownership, whose conditions these are.
// The owner is who process.user.uid is on the host, as with runc; crun takes root of the user namespace. Without a user
// namespace that is one and the same for a process of root's, and nothing changes hands.

import type { Cgroup } from "../linux/cgroups/cgroup.ts";
import { delegate } from "../linux/cgroups/delegate.ts";
import { isPermission } from "../linux/cgroups/error.ts";
import type { Config, Mount } from "../spec/config.gen.ts";
import { hostUid } from "./id-maps.ts";
import { isOrdinaryUser } from "./users.ts";

/** Gives the cgroup to the user of the container's process `pid`, where the config means that. @throws CgroupError */
export function giveCgroup(cgroup: Cgroup, { process, mounts = [], linux }: Config, pid: number): void {
  const { namespaces = [] } = linux ?? {};
  // Version 1 is not safe to delegate.
  const directory = cgroup.mode === "v2" ? cgroup.directory("") : undefined;
  if (directory === undefined || !namespaces.some(({ type, path }) => type === "cgroup" && !path)) return;
  if (!mounts.some(isWritableCgroup)) return;
  const uid = hostUid(process?.user?.uid ?? 0, namespaces, pid);
  if (uid === globalThis.process.geteuid?.()) return; // who made it
  try {
    delegate(directory, uid);
  } catch (error) {
    // An ordinary user has nothing to give to another of his ids; it stays his own, who is mostly the container's root.
    if (!isOrdinaryUser() || !isPermission(error)) throw error;
  }
}

function isWritableCgroup({ source, destination, options = [] }: Mount): boolean {
  return source === "cgroup" && destination === "/sys/fs/cgroup" && !options.includes("ro");
}
