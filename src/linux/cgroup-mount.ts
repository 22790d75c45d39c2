// A mount of type cgroup: what the container sees of the hierarchies, rooted at its own cgroup. cgroups(7),
// cgroup_namespaces(7). With version 2 it is one file system; with version 1 a tmpfs that holds one directory for each
// hierarchy, with links for controllers that share one.
//
// The container's cgroup directories are bind-mounted: with a cgroup namespace the kernel shows such a mount just as one
// made inside, and without one nothing but the container's own cgroup is seen either way.

import { AT_FDCWD, O_DIRECTORY, O_PATH } from "./abi/fcntl.ts";
import { MOUNT_ATTR_RDONLY } from "./abi/mount.ts";
import { attach } from "./attach.ts";
import { cloneTree, close, fsconfigCreate, fsconfigString, fsmount, fsopen, mountSetattr, syscall } from "./calls.ts";
import { labelOption } from "./mount-label.ts";
import type { MountOptions } from "./mount-options.ts";
import { namesIn } from "./paths.ts";
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
  const readonly = planTmpfs(to, destination, options);
  for (const { name, directory } of cgroups) {
    if (name === "") continue;
    const place = `${destination}/${name.replace("name=", "")}`;
    to.inRoot.makeDirectory(to.plan, place);
    attach(to, to.plan.add(cloneTree(AT_FDCWD, directory)), place, { ...options, propagation: [] });
    for (const controller of name.includes(",") ? name.split(",") : []) planLink(to, destination, controller, name);
  }
  if (readonly === 0) return;
  const top = to.inRoot.open(to.plan, destination);
  to.plan.add(mountSetattr(top, { set: readonly }));
  to.plan.add(close(top));
}

/** The tmpfs, writable for now; returns what makes it read-only. */
function planTmpfs(to: RootBuilder, destination: string, options: MountOptions): number {
  const readonly = options.attributes.set & MOUNT_ATTR_RDONLY;
  to.inRoot.makeDirectory(to.plan, destination);
  const fs = to.plan.add(fsopen("tmpfs"));
  to.plan.add(fsconfigString(fs, "mode", "755"));
  const label = labelOption(to.config, "tmpfs");
  if (label !== undefined) to.plan.add(fsconfigString(fs, ...label));
  to.plan.add(fsconfigCreate(fs));
  const made = to.plan.add(fsmount(fs, options.attributes.set & ~MOUNT_ATTR_RDONLY));
  to.plan.add(close(fs));
  attach(to, made, destination, { ...options, attributes: { set: 0, clear: 0 }, recursive: { set: 0, clear: 0 } });
  to.inRoot.mounted(destination);
  return readonly;
}

function planLink(to: RootBuilder, destination: string, controller: string, name: string): void {
  const directory = to.inRoot.open(to.plan, namesIn(destination).join("/"), O_PATH | O_DIRECTORY);
  to.plan.tolerate("EEXIST", syscall("symlinkat", name, directory, controller));
  to.plan.add(close(directory));
}
