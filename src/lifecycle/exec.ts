// tsrun exec: one more process in a container. runtime-spec has no words on exec: this is runc's.
//
// Nobody is seen in the container who has more rights than it has (succession.ts):
//
//    agent     joins init's namespaces but for those of pids and users, and clones, into the container's cgroup,
//    envoy     which becomes all that the process is to be, as init did, and clones, into init's pid namespace,
//    process   which leads a session, and runs the program
//
// The envoy is left out, and is the process itself, where nobody would see more of the one than of the other: in a container
// without a pid namespace. So it is for an ordinary user, whose agent is in a user namespace before all else: to it no process in
// there has rights, since its memory is of the host's. And where a filter that is loaded while it is still root asks a listener about
// what the envoy itself calls: the listener is to be told which process it is for, and that is not there yet.

import { AT_FDCWD, O_DIRECTORY, O_PATH, O_RDONLY } from "../linux/abi/fcntl.ts";
import { CLONE_NEWPID } from "../linux/abi/sched.ts";
import type { Teller } from "../linux/agent/agent.ts";
import { close, openat } from "../linux/calls.ts";
import type { Cgroup } from "../linux/cgroups/cgroup.ts";
import { keepsGroups, planRootOfUserNamespace } from "../linux/credentials.ts";
import { thisHost } from "../linux/host.ts";
import { pidfdOpen } from "../linux/local.ts";
import { checkModules, procfsFor } from "../linux/lsm.ts";
import { planJoinCgroups } from "../linux/namespaces.ts";
import { type Answers, Plan } from "../linux/plan.ts";
import { type InitToJoin, planEnterCgroup, planJoinPids, planJoinUser, runNow } from "../linux/programs.ts";
import { joinRdt } from "../linux/rdt/group.ts";
import { setLimits } from "../linux/rlimits.ts";
import { planChroot } from "../linux/rootfs.ts";
import { planLastButOne, type SeccompFilter } from "../linux/seccomp/load.ts";
import { planTerminal } from "../linux/terminal.ts";
import { inUserNamespace } from "../linux/user-namespace.ts";
import type { Config, Process, Seccomp } from "../spec/config.gen.ts";
import { type Born, beget, expectHeir, type Heir } from "./beget.ts";
import type { Context, ExitStatus } from "./command.ts";
import type { FlagsOf } from "./command-table.ts";
import { checkConsole, consoleSender } from "./console.ts";
import { Container } from "./container.ts";
import { Descriptors } from "./descriptors.ts";
import { cgroupForExec, enterable, refuseFrozen, takeIn } from "./exec-cgroup.ts";
import { execProcess } from "./exec-process.ts";
import { catchSignals, waitInForeground } from "./foreground.ts";
import { hookState } from "./hook-points.ts";
import { checkIds } from "./id-maps.ts";
import { bringsRoot, cgroupNamespaceOf, hasUserNamespace, keyringOf, namespaceFlags, rootOf } from "./join.ts";
import { writePidFile } from "./pid-file.ts";
import { sendPidfd } from "./pidfd-socket.ts";
import { DescriptorTaker, planProcess } from "./process-setup.ts";
import { compileFilter } from "./seccomp-filter.ts";
import { withListener } from "./seccomp-listener.ts";
import { giveStreams, nullStreams, preservedDescriptors } from "./stdio.ts";
import { asksEarly, Succession } from "./succession.ts";
import { TerminalProxy } from "./terminal-proxy.ts";
import { UsageError } from "./usage-error.ts";
import { isOrdinaryUser } from "./users.ts";
import { warnOfProcess } from "./warnings.ts";

/** Runs a process. The status is its own when tsrun waits for it. */
export function command(context: Context<"exec">): ExitStatus {
  const { root, flags, args } = context;
  const container = Container.open(root, args[0]);
  checkStatus(container, flags.ignorePaused);
  const { process, config } = execProcess(container, flags, args.slice(1));
  checkConsole(process.terminal === true, flags.detach, flags.consoleSocket);
  warnOfProcess(process, hasUserNamespace(container.state), context.log);
  const cgroup = cgroupForExec(container, flags.cgroup);
  checkModules(process, undefined, thisHost);
  const seccomp = config?.linux?.seccomp === undefined ? undefined : compileFilter(config.linux.seccomp, root);

  using undo = new DisposableStack();
  const entry = enter(undo, {
    container,
    cgroup,
    process,
    seccomp: config?.linux?.seccomp,
    flags,
    tell: (message, again, pid) => {
      refuseFrozen(container, pid);
      context.log.tell(message, again);
    },
  });
  let proxy: TerminalProxy | undefined;
  const onTerminal = (master: number, name: string): void => {
    if (flags.detach) consoleSender(flags.consoleSocket)(master, name);
    else proxy = undo.use(new TerminalProxy(master));
  };
  const { plan, bear, finish } = prepare({ ...entry, container, process, config, seccomp, onTerminal });
  const first = entry.meet();
  const { pid } = first.child;
  bear(first);
  takeIn(container, cgroup, pid);
  if (hasUserNamespace(container.state) || inUserNamespace()) checkIds({ process }, container.state.pid);
  setLimits(pid, process.rlimits, entry.heir !== undefined);
  giveStreams(process, container.state.namespaces, pid);
  const { child, kernel, last } = finish(first, first.kernel.run(plan));
  context.log.debug(`the process is ${child.pid}`);
  if (container.state.rdt !== undefined) joinRdt(container.state.rdt, child.pid);
  sendPidfd(flags.pidfdSocket, child.pid);
  const signals = flags.detach ? undefined : catchSignals();
  kernel.runLast(last);
  if (flags.pidFile !== undefined) writePidFile(flags.pidFile, child.pid);
  child.release();
  return signals === undefined ? 0 : waitInForeground(child.pid, proxy, signals);
}

function checkStatus(container: Container, ignorePaused: boolean): void {
  const status = container.status();
  if (status === "stopped") throw new UsageError("cannot exec in a stopped container");
  if (status === "creating") throw new UsageError("cannot exec in a container that is being created");
  if (status === "paused" && !ignorePaused)
    throw new UsageError("cannot exec in a paused container (use --ignore-paused to override)");
}

interface Entry {
  readonly container: Container;
  readonly cgroup: Cgroup;
  readonly process: Process;
  readonly seccomp: Seccomp | undefined;
  readonly flags: FlagsOf<"exec">;
  readonly tell: Teller;
}

/** A new process in the container's cgroups and namespaces, on its way; `env` tells it of descriptors. */
function enter(undo: DisposableStack, { container, cgroup, process, seccomp, flags, tell }: Entry) {
  const descriptors = undo.use(new Descriptors());
  const preserved = preservedDescriptors(flags.preserveFds);
  for (const fd of preserved.fds) descriptors.lend(fd);
  const pidfd = descriptors.own(pidfdOpen(container.state.pid));
  const namespace = cgroupNamespaceOf(container.state);
  const cgroups = namespace === undefined ? undefined : descriptors.open(namespace, O_RDONLY);
  const inside = bringsRoot(container.state)
    ? undefined
    : descriptors.open(rootOf(container.state), O_PATH | O_DIRECTORY);
  // Only now are all known to be init's: the pid could have become another process's before they were opened.
  if (!container.initIsAlive()) throw new UsageError("cannot exec in a stopped container");
  const procfs = descriptors.ownIfAny(procfsFor(process));
  const joined = namespaceFlags(container.state);
  const heir =
    (joined & CLONE_NEWPID) === 0 || isOrdinaryUser() || asksEarly(process, seccomp)
      ? undefined
      : expectHeir(undo, descriptors, tell);
  const joinInit = { pidfd, flags: heir === undefined ? joined : joined & ~CLONE_NEWPID };
  const { leftOpen, cgroupTasks, meet } = beget(undo, {
    name: "tsrun:exec",
    keyring: keyringOf(container.state),
    confined: process,
    procfs,
    namespaces: { created: new Set(), joined: [] },
    joinInit,
    cgroup: enterable(cgroup),
    descriptors,
    tell,
    affinity: process.execCPUAffinity,
    oomScore: process.oomScoreAdj,
    firstPrivateFd: 3 + preserved.fds.length,
    unprivileged: isOrdinaryUser(),
  });
  const { env } = preserved;
  return { meet, heir, cgroupTasks, leftOpen: [...leftOpen, pidfd], joinInit, cgroups, inside, procfs, env };
}

interface Preparation {
  readonly container: Container;
  /** What the first process clones, if that is an envoy. */
  readonly heir: Heir | undefined;
  readonly cgroupTasks: readonly number[];
  /** Descriptors of the child's that the program is not to have. */
  readonly leftOpen: readonly number[];
  readonly joinInit: InitToJoin;
  /** The container's cgroup namespace, where it is not the host's. */
  readonly cgroups: number | undefined;
  /** The container's root, where it has no mount namespace that would bring it. */
  readonly inside: number | undefined;
  readonly process: Process;
  readonly config: Config | undefined;
  readonly seccomp: SeccompFilter | undefined;
  readonly procfs: number | undefined;
  readonly env: readonly string[];
  readonly onTerminal: (master: number, name: string) => void;
}

/** A process of which nothing is missing but the last plan, which ends in its program. */
interface Ready extends Born {
  readonly last: Plan;
}

/** The plan that makes the first process what it is to be; `bear` tells of it once it is there, `finish` comes after. */
function prepare(as: Preparation) {
  const { container, process, config, heir } = as;
  const changesUser = hasUserNamespace(container.state);
  const plan = new Plan();
  if (as.cgroupTasks.length > 0) planEnterCgroup(plan, as.cgroupTasks, !process.execCPUAffinity?.initial);
  if (heir !== undefined) planJoinPids(plan, as.joinInit.pidfd);
  planJoinUser(plan, as.joinInit, isOrdinaryUser());
  plan.at("agent");
  for (const fd of as.leftOpen) plan.add(close(fd));
  if (as.cgroups !== undefined) planJoinCgroups(plan.at("namespaces"), as.cgroups);
  planChroot(plan, as.inside);
  if (as.inside !== undefined) plan.add(close(as.inside));
  const keeps = keepsGroups(container.state.annotations);
  if (changesUser) planRootOfUserNamespace(plan, keeps);
  const root = process.terminal === true ? plan.add(openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY)) : undefined;
  const terminal = root === undefined ? undefined : planTerminal(plan, root, process.consoleSize);
  const taker = new DescriptorTaker();
  const succession = heir && new Succession(heir, process);
  const seccomp = withListener(
    as.seccomp,
    config?.linux?.seccomp,
    taker,
    () => hookState(container.state, "running", container.state.pid),
    succession?.later,
  );
  const programOf = planProcess(plan, {
    process,
    personality: config?.linux?.personality,
    memoryPolicy: config?.linux?.memoryPolicy,
    seccomp,
    procfs: as.procfs,
    terminal,
    onTerminal: as.onTerminal,
    takeDescriptor: taker.take,
    nullStdio: terminal === undefined ? nullStreams() : [],
    defaultUmask: undefined,
    extraEnv: as.env,
    lastCapability: thisHost.lastCapability(),
    held: changesUser ? undefined : thisHost.heldCapabilities(),
    keepsGroups: keeps,
    inUserNamespace: changesUser || inUserNamespace(),
    ...(process.execCPUAffinity !== undefined && { affinity: process.execCPUAffinity }),
    isEnvoy: heir !== undefined,
  });
  planLastButOne(succession?.planBirth(plan) ?? plan, process, seccomp);
  const finish = (first: Born, answers: Answers): Ready => {
    const program = programOf(answers, first.kernel);
    if (succession === undefined) return { ...first, last: runNow(program) };
    const { heir: next, own } = succession.succeed(first, answers, taker.from);
    if (own.pauses.length === 0) return { ...next, last: runNow(program, own) };
    next.kernel.run(own);
    return { ...next, last: runNow(program) };
  };
  return { plan, bear: taker.from, finish };
}
