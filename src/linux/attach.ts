// Attaching a mount that was made nowhere yet to its place in the root, by descriptors alone. move_mount(2), mount_setattr(2).

import { AT_RECURSIVE, O_PATH } from "./abi/fcntl.ts";
import { MOUNT_ATTR_RDONLY } from "./abi/mount.ts";
import { close, mountSetattr, moveMount } from "./calls.ts";
import type { MountOptions } from "./mount-options.ts";
import type { Late, Plan } from "./plan.ts";
import type { RootBuilder } from "./rootfs.ts";

/** What is out of the ordinary about a mount that is attached. */
export interface Attachment {
  /** RESOLVE_* flags for the destination. */
  readonly resolve?: number;
  /** MOUNT_ATTR_RDONLY for one that becomes read-only when all is made. */
  readonly later?: number;
  /** Whether it is one of two branches: what comes later cannot know which descriptor it is. */
  readonly oneOfTwo?: boolean;
  /** Whether the caller goes on using the mount, and closes it. */
  readonly kept?: boolean;
  /** O_DIRECTORY where the destination must be one: what is none fails of ENOTDIR, whose words callers know. */
  readonly directory?: number;
}

/** Sets attributes and propagation of a mount that is attached nowhere yet, and attaches it. */
export function attach(
  to: RootBuilder,
  mount: Late,
  destination: string,
  options: MountOptions,
  {
    resolve = 0,
    later = laterReadonly(destination, options),
    oneOfTwo = false,
    kept = false,
    directory = 0,
  }: Attachment = {},
): void {
  const { plan } = to;
  setAttributes(plan, mount, options, later);
  const target = to.inRoot.open(plan, destination, O_PATH | directory, resolve);
  plan.add(moveMount(mount, target));
  for (const { type, recursive: all } of options.propagation)
    plan.add(mountSetattr(mount, { propagation: type }, all ? AT_RECURSIVE : 0));
  plan.add(close(target));
  const place = `/${to.inRoot.resolve(destination).join("/")}`;
  if (later !== 0) to.readonlyLater.push({ destination, mount });
  else if (!oneOfTwo && KERNEL_MOUNTS.has(place)) to.kernelMounts.set(place, mount);
  else if (mount !== to.proc && !kept) plan.add(close(mount));
}

/** The same at a directory that is open already; closes both. Propagation stays what it is. */
export function attachAt(plan: Plan, mount: Late, target: Late, options: MountOptions): void {
  setAttributes(plan, mount, options, 0);
  plan.add(moveMount(mount, target));
  plan.add(close(target));
  plan.add(close(mount));
}

function setAttributes(plan: Plan, mount: Late, { attributes, recursive }: MountOptions, later: number): void {
  if (((attributes.set & ~later) | attributes.clear) !== 0)
    plan.add(mountSetattr(mount, { set: attributes.set & ~later, clear: attributes.clear }));
  if ((recursive.set | recursive.clear) !== 0) plan.add(mountSetattr(mount, recursive, AT_RECURSIVE));
}

/** Where paths of the config's lead that must not be led astray: RootBuilder.kernelMounts. */
const KERNEL_MOUNTS: ReadonlySet<string> = new Set(["/proc", "/sys"]);

/** Something else is mounted at this place now. */
export function forgetKernelMount({ plan, kernelMounts, proc }: RootBuilder, place: string): void {
  const old = kernelMounts.get(place);
  if (old === undefined) return;
  kernelMounts.delete(place);
  if (old !== proc) plan.add(close(old)); // it is written through still
}

/** /dev becomes read-only only when its devices are made; a tmpfs when what lies below it has been mounted there. */
export function laterReadonly(destination: string, options: MountOptions, type = ""): number {
  return destination === "/dev" || type === "tmpfs" ? options.attributes.set & MOUNT_ATTR_RDONLY : 0;
}
