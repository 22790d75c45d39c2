// Whether tsrun runs in a user namespace other than the first: user_namespaces(7). As root there it has no rights over the host;
// what it may do with cgroups, devices and mounts was decided by whoever made it, so some refusals of the kernel are to be expected.

import { linkTarget } from "./files.ts";

/** USER_NS_INIT_INO of <linux/nsfs.h>: the same since there are files of namespaces. */
const FIRST = `user:[${0xeffffffd}]`;

let found: boolean | undefined;

/** Asks once. False where /proc does not say. */
export function inUserNamespace(): boolean {
  found ??= (linkTarget("/proc/self/ns/user") ?? FIRST) !== FIRST;
  return found;
}
