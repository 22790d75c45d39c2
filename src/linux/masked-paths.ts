// linux.maskedPaths and linux.readonlyPaths: files behind /dev/null, directories behind an empty read-only tmpfs, paths
// that become read-only. runtime-spec config-linux.md#masked-paths, #readonly-paths. A path that does not exist needs none.
//
// Paths below /proc and /sys are looked up in the mounts that were made there, not by their names in the root (openPlace).
// /dev/null is the host's, checked by its device number: the container's could be a link to anything (CVE-2025-31133).
// All directories share one tmpfs: configs of large machines list hundreds of them, one for each CPU.

import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, O_DIRECTORY, O_PATH } from "./abi/fcntl.ts";
import { MOUNT_ATTR_RDONLY } from "./abi/mount.ts";
import {
  cloneTree,
  close,
  fsconfigCreate,
  fsconfigString,
  fsmount,
  fsopen,
  mountSetattr,
  moveMount,
  openat,
} from "./calls.ts";
import { SafetyViolation } from "./errors.ts";
import { labelOption } from "./mount-label.ts";
import type { Result } from "./plan.ts";
import { openPlace, type RootBuilder } from "./rootfs.ts";

/** Makes paths read-only: each is bound onto itself, keeping nosuid, nodev and noexec. */
export function planReadonlyPaths(to: RootBuilder): void {
  const { plan } = to;
  for (const [i, path] of (to.config.linux?.readonlyPaths ?? []).entries()) {
    plan.at(`linux.readonlyPaths[${i}] (${path})`).unless("ENOENT", openPlace(to, path), (target) => {
      const tree = plan.add(cloneTree(target, "", AT_EMPTY_PATH | AT_RECURSIVE));
      plan.add(mountSetattr(tree, { set: MOUNT_ATTR_RDONLY }));
      plan.add(moveMount(tree, target));
      plan.add(close(tree));
      plan.add(close(target));
    });
  }
}

/** Masks paths. Must come before pivot_root, while the host's /dev/null can be reached. */
export function planMaskedPaths(to: RootBuilder): void {
  const paths = [...new Set(to.config.linux?.maskedPaths ?? [])];
  if (paths.length === 0) return;
  to.plan.at("linux.maskedPaths");
  if (!to.host.isNullDevice("/dev/null"))
    throw new SafetyViolation("linux.maskedPaths", "the host's /dev/null is none");
  const empty = planEmptyDirectory(to);
  for (const [i, path] of paths.entries()) planMask(to, path, i, empty);
  to.plan.at("linux.maskedPaths").add(close(empty));
}

function planMask(to: RootBuilder, path: string, index: number, empty: Result): void {
  const { plan } = to;
  plan.at(`linux.maskedPaths[${index}] (${path})`).unless("ENOENT", openPlace(to, path), (target) => {
    plan.branch(
      "ENOTDIR",
      openat(target, ".", O_PATH | O_DIRECTORY),
      (directory) => {
        const mask = plan.add(cloneTree(empty, "", AT_EMPTY_PATH));
        plan.add(moveMount(mask, target));
        plan.add(close(mask));
        plan.add(close(directory));
      },
      () => {
        const mask = plan.add(cloneTree(AT_FDCWD, "/dev/null"));
        // Or root in the container could change the mode and owner of the file that the whole host uses.
        plan.add(mountSetattr(mask, { set: MOUNT_ATTR_RDONLY }));
        plan.add(moveMount(mask, target));
        plan.add(close(mask));
      },
    );
    plan.add(close(target));
  });
}

/**
 * An empty read-only directory, to be copied. The kernel copies attached mounts only (before 6.15), so it is attached over
 * the bundle's directory, which goes away with the rest of the host at pivot_root.
 */
function planEmptyDirectory(to: RootBuilder): Result {
  const { plan } = to;
  const fs = plan.add(fsopen("tmpfs"));
  plan.add(fsconfigString(fs, "nr_blocks", "1"));
  plan.add(fsconfigString(fs, "nr_inodes", "1"));
  plan.add(fsconfigString(fs, "mode", "755"));
  const label = labelOption(to.config, "tmpfs");
  if (label !== undefined) plan.add(fsconfigString(fs, ...label));
  plan.add(fsconfigCreate(fs));
  const empty = plan.add(fsmount(fs, MOUNT_ATTR_RDONLY));
  plan.add(close(fs));
  const opened = to.sources.opened.get(to.bundle);
  const bundle = opened ?? plan.add(openat(AT_FDCWD, to.bundle, O_PATH | O_DIRECTORY));
  plan.add(moveMount(empty, bundle));
  if (opened === undefined) plan.add(close(bundle));
  return empty;
}
