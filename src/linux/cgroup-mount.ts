// A mount of type cgroup: what the container sees of the hierarchies, rooted at its own cgroup. cgroups(7),
// cgroup_namespaces(7). With version 2 it is one file system; with version 1 a tmpfs that holds one directory for each
// hierarchy, with links for controllers that share one.
//
// The container's cgroup directories are bind-mounted: with a cgroup namespace the kernel shows such a mount just as one
// made inside, and without one nothing but the container's own cgroup is seen either way.

import { AT_FDCWD, O_DIRECTORY, O_PATH } from "./abi/fcntl.ts";
import { MOUNT_ATTR_RDONLY } from "./abi/mount.ts";
import { attach, attachAt } from "./attach.ts";
import {
  cloneTree,
  close,
  fsconfigCreate,
  fsconfigString,
  fsmount,
  fsopen,
  mkdirat,
  mountSetattr,
  openat,
  syscall,
} from "./calls.ts";
import { labelOption } from "./mount-label.ts";
import type { MountOptions } from "./mount-options.ts";
import type { Result } from "./plan.ts";
import type { RootBuilder } from "./rootfs.ts";

/** A hierarchy: its name as in /proc/PID/cgroup ("" for version 2) and the container's directory in it, on the host. */
export interface CgroupDirectory {
  readonly name: string;
  readonly directory: string;
}

/** Mounts the container's cgroups at `destination`. */
export function planCgroupMount(to: RootBuilder, destination: string, options: MountOptions): void {
  const { cgroups } = to;
  const [only] = cgroups;
  if (only !== undefined && cgroups.length === 1 && only.name === "") {
    to.inRoot.makeDirectory(to.plan, destination);
    attach(to, to.plan.add(cloneTree(AT_FDCWD, only.directory)), destination, options);
    return;
  }
  const { plan } = to;
  const top = planTmpfs(to, destination, options);
  // By the descriptor of the tmpfs: at its path there may be something else by now, if others share what it lies in.
  for (const { name, directory } of cgroups) {
    if (name === "") continue;
    const place = name.replace("name=", "");
    plan.tolerate("EEXIST", mkdirat(top, place, 0o755));
    const target = plan.add(openat(top, place, O_PATH | O_DIRECTORY));
    attachAt(plan, plan.add(cloneTree(AT_FDCWD, directory)), target, options);
    for (const controller of name.includes(",") ? name.split(",") : [])
      plan.tolerate("EEXIST", syscall("symlinkat", name, top, controller));
  }
  const readonly = options.attributes.set & MOUNT_ATTR_RDONLY;
  if (readonly !== 0) plan.add(mountSetattr(top, { set: readonly }));
  plan.add(close(top));
}

/** The tmpfs, writable for now. */
function planTmpfs(to: RootBuilder, destination: string, options: MountOptions): Result {
  to.inRoot.makeDirectory(to.plan, destination);
  const fs = to.plan.add(fsopen("tmpfs"));
  to.plan.add(fsconfigString(fs, "mode", "755"));
  const label = labelOption(to.config, "tmpfs");
  if (label !== undefined) to.plan.add(fsconfigString(fs, ...label));
  to.plan.add(fsconfigCreate(fs));
  const made = to.plan.add(fsmount(fs, options.attributes.set & ~MOUNT_ATTR_RDONLY));
  to.plan.add(close(fs));
  const plain = { attributes: { set: 0, clear: 0 }, recursive: { set: 0, clear: 0 } };
  attach(to, made, destination, { ...options, ...plain }, { kept: true });
  to.inRoot.mounted(destination);
  return made;
}
