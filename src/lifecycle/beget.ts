// How a process of a container comes to be: an agent is started with the descriptors that it needs, enters cgroups and
// namespaces, and clones the process, which is tsrun's own child and listens on a socket of its own. What the agent answers
// is read later, so that tsrun can go on planning while the kernel works.

import { EACCES } from "../linux/abi/errno.ts";
import { Agent, socketpair, type Teller } from "../linux/agent/agent.ts";
import { close } from "../linux/agent/descriptors.ts";
import { type End, killAndReap, killAndReapInit } from "../linux/agent/reap.ts";
import type { Cgroup } from "../linux/cgroups/cgroup.ts";
import { ConfigError } from "../linux/errors.ts";
import { AgentKernel, type Results, SyscallError } from "../linux/kernel.ts";
import type { Result } from "../linux/plan.ts";
import { type Launch, launch } from "../linux/programs.ts";
import { stopIgnoringChildren } from "../linux/sigchld.ts";
import type { Descriptors } from "./descriptors.ts";
import { setOomScore } from "./oom-score.ts";

/** What is wanted. */
export interface Wanted extends Omit<Launch, "cgroup" | "childSocket"> {
  /** What ps shows until the program runs. */
  readonly name: string;
  readonly cgroup: Cgroup;
  /** process.oomScoreAdj */
  readonly oomScore: number | undefined;
  /** What the agent gets; closed here once it has them. */
  readonly descriptors: Descriptors;
  /** Is told where the process takes long to answer. */
  readonly tell: Teller;
}

/** A process that is being made. */
export interface Expected {
  /** Descriptors that it is born with and only the agent needed. */
  readonly leftOpen: readonly number[];
  /** cgroup v1: what it enters its cgroups by. */
  readonly cgroupTasks: readonly number[];
  /** Waits until it is there. @throws SyscallError of the call that failed */
  readonly meet: () => Born;
}

/** A process that listens for plans. */
export interface Born {
  readonly child: Agent;
  readonly kernel: AgentKernel;
}

/** A process that is to be cloned by one that is being made. */
export interface Heir {
  /** The descriptor, of the process that clones it, on which it will listen. */
  readonly socket: number;
  /** Takes it over, once it has been cloned; the one that cloned it goes. */
  readonly succeed: (envoy: Born, pid: number) => Born;
}

/** Prepares for a process that the one to be made with `descriptors` will clone. Disposing of `undo` ends it. */
export function expectHeir(undo: DisposableStack, descriptors: Descriptors, tell: Teller): Heir {
  const [ours, theirs] = socketpair();
  let met = false;
  undo.defer(() => {
    if (!met) close(ours);
  });
  const succeed = ({ child: envoy }: Born, pid: number): Born => {
    const child = Agent.adopted(ours, Agent.cloned(pid), tell);
    met = true;
    const born = listening(undo.use(child));
    envoy.hangUp(); // it holds what the program is to have, streams and all
    return born;
  };
  return { socket: descriptors.own(theirs), succeed };
}

/** A process that was cloned, when it has said so. */
function listening(child: Agent): Born {
  const kernel = new AgentKernel(child);
  kernel.adoptReply();
  return { child, kernel };
}

/** Ends a process that nobody met. */
function putDown(socket: number, answers: () => Results, pid: Result, end: End): void {
  close(socket);
  try {
    end(answers().value(pid));
  } catch {
    // There is none: what made it failed.
  }
}

/** The pid of the new process. Who may write to a v2 cgroup alone cannot bring processes into it from outside: cgroups(7). */
function born(answers: () => Results, pid: Result, intoCgroup: boolean): number {
  try {
    return answers().value(pid);
  } catch (error) {
    if (!intoCgroup || !(error instanceof SyscallError) || error.call.name !== "clone3" || error.errno !== EACCES)
      throw error;
    const why = "tsrun may not put processes there from its own cgroup: that needs to be the owner of one above both";
    throw new ConfigError("linux.cgroupsPath", `${why}: ${error.message}`);
  }
}

/** Starts an agent and tells it what to do. Disposing of `undo` ends it and the process. */
export function beget(
  undo: DisposableStack,
  { name, cgroup, oomScore, descriptors, tell, ...wanted }: Wanted,
): Expected {
  stopIgnoringChildren();
  using joins = cgroup.open();
  const [ours, theirs] = socketpair();
  const childSocket = descriptors.own(theirs);
  for (const fd of joins.tasks) descriptors.lend(fd);
  if (joins.directory !== undefined) descriptors.lend(joins.directory);
  const socket = descriptors.free();
  const agent = undo.use(Agent.spawn({ fds: descriptors.pairs(), argv0: name, socket }));
  descriptors[Symbol.dispose]();
  setOomScore(agent.pid, oomScore);
  const { plan, pid } = launch({ ...wanted, cgroup: { ...joins, tasks: [] }, childSocket });
  const answers = new AgentKernel(agent).begin(plan);
  // exec's leads no pid namespace, and its program may have ended, for the caller to see, when the process before it is reaped.
  const end = wanted.joinInit === undefined ? killAndReapInit : killAndReap;
  let met = false;
  undo.defer(() => {
    if (!met) putDown(ours, answers, pid, end);
  });
  const meet = (): Born => {
    met = true;
    const cloned = Agent.cloned(born(answers, pid, joins.directory !== undefined));
    const child = undo.use(Agent.adopted(ours, cloned, tell, end));
    agent.hangUp(); // it ends while we go on, and is reaped when `undo` or the caller is done
    return listening(child);
  };
  const directory = joins.directory === undefined ? [] : [joins.directory];
  return { leftOpen: directory, cgroupTasks: joins.tasks, meet };
}
