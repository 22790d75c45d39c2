// From a bundle to a container whose init is everything but its program: what create and run have in common.
//
// What is made on the way is on one stack, and is unmade from its top when anything fails. A tsrun that is killed leaves
// what `delete --force` finds, by the state that is written first; the agent and init die with their sockets.

import { CAPABILITIES } from "../linux/abi/capability.ts";
import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../linux/abi/fcntl.ts";
import { type Agent, AgentEnded } from "../linux/agent/agent.ts";
import type { CgroupDirectory } from "../linux/cgroup-mount.ts";
import { Cgroup, type CgroupRecord } from "../linux/cgroups/cgroup.ts";
import { type CgroupRequest, createCgroup } from "../linux/cgroups/create.ts";
import { type CgroupHost, cgroupHost } from "../linux/cgroups/host.ts";
import { cgroupPaths } from "../linux/cgroups/paths.ts";
import { createUnit, unitRecord } from "../linux/cgroups/systemd/create.ts";
import { type Unit, unitOf } from "../linux/cgroups/systemd/unit.ts";
import { ConfigError } from "../linux/errors.ts";
import { linkStatusOf } from "../linux/file-status.ts";
import { writeText } from "../linux/files.ts";
import { thisHost } from "../linux/host.ts";
import { mountAt } from "../linux/host-mount.ts";
import type { AgentKernel } from "../linux/kernel.ts";
import { mkfifo } from "../linux/local.ts";
import { checkModules, procfsFor } from "../linux/lsm.ts";
import { hasNamespace, type Namespaces } from "../linux/namespaces.ts";
import { absolute, resolveFrom } from "../linux/paths.ts";
import { type Answers, Plan } from "../linux/plan.ts";
import { type Program, type SeccompFilter, type StartFifos, setUp } from "../linux/programs.ts";
import { joinRdt, makeRdt, type RdtRecord, rdtRecord } from "../linux/rdt/group.ts";
import { setLimits } from "../linux/rlimits.ts";
import { checkMountNamespace } from "../linux/rootfs.ts";
import { inUserNamespace } from "../linux/user-namespace.ts";
import type { Config } from "../spec/config.gen.ts";
import { parseConfig } from "../spec/load.ts";
import { readText } from "../spec/read.ts";
import { SPEC_VERSION } from "../spec/version.ts";
import { configWarnings } from "../spec/warnings.ts";
import { beget } from "./beget.ts";
import { giveCgroup } from "./cgroup-ownership.ts";
import type { Globals } from "./command.ts";
import { checkConsole } from "./console.ts";
import { Container } from "./container.ts";
import { Descriptors } from "./descriptors.ts";
import { unmountRoot } from "./destroy.ts";
import { createHooks, hasCreateHooks, hookState, runPoststop } from "./hook-points.ts";
import { checkIdMaps, checkIds, writeIdMaps } from "./id-maps.ts";
import { IdmappedMounts } from "./idmapped-mounts.ts";
import type { Log } from "./log.ts";
import { checkNetDevices, NetDevices } from "./net-devices.ts";
import { prepareNotify, withNotify } from "./notify-create.ts";
import { initKilled, limitsMemory, outOfMemory } from "./oom-death.ts";
import { openNamespaces } from "./open-namespaces.ts";
import { sendPidfd } from "./pidfd-socket.ts";
import { processStat } from "./process-identity.ts";
import { DescriptorTaker, planProcess } from "./process-setup.ts";
import { checkRootless, isRootless } from "./rootless.ts";
import { compileFilter } from "./seccomp-filter.ts";
import { withListener } from "./seccomp-listener.ts";
import { SPEC_FILES } from "./spec-files.ts";
import type { State } from "./state-file.ts";
import { giveStreams, nullStreams, preservedDescriptors } from "./stdio.ts";
import { isOrdinaryUser } from "./users.ts";

/** What the command line says about a container to be made. */
export interface Request extends Globals {
  readonly id: string;
  readonly bundle: string;
  /** Path of the configuration; undefined: config.json in the bundle. */
  readonly config: string | undefined;
  readonly noPivot: boolean;
  readonly noNewKeyring: boolean;
  readonly preserveFds: number;
  readonly consoleSocket: string | undefined;
  readonly pidfdSocket: string | undefined;
  /** Takes the master end of the container's terminal over. */
  readonly onTerminal: (master: number, name: string) => void;
  /** Whether tsrun ends before the container does: then somebody else must take its terminal. */
  readonly detached: boolean;
  /** Called before the first thing is made that a tsrun ended by a signal would leave. */
  readonly beforehand?: () => void;
  /** Whether `start` will come: then init is given fifos to wait on. */
  readonly waitsForStart: boolean;
}

/** A container that is all there but for its program. */
export interface Newborn {
  readonly container: Container;
  /** init, which waits for its last plan. */
  readonly init: Agent;
  readonly kernel: AgentKernel;
  /** Go back to the host with what is undone, unless they are kept. */
  readonly netDevices: NetDevices;
  /** Undefined where the config has no process. */
  readonly program: Program | undefined;
  readonly fifos: StartFifos;
}

/** Makes everything but the program run. Disposing of `undo` unmakes it. */
export function bringUp(request: Request, undo: DisposableStack): Newborn {
  const bundle = absolute(request.bundle);
  const file = request.config ?? `${bundle}/config.json`;
  const notified = managed();
  const text = readText(file, SPEC_FILES);
  const given = parseConfig(text, file);
  if (request.log.wants("warning")) warnOf(given, request.log);
  const config = notified ? withNotify(given, request) : given;
  const { linux } = config;
  const rootfs = resolveFrom(bundle, config.root.path);
  checkRequest(request, config, rootfs);
  // Before anything is opened here, which would be taken for what the caller has handed on.
  const preserved = preservedDescriptors(request.preserveFds);
  const descriptors = undo.use(new Descriptors());
  const namespaces = openNamespaces(config.linux, descriptors);
  checkMountNamespace(config, namespaces);
  checkNetDevices(linux?.netDevices, namespaces);
  checkRootless(config, namespaces);
  for (const fd of preserved.fds) descriptors.lend(fd);
  const idmapped = undo.use(new IdmappedMounts(config, bundle, namespaces));
  for (const fd of idmapped.descriptors.values()) descriptors.lend(fd);

  const procfs = descriptors.ownIfAny(procfsFor(config.process ?? {}));

  const seccomp = linux?.seccomp === undefined ? undefined : compileFilter(linux.seccomp, request.root);

  let needsPoststop = false;
  undo.defer(() => {
    // runtime.md#lifecycle: after a hook that failed the container is destroyed, and then these run. What else fails once
    // hooks have run, or a container is whole, ends in the same way: somebody must take down what the hooks have set up.
    if (needsPoststop) runPoststop(container.state, request.log);
  });
  request.beforehand?.();
  const container = undo.adopt(Container.create(request.root, request.id), (made) => made.remove());
  const host = request.cgroupManager === "disabled" ? NO_CGROUPS : cgroupHost();
  const cgroups = cgroupRecord(host, request, config);
  const rdt = linux?.intelRdt && rdtRecord(linux.intelRdt, request.id);
  const places = { bundle, rootfs, cgroups, ...(rdt && { rdt }), ...mountBefore(namespaces, rootfs) };
  container.update(firstState(request, config, places));
  undo.defer(() => unmountRoot(container.state));
  writeText(container.configPath, text, 0o600); // what was checked, whatever the file is by now
  if (notified) prepareNotify(container.directory);
  if (rdt !== undefined && linux?.intelRdt !== undefined) undo.use(makeRdt(rdt, linux.intelRdt));
  // A unit of systemd's is made around a process that is there; without systemd the cgroup is there first.
  const { unit } = cgroups;
  const early = unit === undefined ? undo.adopt(makeCgroup(host, request, config), unmake) : Cgroup.fromRecord(cgroups);
  const fifos = request.waitsForStart ? makeFifos(container, descriptors) : { gate: -1, failure: -1 };

  const expected = beget(undo, {
    name: "tsrun:init",
    namespaces,
    keyring: request.noNewKeyring ? undefined : request.id,
    confined: config.process,
    procfs,
    timeOffsets: linux?.timeOffsets,
    oomScore: config.process?.oomScoreAdj,
    cgroup: unit === undefined ? early : Cgroup.NONE,
    entersCgroupLater: true,
    descriptors,
    firstPrivateFd: 3 + preserved.fds.length,
    unprivileged: isOrdinaryUser(),
  });
  // All of this is made while the kernel makes the process.
  const { plan, programOf, bear } = planInside({
    request,
    config,
    bundle,
    rootfs,
    namespaces,
    host,
    cgroup: early,
    container,
    onHooks: () => {
      needsPoststop = true;
    },
    seccomp,
    procfs,
    leftOpen: expected.leftOpen,
    cgroupTasks: expected.cgroupTasks,
    idmapped: idmapped.descriptors,
    env: preserved.env,
  });
  const born = expected.meet();
  const { child: init, kernel } = born;
  bear(born);
  const cgroup =
    unit === undefined ? early : undo.adopt(makeUnit(host, request, config, { cgroups, unit, pid: init.pid }), unmake);
  if (request.debug) request.log.debug(`init is process ${init.pid}; its cgroups: ${JSON.stringify(cgroups.paths)}`);
  settleIds(config, namespaces, init.pid);
  idmapped.map(init.pid);
  const netDevices = undo.use(new NetDevices());
  netDevices.move(linux?.netDevices, init.pid);
  if (rdt !== undefined) joinRdt(rdt, init.pid);
  giveCgroup(cgroup, config, init.pid);
  if (config.process !== undefined) setLimits(init.pid, config.process.rlimits);
  container.note({
    pid: init.pid,
    pidStart: processStat(init.pid)?.start ?? 0,
    cgroupsMade: true,
    cgroups: cgroup.record(),
  });
  // Hooks may ask for the state. Otherwise nobody has a use for it before all is there.
  if (hasCreateHooks(config)) container.update({});
  if (config.process !== undefined) giveStreams(config.process, linux?.namespaces ?? [], init.pid);
  // Hooks have run by the last of the plan: until then the container is not said to be created.
  const answers = runLimited(kernel, plan, cgroup, linux?.resources?.memory?.limit);
  needsPoststop = true;
  const program = programOf?.(answers, kernel);
  sendPidfd(request.pidfdSocket, init.pid);
  return { container, init, kernel, netDevices, program, fifos };
}

/** Sees to it that the container's ids are some of the host's. */
function settleIds(config: Config, namespaces: Namespaces, pid: number): void {
  if (namespaces.created.has("user")) writeIdMaps(pid, config.linux ?? {});
  else if (hasNamespace(namespaces, "user")) {
    checkIdMaps(pid, config.linux ?? {});
    checkIds(config, pid);
  } else if (inUserNamespace()) checkIds(config, "self");
}

/** In the words that callers of runc's look for. */
function runLimited(kernel: AgentKernel, plan: Plan, cgroup: Cgroup, memory: number | bigint = 0): Answers {
  try {
    return kernel.run(plan);
  } catch (error) {
    if (!(error instanceof AgentEnded && error.byKill)) throw error;
    const told = outOfMemory(cgroup);
    if (told === undefined && memory <= 0) throw error;
    throw initKilled(told);
  }
}

/** config.md: a capability that the kernel does not know MUST be warned of. Not by default: log.ts says against whom. */
function warnOf(config: Config, log: Log): void {
  const known = new Set<string>(CAPABILITIES.slice(0, thisHost.lastCapability() + 1));
  for (const { pointer, message } of configWarnings(config, known)) log.warn(`${pointer}: ${message}`);
}

/** Whether a service manager waits for the container to be ready: sd_notify(3). */
function managed(): boolean {
  return (process.env.NOTIFY_SOCKET ?? "") !== "";
}

const NO_CGROUPS: CgroupHost = { mode: "v1", hierarchies: [] };

function checkRequest(request: Request, config: Config, rootfs: string): void {
  checkModules(config.process ?? {}, config.linux?.mountLabel, thisHost);
  checkConsole(config.process?.terminal === true, request.detached, request.consoleSocket);
  const status = linkStatusOf(rootfs);
  if (status === undefined) throw new ConfigError("root.path", `${rootfs}: no such file or directory`);
  if (status.kind !== "directory") throw new ConfigError("root.path", `${rootfs}: not a directory`);
}

/** Where the cgroups will be, known before they are made so that a tsrun killed in between leaves none unknown. */
function cgroupRecord(host: CgroupHost, request: Request, { linux }: Config): CgroupRecord {
  if (host.hierarchies.length === 0) return { mode: host.mode, paths: {} };
  if (request.cgroupManager === "systemd") {
    const bus = isRootless(request.rootless) || inUserNamespace() ? "user" : "system";
    return unitRecord(host, unitOf(linux?.cgroupsPath, request.id, bus));
  }
  const directories = cgroupPaths(host, linux?.cgroupsPath, request.id);
  return {
    mode: host.mode,
    paths: Object.fromEntries(directories.map(({ hierarchy, path }) => [hierarchy.name, path])),
  };
}

function makeCgroup(host: CgroupHost, request: Request, config: Config): Cgroup {
  if (host.hierarchies.length === 0) return Cgroup.NONE;
  return createCgroup(host, cgroupRequest(request, config));
}

/** The same as a systemd unit, which takes the container's first process. */
function makeUnit(
  host: CgroupHost,
  request: Request,
  config: Config,
  { cgroups: record, unit, pid }: { cgroups: CgroupRecord; unit: Unit; pid: number },
): Cgroup {
  const { annotations = {} } = config;
  return createUnit(host, { ...cgroupRequest(request, config), unit, record, annotations, pid });
}

function cgroupRequest(request: Request, { linux }: Config): CgroupRequest {
  return {
    id: request.id,
    cgroupsPath: linux?.cgroupsPath,
    resources: linux?.resources,
    rootless: () => isRootless(request.rootless),
  };
}

function unmake(cgroup: Cgroup): void {
  cgroup.killAll();
  cgroup.remove();
}

interface Places {
  readonly bundle: string;
  readonly rootfs: string;
  readonly cgroups: CgroupRecord;
  readonly rdt?: RdtRecord;
  readonly mountBefore?: number;
}

function mountBefore(namespaces: Namespaces, rootfs: string): Pick<Places, "mountBefore"> {
  return hasNamespace(namespaces, "mount") ? {} : { mountBefore: mountAt(rootfs) };
}

function firstState(request: Request, config: Config, places: Places): State {
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
    ownKeyring: !request.noNewKeyring,
    lastCalls: [],
  };
}

function isConfined({ process = { cwd: "", args: [] }, linux }: Config): boolean {
  const { seccomp, personality, memoryPolicy } = linux ?? {};
  return [seccomp, personality, memoryPolicy, process.apparmorProfile, process.selinuxLabel].some(Boolean);
}

/**
 * Two, since what `start` writes must not be what it reads. The gate is opened both ways: a read of it waits, whether or
 * not anybody has it open to write. The other can only be written to by init, whose agent ends when it cannot read.
 */
function makeFifos(container: Container, descriptors: Descriptors): StartFifos {
  mkfifo(container.fifoPath, 0o600);
  mkfifo(container.failurePath, 0o600);
  descriptors.open(container.failurePath, O_RDONLY | O_NONBLOCK); // lets the writer open
  const failure = descriptors.open(container.failurePath, O_WRONLY);
  return { gate: descriptors.open(container.fifoPath, O_RDWR), failure };
}

interface Inside {
  readonly request: Request;
  readonly config: Config;
  readonly bundle: string;
  readonly rootfs: string;
  readonly namespaces: Namespaces;
  readonly host: CgroupHost;
  readonly cgroup: Cgroup;
  readonly container: Container;
  readonly onHooks: () => void;
  readonly seccomp: SeccompFilter | undefined;
  readonly procfs: number | undefined;
  readonly leftOpen: readonly number[];
  readonly cgroupTasks: readonly number[];
  readonly idmapped: ReadonlyMap<number, number>;
  readonly env: readonly string[];
}

/** The plan of everything in init up to its program; `bear` tells of it once it is there. */
function planInside(at: Inside) {
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
    cgroups: cgroupDirectories(at.cgroup, at.host, request),
    takeDescriptor: taker.take,
    noPivot: request.noPivot,
    leftOpen: at.leftOpen,
    cgroupTasks: at.cgroupTasks,
    idmapped: at.idmapped,
    unprivileged: isOrdinaryUser(),
    ...createHooks(config, at.container, at.onHooks),
  });
  for (const check of to.checks) plan.pause("check", check);
  const { process, linux } = config;
  if (process === undefined) return { plan, programOf: undefined, bear: taker.from };
  const programOf = planProcess(plan, {
    process,
    personality: linux?.personality,
    memoryPolicy: linux?.memoryPolicy,
    seccomp: withListener(at.seccomp, linux?.seccomp, taker, () => {
      const { state } = at.container;
      return hookState(state, "creating", state.pid);
    }),
    procfs: at.procfs,
    terminal,
    onTerminal: request.onTerminal,
    takeDescriptor: taker.take,
    nullStdio: terminal === undefined ? nullStreams() : [],
    defaultUmask: DEFAULT_UMASK,
    extraEnv: at.env,
    lastCapability: thisHost.lastCapability(),
    inUserNamespace: hasNamespace(namespaces, "user") || inUserNamespace(),
    openToOwner: isOrdinaryUser() && namespaces.created.has("user"),
  });
  return { plan, programOf, bear: taker.from };
}

/** The specification leaves the umask to the caller; every runtime makes it this, and images rely on it. */
const DEFAULT_UMASK = 0o022;

/**
 * What a cgroup mount shows: the container's own, or tsrun's where it has none; for one who is rootless, whose own he could
 * change from inside, nothing (CVE-2023-25809).
 */
function cgroupDirectories(cgroup: Cgroup, host: CgroupHost, { rootless }: Request): CgroupDirectory[] {
  const paths = Object.entries(cgroup.record().paths);
  if (paths.length > 0) return paths.map(([name, directory]) => ({ name, directory }));
  if (isRootless(rootless)) return [];
  return host.hierarchies.map(({ name, mount, own }) => ({ name, directory: `${mount}${own}` }));
}
