// READ FIRST: everything that happens to a container, in order. Nothing runs here: each function makes a plan, and the
// rooms that it calls say what each step is and what goes wrong when it moves.
//
//    launch         in the agent, still in the host's namespaces: enter the cgroup, join, clone init
//    setUp          in init: mounts, devices, masks, hooks in between; pivot_root; read-only root
//    become         in init: the session, the user, what it may do, how it is scheduled; where the program is
//    waitForStart   in init: wait for `start`, then be the program
//    runNow         in init: be the program (exec, and run, which waits for nobody)
//
// exec has the same parts but for setUp: its agent joins what init is in. What it clones is an envoy that nobody in the container
// sees, for it has yet to give up root's rights; then the envoy clones the process (planBirth), which begins with none. So it is
// with a container in the pid namespace of a pod: what is said to happen in init happens in an envoy, up to waitForStart.

import type { Process } from "../spec/config.gen.ts";
import { CLOSE_RANGE_CLOEXEC, F_DUPFD_CLOEXEC } from "./abi/fcntl.ts";
import { PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS } from "./abi/prctl.ts";
import {
  CLONE_INTO_CGROUP,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWPID,
  CLONE_NEWUSER,
  CLONE_PARENT,
  cloneArgs,
} from "./abi/sched.ts";
import { adopt, close, syscall } from "./calls.ts";
import type { HeldCapabilities } from "./capabilities.ts";
import {
  keepsGroups,
  planBoundingSet,
  planCapabilities,
  planClosed,
  planOpenToOwner,
  planRootOfUserNamespace,
  planUser,
} from "./credentials.ts";
import { planDevices } from "./devices.ts";
import { type Keyring, planKeyring, planLoopback, planNames } from "./identity.ts";
import { planLookup } from "./lookup.ts";
import { planConfinement, planKeyLabel } from "./lsm.ts";
import { planMaskedPaths, planReadonlyPaths } from "./masked-paths.ts";
import { planMemoryPolicy } from "./memory-policy.ts";
import { planMount } from "./mounts.ts";
import {
  cloneFlags,
  hasNamespace,
  type Namespaces,
  planCgroupJoin,
  planJoins,
  planOwnTimeNamespace,
  planTimeNamespace,
} from "./namespaces.ts";
import { AgentSocket, type Answers, Out, Plan, type Result, Strings } from "./plan.ts";
import { planDescriptorLimit, planProcessLimit } from "./rlimits.ts";
import {
  planClose,
  planPivot,
  planPropagation,
  planReadonly,
  planRoot,
  planWorkingDirectory,
  type RootBuilder,
  type RootIngredients,
} from "./rootfs.ts";
import { planAffinity, planAffinityReset, planFinalAffinity, planPersonality, planScheduling } from "./scheduling.ts";
import { planSeccomp, type SeccompFilter } from "./seccomp/load.ts";
import { planSources } from "./sources.ts";
import { planNullStdio } from "./stdio.ts";
import { planSysctl } from "./sysctl.ts";
import { planConsole, planControllingTerminal, planTerminal, planTerminalStreams, type Terminal } from "./terminal.ts";
import { checkCwd, planCwdAsRoot, planCwdAsUser } from "./working-directory.ts";

/** How a process is brought into the container's cgroups: descriptors that the agent inherits. */
export interface CgroupEntry {
  /** cgroup v1: files to write "0" to. */
  readonly tasks: readonly number[];
  /** cgroup v2: the directory to clone into. */
  readonly directory: number | undefined;
}

/** A container's init, by pidfd, and the CLONE_NEW* flags of the namespaces to join by it. */
export interface InitToJoin {
  readonly pidfd: number;
  readonly flags: number;
}

/** What the agent needs to know to make the first process of a container, or one more. */
export interface Launch {
  readonly namespaces: Namespaces;
  readonly timeOffsets?: Parameters<typeof planTimeNamespace>[2];
  /** exec: what is joined of init's; its cgroup namespace by the new process. */
  readonly joinInit?: InitToJoin;
  readonly cgroup: CgroupEntry;
  /** The session keyring that the process gets; undefined: the caller's. */
  readonly keyring: Keyring | undefined;
  /** What the keyring is labelled by; `procfs` as in Become. */
  readonly confined?: Pick<Process, "selinuxLabel"> | undefined;
  readonly procfs?: number | undefined;
  /** exec: process.execCPUAffinity. */
  readonly affinity?: Process["execCPUAffinity"];
  /** The first descriptor that is not the program's: 3 and up are, as far as the caller preserved them. */
  readonly firstPrivateFd: number;
  /** The descriptor on which the new process listens. */
  readonly childSocket: number;
  /** Whether tsrun is an ordinary user, who has rights only in user namespaces of its own. */
  readonly unprivileged?: boolean;
}

/** Whether the process is dumpable from the beginning: credentials.ts. */
function isOpenToOwner({ namespaces, unprivileged = false }: Pick<Launch, "namespaces" | "unprivileged">): boolean {
  return unprivileged && namespaces.created.has("user");
}

/** In the agent. The last result but one is the pid of the new process. */
export function launch(to: Launch): { plan: Plan; pid: Result } {
  const { namespaces, cgroup } = to;
  const plan = new Plan();
  // First of all: nothing of the host's that is open here may survive into the container (CVE-2024-21626), and no
  // process of a joined pid namespace may look in (CVE-2016-9962).
  plan.at("agent").add(syscall("close_range", to.firstPrivateFd, 0xffff_ffff, CLOSE_RANGE_CLOEXEC));
  if (!isOpenToOwner(to)) plan.add(syscall("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0));
  // Here, since names of keyrings are those of a user namespace: what comes later finds it by name from the host's alone.
  if (to.keyring !== undefined) {
    planKeyLabel(plan, to.confined ?? {}, to.procfs);
    planKeyring(plan, to.keyring);
  }
  const initial = to.affinity?.initial || undefined; // an empty list is none
  if (initial !== undefined) planAffinity(plan, "process.execCPUAffinity.initial", initial);
  planEnterCgroup(plan, cgroup.tasks, initial === undefined);
  if (!to.unprivileged) planTimeNamespace(plan, namespaces, to.timeOffsets);
  planJoins(plan, namespaces, to.unprivileged === true);
  if (to.joinInit !== undefined) planJoinsOfInit(plan, to.joinInit, to.unprivileged === true);
  // A sibling of the agent, which can go then: tsrun's child, and tsrun's caller's once tsrun is gone.
  const flags = cloneFlags(namespaces) + CLONE_PARENT;
  const args = cloneArgs({
    flags: flags + (cgroup.directory === undefined ? 0 : CLONE_INTO_CGROUP),
    exitSignal: 0, // as CLONE_PARENT wants it: the agent's own, SIGCHLD
    ...(cgroup.directory !== undefined && { cgroup: cgroup.directory }),
  });
  const pid = plan.at("linux.namespaces").add(syscall("clone3", args, args.length));
  plan.at("agent").add(adopt(to.childSocket, pid));
  plan.add(close(to.childSocket)); // end of file on it is to mean that the new process has none
  return { plan, pid };
}

/**
 * Joins init's namespaces, but for its user namespace, which the new process joins (planJoinUser): who is in that has no right
 * any more to put a process into a cgroup that has become another id's. An ordinary user has rights only inside, and cgroups
 * that stay his.
 */
function planJoinsOfInit(plan: Plan, { pidfd, flags }: InitToJoin, unprivileged: boolean): void {
  const here = unprivileged ? flags : flags & ~CLONE_NEWUSER;
  if (here !== 0) plan.at("namespaces").add(syscall("setns", pidfd, here));
}

/** In the new process: joins init's user namespace, if it has one and the agent has not. */
export function planJoinUser(plan: Plan, { pidfd, flags }: InitToJoin, unprivileged: boolean): void {
  if (unprivileged || (flags & CLONE_NEWUSER) === 0) return;
  plan.at("namespaces").add(syscall("setns", pidfd, CLONE_NEWUSER));
}

/** In an envoy: has what it clones be in a pid namespace, that of a process by its pidfd. */
export function planJoinPids(plan: Plan, namespace: number): void {
  plan.at("namespaces (pid)").add(syscall("setns", namespace, CLONE_NEWPID));
}

/**
 * Moves the caller into cgroups of version 1, by "0": a single-threaded process that moves itself skips a lock that others
 * wait 10 ms for. Then it may use all their processors again.
 */
export function planEnterCgroup(plan: Plan, tasks: readonly number[], resetAffinity: boolean): void {
  plan.at("linux.cgroupsPath");
  for (const file of tasks) {
    plan.add(syscall("write", file, "0", 1));
    plan.add(close(file)); // the host's files are of no more use
  }
  if (resetAffinity) planAffinityReset(plan);
}

/** What setUp is told beside what planRoot needs. */
export interface SetUp extends Omit<RootIngredients, "sources"> {
  readonly noPivot: boolean;
  /** cgroup v1: descriptors of files to enter the container's cgroups by. */
  readonly cgroupTasks: readonly number[];
  /** Whether tsrun is an ordinary user. */
  readonly unprivileged?: boolean;
  /** Descriptors that init was born with and has no use for. */
  readonly leftOpen: readonly number[];
  /** Runs hooks of the kinds named; undefined where the config has none of them. */
  readonly runtimeHooks: (() => void) | undefined;
  readonly containerHooks: (() => void) | undefined;
}

/** In init. */
export function setUp(with_: SetUp): { to: RootBuilder; terminal: Terminal | undefined } {
  const { plan, config, namespaces } = with_;
  const process = config.process;
  plan.at("container").add(syscall("umask", 0)); // modes of what is made are what the config says
  for (const fd of with_.leftOpen) plan.add(close(fd));
  planCgroupJoin(plan, namespaces);
  if (with_.pids !== undefined) planJoinPids(plan, with_.pids);
  const changesUser = hasNamespace(namespaces, "user");
  const sources = planSources(with_);
  if (changesUser) planRootOfUserNamespace(plan, keepsGroups(config.annotations));
  if (isOpenToOwner(with_)) planOpenToOwner(plan);
  if (with_.unprivileged) planOwnTimeNamespace(plan, namespaces, config.linux?.timeOffsets);
  if (changesUser && namespaces.created.has("ipc"))
    plan.at("linux.namespaces (ipc)").add(syscall("unshare", CLONE_NEWIPC));
  planLoopback(plan, namespaces);
  planNames(plan, config);
  const to = planRoot({ ...with_, sources });
  for (const [i, mount] of (config.mounts ?? []).entries()) planMount(to, mount, i);
  planDevices(to);
  const terminal = process?.terminal === true ? planTerminal(plan, to.root, process.consoleSize) : undefined;
  if (terminal !== undefined) planConsole(plan, to.inRoot, terminal);
  // As late as can be: what the kernel has allocated until here, half a megabyte with a network namespace, is not charged to
  // the container, which may be limited to less. But before hooks, which look for the process in its cgroup.
  planEnterCgroup(plan, with_.cgroupTasks, true);
  // Only now is init in its cgroup, which becomes the root of what it sees.
  if (namespaces.created.has("cgroup")) plan.at("linux.namespaces (cgroup)").add(syscall("unshare", CLONE_NEWCGROUP));
  // The specification's place for these: namespaces and mounts are there, the root has not been entered.
  if (with_.runtimeHooks !== undefined) plan.pause("hooks prestart, createRuntime", with_.runtimeHooks);
  if (with_.containerHooks !== undefined) plan.pause("hooks createContainer", with_.containerHooks);
  planWorkingDirectory(to);
  // Behind the hooks, which set the network up that some parameters are about.
  planSysctl(to);
  // Behind sysctl, which writes below what becomes read-only here; masks last, so that nothing is mounted over them.
  planReadonlyPaths(to);
  planMaskedPaths(to);
  planReadonly(to);
  planPivot(to, with_.noPivot);
  planPropagation(to);
  planClose(to);
  return { to, terminal };
}

/** What become is told. */
export interface Become {
  readonly process: Process;
  /** The umask where the config has none. */
  readonly defaultUmask: number | undefined;
  readonly lastCapability: number;
  /** What it has of capabilities until then; undefined in a user namespace of the container's, where it has all. */
  readonly held: HeldCapabilities | undefined;
  /** Whether setgroups(2) may be denied it. */
  readonly inUserNamespace: boolean;
  /** Whether its groups are those of tsrun's caller. */
  readonly keepsGroups?: boolean;
  readonly seccomp: SeccompFilter | undefined;
  /** The host's procfs, as a descriptor of the process's; needed where it has an AppArmor profile or SELinux label. */
  readonly procfs?: number | undefined;
  /** Which of 0, 1, 2 are the host's /dev/null. */
  readonly nullStdio: readonly number[];
  readonly personality?: Parameters<typeof planPersonality>[1];
  readonly memoryPolicy?: Parameters<typeof planMemoryPolicy>[1];
  /** exec: process.execCPUAffinity. */
  readonly affinity?: Process["execCPUAffinity"];
  readonly terminal: Terminal | undefined;
  /** Whether it is an init that its owner must reach until it is the program: credentials.ts. */
  readonly openToOwner?: boolean;
  /** Whether it is an envoy: what does not pass from it to the process that it clones is left to planOwn. */
  readonly isEnvoy?: boolean;
}

/** What the answers to become say. */
export interface Became {
  /** The program's path. Throws a SafetyViolation for what must not be, an ExecutableError where there is no program. */
  readonly program: (answers: Answers) => string;
}

/** In init, or in the process of exec, inside its root. */
export function become(plan: Plan, as: Become): Became {
  const { process, seccomp } = as;
  const user = process.user ?? {};
  // First, since that is the end of the last descriptor of the host's. It says what execve(2) is to do, and nothing until then.
  planConfinement(plan, process, as.procfs);
  plan.at("process").add(syscall("setsid"));
  if (as.terminal !== undefined) {
    planTerminalStreams(plan, as.terminal, user.uid ?? 0);
    if (!as.isEnvoy) planControllingTerminal(plan);
  }
  const checkStdio = planNullStdio(plan, as.terminal === undefined ? as.nullStdio : []);
  if (process.noNewPrivileges === true)
    plan.at("process.noNewPrivileges").add(syscall("prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  if (as.affinity !== undefined) planFinalAffinity(plan, as.affinity);
  planScheduling(plan, process, as.isEnvoy);
  planPersonality(plan, as.personality);
  planMemoryPolicy(plan, as.memoryPolicy);
  // First as root, which may enter what the user may not; the user tries again where root was refused (NFS). Before a filter,
  // which may refuse getcwd(2) to the program.
  const cwd = planCwdAsRoot(plan, process);
  // Without no_new_privs a filter may be set by CAP_SYS_ADMIN only, which is about to go.
  if (seccomp !== undefined && process.noNewPrivileges !== true) planSeccomp(plan, seccomp);
  planBoundingSet(plan, process, as.lastCapability);
  planUser(plan, user, as.inUserNamespace, as.keepsGroups);
  planCwdAsUser(plan, process, cwd);
  planCapabilities(plan, process, as.lastCapability, as.held);
  if (as.openToOwner) planOpenToOwner(plan);
  else planClosed(plan);
  const umask = user.umask ?? as.defaultUmask;
  if (umask !== undefined) plan.at("process.user.umask").add(syscall("umask", umask));
  const isFiltered = seccomp !== undefined && process.noNewPrivileges !== true;
  const program = planLookup(plan, process, process.env ?? [], isFiltered);
  return {
    program: (answers) => {
      checkStdio(answers);
      checkCwd(cwd, answers);
      return program(answers);
    },
  };
}

/** The program, found, with what execve(2) takes. */
export interface Program {
  readonly path: string;
  readonly args: readonly string[];
  readonly env: readonly string[];
  /** Set when it must be loaded just before execve, as no_new_privs allows. */
  readonly seccomp: SeccompFilter | undefined;
  readonly rlimits: Process["rlimits"];
}

/** The fifos between init and `start`, as descriptors of init's. */
export interface StartFifos {
  /** `start` writes a byte to it. */
  readonly gate: number;
  /** A failure to be the program is written to it; end of file says that there was none. */
  readonly failure: number;
}

/**
 * In an envoy, which has become what the process is to be: clones it into the pid namespace, where whoever has CAP_SYS_PTRACE may do
 * with it what he likes. By clone(2), since filters that are in force by now refuse clone3(2), whose flags they cannot see.
 */
export function planBirth(plan: Plan, childSocket: number): Result {
  const pid = plan.at("linux.namespaces (pid)").add(syscall("clone", CLONE_PARENT, 0, 0, 0, 0));
  plan.at("agent").add(adopt(childSocket, pid));
  plan.add(close(childSocket));
  return pid;
}

/**
 * What an envoy calls once it may have a filter, and what it clones until that listens. Were somebody asked about one of these, he
 * would have to be there to answer before there is the process that he is told of.
 */
export const ENVOYS_CALLS: ReadonlySet<string> = new Set([
  ...["prctl", "setgroups", "setresgid", "setresuid", "capset", "chdir", "getcwd", "getpgid", "umask"],
  ...["statx", "newfstatat", "faccessat2", "openat", "pread64", "clone", "close", "read", "write"],
]);

/** In the process that an envoy has cloned: what it could not inherit. */
export function planOwn({ terminal, rlimits }: Process): Plan {
  const plan = new Plan();
  // Without a terminal it may stay in the envoy's session, where nobody else is, if a filter wants it so.
  if (terminal !== true) plan.at("process").probe(syscall("setsid"));
  else {
    plan.at("process").add(syscall("setsid"));
    planControllingTerminal(plan);
  }
  planProcessLimit(plan, rlimits);
  return plan;
}

/** In init: lets tsrun go, waits, becomes the program. Nothing answers; what fails is told to `start`. */
export function waitForStart(program: Program | undefined, { gate, failure }: StartFifos): Plan {
  const plan = new Plan();
  plan.at("start").add(syscall("close", new AgentSocket()));
  plan.addSocket(syscall("fcntl", failure, F_DUPFD_CLOEXEC, 0));
  plan.add(close(failure));
  plan.add(syscall("read", gate, new Out(8), 1));
  if (program !== undefined) planProgram(plan, program);
  return plan;
}

/** Becomes the program, after what `plan` has. End of file on the socket says that it did. */
export function runNow(program: Program, plan = new Plan()): Plan {
  planProgram(plan, program);
  return plan;
}

function planProgram(plan: Plan, { path, args, env, seccomp, rlimits }: Program): void {
  planDescriptorLimit(plan, rlimits);
  if (seccomp !== undefined) planSeccomp(plan, seccomp);
  plan.at("process.args").add(syscall("execve", path, new Strings(args), new Strings(env)));
}
