// The plan of everything in init up to its program: programs.ts, with what the command line and the host have to say.

import type { CgroupDirectory } from "../linux/cgroup-mount.ts";
import { keepsGroups } from "../linux/credentials.ts";
import { thisHost } from "../linux/host.ts";
import { hasNamespace, type Namespaces } from "../linux/namespaces.ts";
import { type Answers, Plan } from "../linux/plan.ts";
import { setUp } from "../linux/programs.ts";
import { planLastButOne, type SeccompFilter } from "../linux/seccomp/load.ts";
import { inUserNamespace } from "../linux/user-namespace.ts";
import type { Config } from "../spec/config.gen.ts";
import type { Heir } from "./beget.ts";
import type { Container } from "./container.ts";
import { createHooks, hookState } from "./hook-points.ts";
import type { HookState } from "./hooks.ts";
import { DescriptorTaker, planProcess } from "./process-setup.ts";
import type { Request } from "./request.ts";
import { withListener } from "./seccomp-listener.ts";
import { nullStreams } from "./stdio.ts";
import { Succession } from "./succession.ts";
import { isOrdinaryUser } from "./users.ts";

/** What it is made of. */
export interface Inside {
  readonly request: Request;
  readonly config: Config;
  readonly bundle: string;
  readonly rootfs: string;
  readonly namespaces: Namespaces;
  /** What a cgroup mount shows. */
  readonly cgroups: readonly CgroupDirectory[];
  readonly container: Container;
  readonly onHooks: () => void;
  readonly seccomp: SeccompFilter | undefined;
  readonly procfs: number | undefined;
  readonly leftOpen: readonly number[];
  readonly cgroupTasks: readonly number[];
  readonly idmapped: ReadonlyMap<number, number>;
  readonly env: readonly string[];
  /** Where init is not in its pid namespace yet: that, as a descriptor, and what is to be there. */
  readonly pids: number | undefined;
  readonly heir: Heir | undefined;
}

/**
 * The plan of everything in init up to its program; `bear` tells of it once it is there, `check` looks at the answers, and
 * `succession` is of one that is an envoy.
 */
export function planInside(at: Inside) {
  const { request, config, namespaces } = at;
  const taker = new DescriptorTaker();
  const plan = new Plan();
  const { to, terminal } = setUp({
    plan,
    config,
    host: thisHost,
    namespaces,
    bundle: at.bundle,
    rootfs: at.rootfs,
    cgroups: at.cgroups,
    takeDescriptor: taker.take,
    noPivot: request.noPivot,
    leftOpen: at.leftOpen,
    cgroupTasks: at.cgroupTasks,
    idmapped: at.idmapped,
    unprivileged: isOrdinaryUser(),
    pids: at.pids,
    ...createHooks(config, at.container, at.onHooks),
  });
  const check = (answers: Answers): void => {
    for (const each of to.checks) each(answers);
  };
  const { process, linux } = config;
  if (process === undefined) return { plan, check, programOf: undefined, bear: taker.from, succession: undefined };
  const succession = at.heir && new Succession(at.heir, process);
  const state = (): HookState => hookState(at.container.state, "creating", at.container.state.pid);
  const seccomp = withListener(at.seccomp, linux?.seccomp, taker, state, succession?.later);
  const programOf = planProcess(plan, {
    process,
    personality: linux?.personality,
    memoryPolicy: linux?.memoryPolicy,
    seccomp,
    procfs: at.procfs,
    terminal,
    onTerminal: request.onTerminal,
    takeDescriptor: taker.take,
    nullStdio: terminal === undefined ? nullStreams() : [],
    defaultUmask: DEFAULT_UMASK,
    extraEnv: at.env,
    lastCapability: thisHost.lastCapability(),
    held: hasNamespace(namespaces, "user") ? undefined : thisHost.heldCapabilities(),
    keepsGroups: keepsGroups(config.annotations),
    inUserNamespace: hasNamespace(namespaces, "user") || inUserNamespace(),
    openToOwner: isOrdinaryUser() && namespaces.created.has("user"),
    isEnvoy: succession !== undefined,
  });
  planLastButOne(succession?.planBirth(plan) ?? plan, process, seccomp);
  return { plan, check, programOf, bear: taker.from, succession };
}

/** The specification leaves the umask to the caller; every runtime makes it this, and images rely on it. */
const DEFAULT_UMASK = 0o022;
