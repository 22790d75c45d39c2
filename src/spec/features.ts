// The features structure (features.md, features-linux.md): what this runtime can do, whatever the host can. Engines decide
// by it what they put in a config (user namespaces for pods, recursive read-only mounts), so nothing is claimed before it
// works: CLAIMS is to be changed together with the code that makes it true.

import type { SeccompFlag } from "./config.gen.ts";
import type { Features, LinuxFeatures, SeccompFeatures } from "./features.gen.ts";
import { SECCOMP_ACTIONS, SECCOMP_ARCHS, SECCOMP_FLAGS, SECCOMP_OPERATORS } from "./seccomp-names.ts";
import { SPEC_VERSION, SPEC_VERSION_MIN } from "./version.ts";

/** What others know: the rooms that do the work hold the lists of what they do. */
export interface FeatureFacts {
  /** tsrun's own version, and the commit that it was built from. */
  readonly version: string;
  readonly commit?: string;
  /** Names of all capabilities that are understood. */
  readonly capabilities: readonly string[];
  /** All mount options that are understood, as opposed to handed to the file system. */
  readonly mountOptions: readonly string[];
  /** What a memory policy may be. */
  readonly memoryPolicy: { readonly modes: readonly string[]; readonly flags: readonly string[] };
  /** Of the libseccomp that was found: its version, and the flags that it and the kernel support. */
  readonly libseccomp?: { readonly version: string; readonly supportedFlags: readonly SeccompFlag[] };
}

const HOOKS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];

const CLAIMS: Readonly<LinuxFeatures> = {
  namespaces: ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
  cgroup: { v1: true, v2: true, systemd: true, systemdUser: true, rdma: true },
  apparmor: { enabled: true },
  selinux: { enabled: true },
  intelRdt: { enabled: true, schemata: true, enableMonitoring: true },
  mountExtensions: { idmap: { enabled: true } },
  netDevices: { enabled: true },
};

/** Annotations of a config that make the runtime do more than the fields do: whole keys, or prefixes with their dot. */
const UNSAFE_ANNOTATIONS: readonly string[] = [
  "org.criu.config",
  "org.systemd.property.",
  "run.oci.keep_original_groups",
  "run.oci.mount_context_type",
];

/** The features structure that the `features` command prints. */
export function features(facts: FeatureFacts): Features {
  const { namespaces = [], ...claims } = CLAIMS;
  return {
    ociVersionMin: SPEC_VERSION_MIN,
    ociVersionMax: SPEC_VERSION,
    hooks: [...HOOKS],
    mountOptions: [...facts.mountOptions].sort(),
    linux: {
      namespaces: [...namespaces],
      capabilities: [...facts.capabilities],
      ...claims,
      memoryPolicy: { modes: [...facts.memoryPolicy.modes], flags: [...facts.memoryPolicy.flags] },
      seccomp: seccomp(facts.libseccomp),
    },
    annotations: {
      ...(facts.libseccomp && { "io.github.seccomp.libseccomp.version": facts.libseccomp.version }),
      ...(facts.commit !== undefined && { "tsrun.commit": facts.commit }),
      "tsrun.version": facts.version,
      // The key that engines look for, whatever the runtime is called.
      "org.opencontainers.runc.checkpoint.enabled": "true",
    },
    potentiallyUnsafeConfigAnnotations: [...UNSAFE_ANNOTATIONS],
  };
}

function seccomp(library: FeatureFacts["libseccomp"]): SeccompFeatures {
  if (library === undefined) return { enabled: false };
  return {
    enabled: true,
    actions: [...SECCOMP_ACTIONS],
    operators: [...SECCOMP_OPERATORS],
    archs: [...SECCOMP_ARCHS],
    knownFlags: [...SECCOMP_FLAGS],
    supportedFlags: [...library.supportedFlags],
  };
}
