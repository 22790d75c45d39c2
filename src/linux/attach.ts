// Attaching a mount that was made nowhere yet to its place in the root, by descriptors alone. move_mount(2), mount_setattr(2).

import { AT_RECURSIVE, O_PATH } from "./abi/fcntl.ts";
import { MOUNT_ATTR_RDONLY } from "./abi/mount.ts";
import { close, mountSetattr, moveMount } from "./calls.ts";
import type { MountOptions } from "./mount-options.ts";
import type { Result } from "./plan.ts";
import type { RootBuilder } from "./rootfs.ts";

/**
 * Sets attributes and propagation of a mount that is attached nowhere yet, and attaches it. What is opened as a directory
 * (`flags` O_DIRECTORY) and is none fails of ENOTDIR, whose words callers know; move_mount(2) would say EINVAL.
 */
export function attach(
  to: RootBuilder,
  mount: Result,
  destination: string,
  options: MountOptions,
  resolve = 0,
  closeAfter = true,
  flags = 0,
): void {
  const { plan } = to;
  const { attributes, recursive } = options;
  const later = laterReadonly(destination, options);
  if (((attributes.set & ~later) | attributes.clear) !== 0)
    plan.add(mountSetattr(mount, { set: attributes.set & ~later, clear: attributes.clear }));
  if ((recursive.set | recursive.clear) !== 0) plan.add(mountSetattr(mount, recursive, AT_RECURSIVE));
  const target = to.inRoot.open(plan, destination, O_PATH | flags, resolve);
  plan.add(moveMount(mount, target));
  for (const { type, recursive: all } of options.propagation)
    plan.add(mountSetattr(mount, { propagation: type }, all ? AT_RECURSIVE : 0));
  if (later !== 0) to.readonlyLater.push(destination);
  plan.add(close(target));
  if (closeAfter) plan.add(close(mount));
}

/** /dev becomes read-only only when its devices are made. */
export function laterReadonly(destination: string, options: MountOptions): number {
  return destination === "/dev" ? options.attributes.set & MOUNT_ATTR_RDONLY : 0;
}
