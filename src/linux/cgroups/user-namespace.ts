// Whether tsrun runs in a user namespace other than the first: user_namespaces(7). What it may do there with cgroups and
// devices was decided by whoever made it, so some refusals of the kernel are to be expected.

import { readFile } from "./write.ts";

/** The first user namespace maps all ids to themselves. */
export function inUserNamespace(): boolean {
  return !/^\s*0\s+0\s+4294967295$/.test(readFile("/proc/self/uid_map") ?? "");
}
