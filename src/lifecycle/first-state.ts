// The state that a container begins with. It is written before anything else is made, so that what a killed tsrun leaves can be
// found by it.

import type { CgroupRecord } from "../linux/cgroups/cgroup.ts";
import { mountAt } from "../linux/host-mount.ts";
import { keyringName } from "../linux/identity.ts";
import { hasNamespace, type Namespaces } from "../linux/namespaces.ts";
import type { RdtRecord } from "../linux/rdt/group.ts";
import type { Config } from "../spec/config.gen.ts";
import { SPEC_VERSION } from "../spec/version.ts";
import { limitsMemory } from "./oom-death.ts";
import type { Request } from "./request.ts";
import type { State } from "./state-file.ts";

/** Where all of it is, or will be. */
export interface Places {
  readonly bundle: string;
  readonly rootfs: string;
  readonly cgroups: CgroupRecord;
  readonly rdt?: RdtRecord;
  readonly mountBefore?: number;
}

/** What is mounted on the rootfs, of a container that mounts on the host. */
export function mountBefore(namespaces: Namespaces, rootfs: string): Pick<Places, "mountBefore"> {
  return hasNamespace(namespaces, "mount") ? {} : { mountBefore: mountAt(rootfs) };
}

/** The state of a container of which there is nothing yet. */
export function firstState(request: Request, config: Config, places: Places): State {
  const { hooks = {}, annotations = {}, linux } = config;
  return {
    ociVersion: SPEC_VERSION,
    id: request.id,
    phase: "creating",
    pid: 0,
    pidStart: 0,
    created: new Date().toISOString(),
    annotations,
    uid: process.getuid?.() ?? 0,
    namespaces: (linux?.namespaces ?? []).map(({ type, path }) => ({ type, ...(path && { path }) })),
    hooks: {
      startContainer: (hooks.startContainer ?? []) as State["hooks"]["startContainer"],
      poststart: (hooks.poststart ?? []) as State["hooks"]["poststart"],
      poststop: (hooks.poststop ?? []) as State["hooks"]["poststop"],
    },
    ...places,
    cgroupsMade: false,
    hasProcess: config.process !== undefined,
    memoryLimited: limitsMemory(linux?.resources),
    confined: isConfined(config),
    ...(!request.noNewKeyring && { keyring: keyringName(request.id) }),
    lastCalls: [],
  };
}

function isConfined({ process = { cwd: "", args: [] }, linux }: Config): boolean {
  const { seccomp, personality, memoryPolicy } = linux ?? {};
  return [seccomp, personality, memoryPolicy, process.apparmorProfile, process.selinuxLabel].some(Boolean);
}
