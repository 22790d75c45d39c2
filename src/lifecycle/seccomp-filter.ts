// linux.seccomp as a filter. libseccomp is loaded only for a profile that was not seen before: engines send the same one
// with every container.

import { cachedSeccomp } from "../linux/seccomp/cache.ts";
import type { SeccompFilter } from "../linux/seccomp/load.ts";
import type { Seccomp } from "../spec/config.gen.ts";
import { makeStateRoot } from "./state-root.ts";

/** Compiles a profile, or takes it from the cache beside the containers: no container's id can end in "~". */
export function compileFilter(seccomp: Seccomp, root: string): SeccompFilter {
  return cachedSeccomp(seccomp, `${root}/seccomp~`, () => makeStateRoot(root));
}
