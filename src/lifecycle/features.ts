// tsrun features: what this runtime supports, as JSON (features.md). Engines ask it at their start, without root rights and
// without a container, and read stdout and stderr as one: nothing else may be printed.

import { CAPABILITIES } from "../linux/abi/capability.ts";
import { MPOL, MPOL_F } from "../linux/abi/mempolicy.ts";
import { mountOptionNames } from "../linux/mount-options.ts";
import { knowsWaitKillable } from "../linux/seccomp/kernel-flags.ts";
import { libseccompVersion } from "../linux/seccomp/library-version.ts";
import type { SeccompFlag } from "../spec/config.gen.ts";
import { features } from "../spec/features.ts";
import type { Context, ExitStatus } from "./command.ts";
import { print } from "./output.ts";
import { commit, version } from "./version.ts";

/** Prints the features structure, indented by four as runc does it. */
export function command(_: Context<"features">): ExitStatus {
  const libseccomp = libseccompVersion();
  const structure = features({
    version: version(),
    commit: commit(),
    capabilities: CAPABILITIES,
    mountOptions: mountOptionNames(),
    memoryPolicy: { modes: Object.keys(MPOL), flags: Object.keys(MPOL_F) },
    ...(libseccomp !== undefined && { libseccomp: { version: libseccomp, supportedFlags: supportedFlags() } }),
  });
  print(`${JSON.stringify(structure, null, 4)}\n`);
  return 0;
}

/** The flags of filters that this kernel knows; libseccomp has no part in them. Every one that tsrun runs on has three. */
function supportedFlags(): SeccompFlag[] {
  const old: SeccompFlag[] = ["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_LOG"];
  return knowsWaitKillable() ? [...old, "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"] : old;
}
