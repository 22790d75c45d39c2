// Starts a hook: runtime-spec config.md#posix-platform-hooks. A hook is made as a container's program is, by an agent
// that becomes it: so it has its three pipes and no other descriptor, no ignored signal, the descriptor limit of tsrun's
// caller, and a session of its own, which can be killed as a whole. It dies with tsrun, since nobody else would mind its
// timeout. What cannot be executed is known at once, by the errno of execve(2).
//
//    in the runtime's namespaces       the agent becomes the hook
//    in the container's                the agent joins them and clones the process that becomes it

import { CLOSE_RANGE_CLOEXEC } from "../linux/abi/fcntl.ts";
import { CLONE_NEWUSER } from "../linux/abi/sched.ts";
import { SIGKILL } from "../linux/abi/signal.ts";
import { Agent, socketpair } from "../linux/agent/agent.ts";
import { close } from "../linux/agent/descriptors.ts";
import { syscall } from "../linux/calls.ts";
import { planRootOfUserNamespace } from "../linux/credentials.ts";
import { encode } from "../linux/encode.ts";
import type { Keyring } from "../linux/identity.ts";
import { AgentKernel, Results } from "../linux/kernel.ts";
import { planJoinCgroups } from "../linux/namespaces.ts";
import { Plan } from "../linux/plan.ts";
import {
  type Become,
  become,
  type CgroupEntry,
  launch,
  type Program,
  planJoinUser,
  runNow,
} from "../linux/programs.ts";
import { setLimits } from "../linux/rlimits.ts";
import { planChroot } from "../linux/rootfs.ts";
import { lastFilter, planLastButOne } from "../linux/seccomp/load.ts";
import type { Hook } from "../spec/config.gen.ts";
import type { Born } from "./beget.ts";
import { isOrdinaryUser } from "./users.ts";

const PR_SET_PDEATHSIG = 1;
/** Room for the reply to a plan that ends in execve, which has few calls. */
const REPLY = 4096;
/** What ps shows until the hook is there. */
const ARGV0 = "tsrun:hook";

/** The container that a hook runs in. */
export interface Inside {
  /** A pidfd of init, and the CLONE_NEW* flags of its namespaces to join by it, setns(2). */
  readonly pidfd: number;
  readonly flags: number;
  /** The container's cgroup namespace, where it is not the host's: a descriptor. */
  readonly cgroups?: number;
  /** The root directory, for a container without a mount namespace that would bring it. */
  readonly root?: number;
  /** The container's cgroups; without them the hook stays in tsrun's. */
  readonly cgroup?: CgroupEntry;
  /** The host's procfs, a descriptor, where `become` has an AppArmor profile or SELinux label. */
  readonly procfs?: number | undefined;
  /** The session keyring that the hook joins. */
  readonly keyring: Keyring | undefined;
  /** The working directory; by default the root. */
  readonly cwd?: string;
  /** The environment of a hook that has none of its own. */
  readonly env?: readonly string[];
  /** Who the hook is and what it may do; by default root of the container, with all rights. */
  readonly become?: Omit<Become, "terminal" | "nullStdio" | "procfs">;
  /** Of a filter that asks a listener: takes its descriptor, which is the hook's. */
  readonly onListener?: (hook: Born, fd: number) => void;
}

/** Descriptors of tsrun's that become 0, 1 and 2 of the hook's. */
export type Streams = readonly [stdin: number, stdout: number, stderr: number];

/** Starts a hook in the namespaces and the working directory of tsrun. The process, to be disposed of. @throws SyscallError */
export function startHook(hook: Hook, streams: Streams): Agent {
  using undo = new DisposableStack();
  const fds = [...streams.entries()].map(([i, fd]) => [fd, i] as const);
  const agent = undo.use(Agent.spawn({ fds, argv0: ARGV0, socket: free(streams) }));
  const kernel = new AgentKernel(agent);
  const plan = new Plan();
  plan.at("hook").add(syscall("close_range", 3, 0xffff_ffff, CLOSE_RANGE_CLOEXEC));
  planSession(plan);
  planFate(plan);
  kernel.run(plan);
  execute(agent, kernel, programOf(hook));
  undo.move();
  return agent;
}

/** Starts a hook in a container. The process, to be disposed of. @throws SyscallError, or what `become` throws */
export function startHookInside(hook: Hook, streams: Streams, inside: Inside): Agent {
  using undo = new DisposableStack();
  const child = undo.use(cloneInside(streams, inside));
  const kernel = new AgentKernel(child);
  kernel.adoptReply();
  const within = boundTo({ child, kernel }, inside);
  if (within.become === undefined) asRoot(kernel, within);
  else asUser(kernel, child.pid, hook, within, within.become);
  execute(child, kernel, programOf(hook, within));
  undo.move();
  return child;
}

/** The same, with a filter whose listener is one process's. */
function boundTo(hook: Born, inside: Inside): Inside {
  const { become, onListener } = inside;
  if (become?.seccomp === undefined || onListener === undefined) return inside;
  const seccomp = { ...become.seccomp, onListener: (fd: number): void => onListener(hook, fd) };
  return { ...inside, become: { ...become, seccomp } };
}

/** A child of tsrun's in the container. The agent that made it is gone again. */
function cloneInside(streams: Streams, { pidfd, flags, cgroups, root, cgroup, procfs, keyring }: Inside): Agent {
  const { tasks = [], directory } = cgroup ?? {};
  const [ours, theirs] = socketpair();
  try {
    const kept = [pidfd, theirs, ...tasks, directory, cgroups, root, procfs].filter((fd) => fd !== undefined);
    const fds = [...[...streams.entries()].map(([i, fd]) => [fd, i] as const), ...kept.map((fd) => [fd, fd] as const)];
    using agent = Agent.spawn({ fds, argv0: ARGV0, socket: free([...streams, ...kept]) });
    const { plan, pid } = launch({
      namespaces: { created: new Set(), joined: [] },
      ...(flags !== 0 && { joinInit: { pidfd, flags } }),
      cgroup: { tasks, directory },
      keyring,
      firstPrivateFd: 3,
      childSocket: theirs,
      unprivileged: isOrdinaryUser(),
    });
    return Agent.adopted(ours, Agent.cloned(new AgentKernel(agent).run(plan).value(pid)));
  } catch (error) {
    close(ours);
    throw error;
  } finally {
    close(theirs);
  }
}

/**
 * Makes the process root of the container's user namespace, if it has one: of another's it would be nobody. Before that it goes to
 * its directory on the host, which that root may not be let into.
 */
function asRoot(kernel: AgentKernel, inside: Inside): void {
  const { flags, cwd } = inside;
  const plan = planEntry(inside);
  if (cwd !== undefined) plan.add(syscall("chdir", cwd));
  if ((flags & CLONE_NEWUSER) !== 0) planRootOfUserNamespace(plan);
  planSession(plan.at("hook"));
  planFate(plan);
  kernel.run(plan);
}

/** Makes the process what the container's own is: its user, rights, limits. */
function asUser(kernel: AgentKernel, pid: number, hook: Hook, inside: Inside, as: NonNullable<Inside["become"]>): void {
  const { procfs, cwd } = inside;
  const process = { ...as.process, args: [hook.path], cwd: cwd ?? as.process.cwd };
  setLimits(pid, process.rlimits);
  const plan = planEntry(inside);
  const { program } = become(plan, { ...as, process, procfs, terminal: undefined, nullStdio: [] });
  planFate(plan);
  planLastButOne(plan, process, as.seccomp);
  program(kernel.run(plan));
}

/** What the agent could not join in the process's stead. */
function planEntry({ pidfd, flags, cgroups, root }: Inside): Plan {
  const plan = new Plan();
  planJoinUser(plan, { pidfd, flags }, isOrdinaryUser());
  plan.at("hook");
  if (cgroups !== undefined) planJoinCgroups(plan, cgroups);
  planChroot(plan, root);
  return plan;
}

function planSession(plan: Plan): void {
  plan.add(syscall("setsid"));
}

/** Ends the process with tsrun. Behind all changes of credentials, which undo it; PR_SET_PDEATHSIG(2const). */
function planFate(plan: Plan): void {
  plan.at("hook").add(syscall("prctl", PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
}

/** The environment is empty unless given; the first argument may be missing, and is then the path. */
function programOf({ path, args, env }: Hook, inside?: Inside): Program {
  const { process, seccomp } = inside?.become ?? {};
  return {
    path,
    args: args === undefined || args.length === 0 ? [path] : args,
    env: env ?? inside?.env ?? [],
    seccomp: process === undefined ? undefined : lastFilter(process, seccomp),
    rlimits: process?.rlimits,
  };
}

/** Has the process become the program. @throws SyscallError, of execve(2) or a call just before it. */
function execute(agent: Agent, kernel: AgentKernel, program: Program): void {
  const plan = runNow(program);
  kernel.send(plan);
  const buffer = new Uint8Array(REPLY);
  const length = agent.receiveOrEnd(buffer);
  if (length === 0) return; // end of file: the socket is close-on-exec
  const { steps } = plan;
  new Results(steps.length).take(buffer.subarray(0, length), encode(steps), steps, 0);
}

/** A descriptor number for an agent's socket: none that it is given. */
function free(taken: readonly number[]): number {
  return Math.max(...taken) + 1;
}
