// From a bundle to a container whose init is everything but its program: what create and run have in common.
//
// What is made on the way is on one stack, and is unmade from its top when anything fails. A tsrun that is killed leaves
// what `delete --force` finds, by the state that is written first; the agent and init die with their sockets.

import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../linux/abi/fcntl.ts";
import { Agent, socketpair } from "../linux/agent/agent.ts";
import type { CgroupDirectory } from "../linux/cgroup-mount.ts";
import { Cgroup, type CgroupRecord } from "../linux/cgroups/cgroup.ts";
import { createCgroup } from "../linux/cgroups/create.ts";
import { type CgroupHost, cgroupHost } from "../linux/cgroups/host.ts";
import { cgroupPaths } from "../linux/cgroups/paths.ts";
import { ConfigError } from "../linux/errors.ts";
import { linkStatusOf } from "../linux/file-status.ts";
import { writeText } from "../linux/files.ts";
import { thisHost } from "../linux/host.ts";
import { AgentKernel } from "../linux/kernel.ts";
import { mkfifo } from "../linux/local.ts";
import { hasNamespace, type Namespaces } from "../linux/namespaces.ts";
import { absolute, resolveFrom } from "../linux/paths.ts";
import { Plan } from "../linux/plan.ts";
import { launch, type Program, type SeccompFilter, type StartFifos, setUp } from "../linux/programs.ts";
import { setLimits } from "../linux/rlimits.ts";
import { checkMountNamespace } from "../linux/rootfs.ts";
import type { Config, Process } from "../spec/config.gen.ts";
import { parseConfig } from "../spec/load.ts";
import { readText } from "../spec/read.ts";
import { SPEC_VERSION } from "../spec/version.ts";
import type { Globals } from "./command.ts";
import { checkConsole } from "./console.ts";
import { Container } from "./container.ts";
import { Descriptors } from "./descriptors.ts";
import { createHooks, hasCreateHooks } from "./hook-points.ts";
import { hostId, writeIdMaps } from "./id-maps.ts";
import { setOomScore } from "./oom-score.ts";
import { openNamespaces } from "./open-namespaces.ts";
import { processStat } from "./process-identity.ts";
import { descriptorTaker, finishProcess, setgroupsDenied } from "./process-setup.ts";
import { compileFilter } from "./seccomp-filter.ts";
import { SPEC_FILES } from "./spec-files.ts";
import type { State } from "./state-file.ts";
import { chownStreams, nullStreams, preservedDescriptors } from "./stdio.ts";

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
  /** Takes the master end of the container's terminal over. */
  readonly onTerminal: (master: number, name: string) => void;
  /** Whether tsrun's caller becomes the parent of init. Not so for a foreground `run`, whose agent waits for it. */
  readonly detached: boolean;
  /** Whether `start` will come: then init is given fifos to wait on. */
  readonly waitsForStart: boolean;
}

/** A container that is all there but for its program. */
export interface Newborn {
  readonly config: Config;
  readonly container: Container;
  /** init, which waits for its last plan. */
  readonly init: Agent;
  readonly kernel: AgentKernel;
  /** What cloned init. */
  readonly agent: Agent;
  /** Undefined where the config has no process. */
  readonly program: Program | undefined;
  readonly fifos: StartFifos;
}

/** Makes everything but the program run. Disposing of `undo` unmakes it. */
export async function bringUp(request: Request, undo: DisposableStack): Promise<Newborn> {
  const bundle = absolute(request.bundle);
  const file = request.config ?? `${bundle}/config.json`;
  const notify = managed() ? await import("./notify-create.ts") : undefined;
  const text = readText(file, SPEC_FILES);
  const given = parseConfig(text, file);
  const config = notify === undefined ? given : notify.withNotify(given, request);
  const { linux } = config;
  const rootfs = resolveFrom(bundle, config.root.path);
  checkRequest(request, config, rootfs);
  const descriptors = undo.use(new Descriptors());
  const namespaces = openNamespaces(config.linux, descriptors);
  checkMountNamespace(config, namespaces);
  const preserved = preservedDescriptors(request.preserveFds);
  for (const fd of preserved.fds) descriptors.lend(fd);

  const hookRunners = hasCreateHooks(config) ? await import("./hooks.ts") : undefined;
  const seccomp = linux?.seccomp === undefined ? undefined : await compileFilter(linux.seccomp, request.root);

  const container = undo.adopt(Container.create(request.root, request.id), (made) => made.remove());
  const host = request.cgroupManager === "disabled" ? NO_CGROUPS : cgroupHost();
  const cgroups = cgroupRecord(host, request, config);
  container.update(firstState(request, config, { bundle, rootfs, cgroups }));
  writeText(container.configPath, text, 0o600); // what was checked, whatever the file is by now
  notify?.prepareNotify(container.directory);
  const cgroup = undo.adopt(makeCgroup(host, request, config), (made) => {
    made.killAll();
    made.remove();
  });
  const fifos = request.waitsForStart ? makeFifos(container, descriptors) : { gate: -1, failure: -1 };

  const { agent, init, kernel, leftOpen } = spawnInit(undo, {
    request,
    config,
    namespaces,
    cgroup,
    descriptors,
    preserved,
  });
  if (namespaces.created.has("user")) writeIdMaps(init.pid, linux ?? {});
  if (config.process !== undefined) setFromOutside(init.pid, config.process);
  const stat = processStat(init.pid);
  container.update({ pid: init.pid, pidStart: stat?.start ?? 0, cgroupsMade: true });
  if (config.process !== undefined) chownStreams(hostUid(config.process, config, namespaces));

  const program = setUpInside(undo, {
    request,
    config,
    bundle,
    rootfs,
    namespaces,
    host,
    cgroup,
    container,
    hookRunners,
    seccomp,
    init,
    kernel,
    leftOpen,
    preserved,
  });
  return { config, container, init, kernel, agent, program, fifos };
}

/** Whether a service manager waits for the container to be ready: sd_notify(3). */
function managed(): boolean {
  return (process.env["NOTIFY_SOCKET"] ?? "") !== "";
}

const NO_CGROUPS: CgroupHost = { mode: "v1", hierarchies: [] };

function checkRequest(request: Request, config: Config, rootfs: string): void {
  checkConsole(config.process?.terminal === true, request.detached, request.consoleSocket);
  if (request.cgroupManager === "systemd")
    throw new ConfigError("--systemd-cgroup", "the systemd cgroup driver is not supported yet");
  const status = linkStatusOf(rootfs);
  if (status === undefined) throw new ConfigError("root.path", `${rootfs}: no such file or directory`);
  if (status.kind !== "directory") throw new ConfigError("root.path", `${rootfs}: not a directory`);
}

/** Where the cgroups will be, known before they are made so that a tsrun killed in between leaves none unknown. */
function cgroupRecord(host: CgroupHost, { id }: Request, { linux }: Config): CgroupRecord {
  if (host.hierarchies.length === 0) return { mode: host.mode, paths: {} };
  const directories = cgroupPaths(host, linux?.cgroupsPath, id);
  return {
    mode: host.mode,
    paths: Object.fromEntries(directories.map(({ hierarchy, path }) => [hierarchy.name, path])),
  };
}

function makeCgroup(host: CgroupHost, { id, rootless }: Request, { linux }: Config): Cgroup {
  if (host.hierarchies.length === 0) return new Cgroup(host.mode, new Map());
  return createCgroup(host, {
    id,
    cgroupsPath: linux?.cgroupsPath,
    resources: linux?.resources,
    rootless: rootless === true || (rootless === "auto" && process.geteuid?.() !== 0),
  });
}

interface Places {
  readonly bundle: string;
  readonly rootfs: string;
  readonly cgroups: CgroupRecord;
}

function firstState(request: Request, config: Config, { bundle, rootfs, cgroups }: Places): State {
  const { hooks = {}, annotations = {}, linux } = config;
  return {
    ociVersion: SPEC_VERSION,
    id: request.id,
    phase: "creating",
    pid: 0,
    pidStart: 0,
    created: new Date().toISOString(),
    bundle,
    rootfs,
    annotations,
    uid: process.getuid?.() ?? 0,
    namespaces: (linux?.namespaces ?? []).map(({ type, path }) => ({ type, ...(path && { path }) })),
    hooks: {
      startContainer: (hooks.startContainer ?? []) as State["hooks"]["startContainer"],
      poststart: (hooks.poststart ?? []) as State["hooks"]["poststart"],
      poststop: (hooks.poststop ?? []) as State["hooks"]["poststop"],
    },
    cgroups,
    cgroupsMade: false,
    hasProcess: config.process !== undefined,
    confined: linux?.seccomp !== undefined || linux?.personality !== undefined,
    lastCalls: [],
  };
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

interface Spawning {
  readonly request: Request;
  readonly config: Config;
  readonly namespaces: Namespaces;
  readonly cgroup: Cgroup;
  readonly descriptors: Descriptors;
  readonly preserved: { readonly fds: readonly number[] };
}

interface Spawned extends Pick<Newborn, "agent" | "init" | "kernel"> {
  /** Descriptors of init's that only the agent needed. */
  readonly leftOpen: readonly number[];
}

function spawnInit(undo: DisposableStack, to: Spawning): Spawned {
  using joins = to.cgroup.open();
  const [ours, theirs] = socketpair();
  const childSocket = to.descriptors.own(theirs);
  for (const fd of joins.tasks) to.descriptors.lend(fd);
  if (joins.directory !== undefined) to.descriptors.lend(joins.directory);
  const socket = to.descriptors.free();
  const agent = undo.use(Agent.spawn({ fds: to.descriptors.pairs(), argv0: "tsrun:init", socket }));
  to.descriptors[Symbol.dispose](); // the agent has its own
  const { plan, pid } = launch({
    namespaces: to.namespaces,
    timeOffsets: to.config.linux?.timeOffsets,
    cgroup: { tasks: joins.tasks, directory: joins.directory },
    firstPrivateFd: 3 + to.preserved.fds.length,
    childSocket,
    sibling: to.request.detached,
  });
  const results = new AgentKernel(agent).run(plan);
  const init = undo.use(Agent.adopted(ours, results.value(pid)));
  const kernel = new AgentKernel(init);
  kernel.adoptReply();
  return { agent, init, kernel, leftOpen: joins.directory === undefined ? [socket] : [socket, joins.directory] };
}

/** What tsrun does to init while it is root still, with rights that init may not have. */
function setFromOutside(pid: number, process: Process): void {
  setOomScore(pid, process.oomScoreAdj);
  setLimits(pid, process.rlimits);
}

function hostUid(process: Process, { linux }: Config, namespaces: Namespaces): number {
  const uid = process.user?.uid ?? 0;
  if (!namespaces.created.has("user")) return uid;
  const id = hostId(uid, linux?.uidMappings ?? []);
  if (id === undefined) throw new ConfigError("process.user.uid", `${uid} is not mapped in the user namespace`);
  return id;
}

interface Inside extends Omit<Spawning, "descriptors" | "preserved"> {
  readonly bundle: string;
  readonly rootfs: string;
  readonly host: CgroupHost;
  readonly container: Container;
  readonly hookRunners: typeof import("./hooks.ts") | undefined;
  readonly seccomp: SeccompFilter | undefined;
  readonly init: Agent;
  readonly kernel: AgentKernel;
  readonly leftOpen: readonly number[];
  readonly preserved: { readonly env: readonly string[] };
}

/** Everything in init up to the program. */
function setUpInside(undo: DisposableStack, at: Inside): Program | undefined {
  const { request, config, namespaces, init, kernel } = at;
  const takeDescriptor = descriptorTaker(undo, init.pid);
  const plan = new Plan();
  const { to, terminal } = setUp({
    plan,
    config,
    host: thisHost,
    namespaces,
    bundle: at.bundle,
    rootfs: at.rootfs,
    cgroups: cgroupDirectories(at.cgroup, at.host),
    takeDescriptor,
    id: request.id,
    newKeyring: !request.noNewKeyring,
    noPivot: request.noPivot,
    leftOpen: at.leftOpen,
    ...createHooks(config, at.container.state, at.hookRunners),
  });
  for (const check of to.checks) plan.pause("check", check);
  const { process, linux } = config;
  if (process === undefined) {
    kernel.run(plan);
    return undefined;
  }
  return finishProcess(kernel, plan, {
    process,
    personality: linux?.personality,
    seccomp: at.seccomp,
    terminal,
    onTerminal: request.onTerminal,
    takeDescriptor,
    nullStdio: terminal === undefined ? nullStreams() : [],
    defaultUmask: DEFAULT_UMASK,
    extraEnv: at.preserved.env,
    lastCapability: thisHost.lastCapability(),
    setgroupsDenied: hasNamespace(namespaces, "user") && setgroupsDenied(init.pid),
  });
}

/** The specification leaves the umask to the caller; every runtime makes it this, and images rely on it. */
const DEFAULT_UMASK = 0o022;

/** What a cgroup mount shows: the container's own, or tsrun's where it has none. */
function cgroupDirectories(cgroup: Cgroup, host: CgroupHost): CgroupDirectory[] {
  const paths = Object.entries(cgroup.record().paths);
  if (paths.length > 0) return paths.map(([name, directory]) => ({ name, directory }));
  return host.hierarchies.map(({ name, mount, own }) => ({ name, directory: `${mount}${own}` }));
}
