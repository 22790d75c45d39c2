// The root file system as CRIU wants it, in mount namespaces of CRIU's alone: the host never sees what is mounted there, and it
// is gone with CRIU, however that ends.
//
// There the mount that the root lies in is bound at a place that nothing covers. (All of it: CRIU makes mounts of the
// container's slaves of the host's again, mount_namespaces(7), by copying from that of their source, which must show the root
// of each. The root's may have to serve for a volume beside it.) Before that, in another such copy, the mount points of the
// config are made where the bundle does not have them: on the machine that the images come from they were, or lay in what was
// mounted below.
//
// What CRIU copies from must be shared or a slave, which on the host it may not be, though it was where the images come from.
// So there are two namespaces: all mounts of the second, which becomes CRIU's, are slaves of those of the first, and these of
// the host's where they are shared. Once the first is gone, so is what was between the container and the host.

import type { Config } from "../../spec/config.gen.ts";
import { AT_FDCWD, AT_RECURSIVE, O_DIRECTORY, O_PATH } from "../abi/fcntl.ts";
import { MNT_DETACH, MS_SHARED, MS_SLAVE } from "../abi/mount.ts";
import { CLONE_NEWNS } from "../abi/sched.ts";
import { cloneTree, close, mountSetattr, moveMount, openat, syscall } from "../calls.ts";
import { realPath } from "../files.ts";
import type { Host } from "../host.ts";
import { InRoot } from "../in-root.ts";
import { parseMountOptions } from "../mount-options.ts";
import { clean, resolveFrom } from "../paths.ts";
import type { Plan, Result } from "../plan.ts";
import { isBind } from "../sources.ts";
import { MountsInside } from "./mounts-inside.ts";

/** Which root, and where. */
export interface CriuRoot {
  readonly config: Config;
  readonly host: Pick<Host, "isDirectory" | "linkAt">;
  /** Absolute paths. */
  readonly bundle: string;
  readonly rootfs: string;
  /** An empty directory. */
  readonly place: string;
  /** Has the mount namespace that the process is in then outlive the restore. */
  readonly keepNamespace: () => void;
}

/** In what becomes CRIU. Says where the root is then. */
export function planCriuRoot(plan: Plan, to: CriuRoot): string {
  const { rootfs, place } = to;
  plan.at("root.path");
  planNamespace(plan, MS_SLAVE, MS_SHARED);
  plan.pause("keep the mount namespace", to.keepNamespace);
  planNamespace(plan, MS_SLAVE);
  const copy = planCopy(plan, rootfs, place, AT_RECURSIVE);
  planMountPoints(plan, copy, to);
  plan.at("root.path").add(close(copy));
  plan.add(syscall("umount2", place, MNT_DETACH));
  const path = realPath(rootfs);
  using own = new MountsInside(process.pid);
  const mount = own.placeOf(path);
  plan.add(close(planCopy(plan, mount, place)));
  return clean(`${place}/${path.slice(mount.length)}`);
}

function planNamespace(plan: Plan, ...propagations: readonly number[]): void {
  plan.add(syscall("unshare", CLONE_NEWNS));
  const slash = plan.add(openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY));
  for (const propagation of propagations) plan.add(mountSetattr(slash, { propagation }, AT_RECURSIVE));
  plan.add(close(slash));
}

function planCopy(plan: Plan, path: string, place: string, flags = 0): Result {
  const copy = plan.add(cloneTree(AT_FDCWD, path, flags));
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
