// From a bundle to a container whose init is everything but its program: what create and run have in common.
//
// What is made on the way is on one stack, and is unmade from its top when anything fails. A tsrun that is killed leaves
// what `delete --force` finds, by the state that is written first; the agent and init die with their sockets.

import { O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from "../linux/abi/fcntl.ts";
import { type Agent, AgentEnded } from "../linux/agent/agent.ts";
import type { Cgroup } from "../linux/cgroups/cgroup.ts";
import { ConfigError } from "../linux/errors.ts";
import { linkStatusOf } from "../linux/file-status.ts";
import { thisHost } from "../linux/host.ts";
import type { AgentKernel } from "../linux/kernel.ts";
import { mkfifo } from "../linux/local.ts";
import { checkModules, procfsFor } from "../linux/lsm.ts";
import type { JoinedNamespace, Namespaces } from "../linux/namespaces.ts";
import { absolute, resolveFrom } from "../linux/paths.ts";
import type { Answers, Plan } from "../linux/plan.ts";
import type { Program, StartFifos } from "../linux/programs.ts";
import { checkMountNamespace } from "../linux/rootfs.ts";
import type { Config } from "../spec/config.gen.ts";
import { parseConfig } from "../spec/load.ts";
import { readText } from "../spec/read.ts";
import { type Born, beget, expectHeir } from "./beget.ts";
import { claim } from "./claim.ts";
import { checkConsole } from "./console.ts";
import type { Container } from "./container.ts";
import { Descriptors } from "./descriptors.ts";
import { equip, startOf } from "./equip.ts";
import { IdmappedMounts } from "./idmapped-mounts.ts";
import { keyringOf } from "./join.ts";
import { checkNetDevices, type NetDevices } from "./net-devices.ts";
import { prepareNotify, withNotify } from "./notify-create.ts";
import { initKilled, outOfMemory } from "./oom-death.ts";
import { openNamespaces } from "./open-namespaces.ts";
import { sendPidfd } from "./pidfd-socket.ts";
import { planInside } from "./plan-inside.ts";
import type { Request } from "./request.ts";
import { checkRootless } from "./rootless.ts";
import { compileFilter } from "./seccomp-filter.ts";
import { SPEC_FILES } from "./spec-files.ts";
import { preservedDescriptors } from "./stdio.ts";
import { pidsOfHeir } from "./succession.ts";
import { isOrdinaryUser } from "./users.ts";
import { warnOf } from "./warnings.ts";

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
  const { config, text, notified } = configOf(request, bundle);
  const { linux } = config;
  const rootfs = resolveFrom(bundle, config.root.path);
  checkRequest(request, config, rootfs);
  const given = open(request, config, bundle, undo);
  const { descriptors, namespaces, idmapped, procfs } = given;
  const seccomp = linux?.seccomp === undefined ? undefined : compileFilter(linux.seccomp, request.root);

  request.beforehand?.();
  const claimed = claim(request, { config, text, bundle, rootfs, namespaces }, undo);
  const { container, placement, onHooks } = claimed;
  if (notified) prepareNotify(container.directory);
  const birthplace = placement.before(undo);
  const pids = pidsOfHeir(config, namespaces, request.log);
  const heir = pids && expectHeir(undo, descriptors, request.log.tell);
  const fifos = request.waitsForStart ? makeFifos(container, descriptors) : { gate: -1, failure: -1 };

  const expected = beget(undo, {
    name: "tsrun:init",
    namespaces: pids === undefined ? namespaces : without(namespaces, pids),
    keyring: keyringOf(container.state, true),
    confined: config.process,
    procfs,
    timeOffsets: linux?.timeOffsets,
    oomScore: config.process?.oomScoreAdj,
    cgroup: birthplace,
    descriptors,
    tell: request.log.tell,
    firstPrivateFd: given.firstPrivateFd,
    unprivileged: isOrdinaryUser(),
  });
  // All of this is made while the kernel makes the process.
  const { plan, check, programOf, bear, succession } = planInside({
    request,
    config,
    bundle,
    rootfs,
    namespaces,
    cgroups: placement.shown(),
    container,
    onHooks,
    seccomp,
    procfs,
    leftOpen: expected.leftOpen,
    cgroupTasks: expected.cgroupTasks,
    idmapped: idmapped.descriptors,
    env: given.env,
    pids: pids?.fd,
    heir,
  });
  const born = expected.meet();
  const { child: first, kernel } = born;
  bear(born);
  const { cgroup, netDevices } = equip(first.pid, { ...claimed, request, config, namespaces, idmapped }, undo);
  kept.push(config, plan, given, expected, born);
  // Hooks have run by the last of the plan: until then the container is not said to be created.
  const run = (each: AgentKernel, what: Plan) => runLimited(each, what, cgroup, linux?.resources?.memory?.limit);
  const answers = run(kernel, plan);
  onHooks();
  check(answers);
  const program = programOf?.(answers, kernel);
  const meet = (heir: Born): void => {
    bear(heir);
    const { pid } = heir.child;
    request.log.debug(`init is process ${pid}, which ${first.pid} has cloned`);
    container.note({ pid, pidStart: startOf(pid) });
  };
  const next = succession?.succeed(born, answers, meet);
  if (next !== undefined) run(next.heir.kernel, next.own);
  const init = next?.heir ?? born;
  sendPidfd(request.pidfdSocket, init.child.pid);
  return { container, init: init.child, kernel: init.kernel, netDevices, program, fifos };
}

/** The namespaces that a process is in whose child joins the one given. */
function without(namespaces: Namespaces, later: JoinedNamespace): Namespaces {
  return { ...namespaces, joined: namespaces.joined.filter((each) => each !== later) };
}

/** What is kept to the end of tsrun: the engine would free its thousands of objects one by one, and `create` is about to end. */
const kept: unknown[] = [];

/** The configuration, checked and with what a service manager needs; and its text. */
function configOf(request: Request, bundle: string): { config: Config; text: string; notified: boolean } {
  const file = request.config ?? `${bundle}/config.json`;
  const text = readText(file, SPEC_FILES);
  const config = parseConfig(text, file);
  warnOf(config, request.log);
  const notified = managed();
  return { config: notified ? withNotify(config, request) : config, text, notified };
}

/** Opens what init is given, before anything is made. */
function open(request: Request, config: Config, bundle: string, undo: DisposableStack) {
  // First, since what is opened here would be taken for what the caller has handed on.
  const preserved = preservedDescriptors(request.preserveFds);
  const descriptors = undo.use(new Descriptors());
  const namespaces = openNamespaces(config.linux, descriptors);
  checkMountNamespace(config, namespaces);
  checkNetDevices(config.linux?.netDevices, namespaces);
  checkRootless(config, namespaces);
  for (const fd of preserved.fds) descriptors.lend(fd);
  const idmapped = undo.use(new IdmappedMounts(config, bundle, namespaces));
  for (const fd of idmapped.descriptors.values()) descriptors.lend(fd);
  const procfs = descriptors.ownIfAny(procfsFor(config.process ?? {}));
  const { env, fds } = preserved;
  return { descriptors, namespaces, idmapped, procfs, env, firstPrivateFd: 3 + fds.length };
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

/** Whether a service manager waits for the container to be ready: sd_notify(3). */
function managed(): boolean {
  return (process.env.NOTIFY_SOCKET ?? "") !== "";
}

/** Refuses what cannot be, before anything is made. */
export function checkRequest(request: Request, config: Config, rootfs: string): void {
  checkModules(config.process ?? {}, config.linux?.mountLabel, thisHost);
  checkConsole(config.process?.terminal === true, request.detached, request.consoleSocket);
  const status = linkStatusOf(rootfs);
  if (status === undefined) throw new ConfigError("root.path", `${rootfs}: no such file or directory`);
  if (status.kind !== "directory") throw new ConfigError("root.path", `${rootfs}: not a directory`);
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
