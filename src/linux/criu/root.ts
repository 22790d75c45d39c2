// The root file system as CRIU wants it: something that is mounted, at a place that nothing covers. It is bound there in a mount
// namespace of CRIU's alone: the host never sees it, and it is gone with CRIU, however that ends.
//
// Before that, in another such copy, the mount points of the config are made where the bundle does not have them: on the
// machine that the images come from they were, or lay in what was mounted below.

import type { Config } from "../../spec/config.gen.ts";
import { AT_FDCWD, AT_RECURSIVE, O_DIRECTORY, O_PATH } from "../abi/fcntl.ts";
import { MNT_DETACH, MS_SLAVE } from "../abi/mount.ts";
import { CLONE_NEWNS } from "../abi/sched.ts";
import { cloneTree, close, mountSetattr, moveMount, openat, syscall } from "../calls.ts";
import type { Host } from "../host.ts";
import { InRoot } from "../in-root.ts";
import { parseMountOptions } from "../mount-options.ts";
import { clean, resolveFrom } from "../paths.ts";
import type { Plan, Result } from "../plan.ts";
import { isBind } from "../sources.ts";

/** Which root, and where. */
export interface CriuRoot {
  readonly config: Config;
  readonly host: Pick<Host, "isDirectory" | "linkAt">;
  /** Absolute paths. */
  readonly bundle: string;
  readonly rootfs: string;
  /** An empty directory. */
  readonly place: string;
}

/** In what becomes CRIU. */
export function planCriuRoot(plan: Plan, to: CriuRoot): void {
  plan.at("root.path").add(syscall("unshare", CLONE_NEWNS));
  const slash = plan.add(openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
  plan.add(mountSetattr(slash, { propagation: MS_SLAVE }, AT_RECURSIVE));
  plan.add(close(slash));
  const copy = planCopy(plan, to);
  planMountPoints(plan, copy, to);
  plan.at("root.path").add(close(copy));
  plan.add(syscall("umount2", to.place, MNT_DETACH));
  plan.add(close(planCopy(plan, to)));
}

function planCopy(plan: Plan, { rootfs, place }: CriuRoot): Result {
  const copy = plan.add(cloneTree(AT_FDCWD, rootfs, AT_RECURSIVE));
  const target = plan.add(openat(AT_FDCWD, place, O_PATH | O_DIRECTORY));
  plan.add(moveMount(copy, target));
  plan.add(close(target));
  return copy;
}

/** As the mounts of a container are made, but that only bind mounts are: others may have their mount points in them. */
function planMountPoints(plan: Plan, root: Result, { config, host, bundle, rootfs }: CriuRoot): void {
  const inRoot = new InRoot(root, (path) => host.linkAt(`${rootfs}/${path}`));
  const mounts = config.mounts ?? [];
  const tmpfs = mounts.filter(({ type }) => type === "tmpfs").map(({ destination }) => `${clean(destination)}/`);
  for (const [i, mount] of mounts.entries()) {
    const destination = clean(mount.destination);
    const options = parseMountOptions(mount.options ?? []);
    // What is on a tmpfs is in the images, and so is that of cgroups, or lies on a file system of the kernel's.
    if (options.remount || mount.type === "cgroup" || tmpfs.some((place) => destination.startsWith(place))) continue;
    plan.at(`mounts[${i}] (${mount.destination})`);
    if (!isBind(mount, options) || mount.source === undefined) {
      inRoot.makeDirectory(plan, destination);
      continue;
    }
    const source = resolveFrom(bundle, mount.source);
    if (host.isDirectory(source) ?? true) inRoot.makeDirectory(plan, destination);
    else inRoot.makeFile(plan, destination);
    const tree = plan.add(cloneTree(AT_FDCWD, source, AT_RECURSIVE));
    const target = inRoot.open(plan, destination);
    plan.add(moveMount(tree, target));
    plan.add(close(target));
    plan.add(close(tree));
    inRoot.mounted(destination);
  }
}
