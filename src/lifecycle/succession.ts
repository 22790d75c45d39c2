// A process that is not made in the pid namespace that it is for. Whoever is in there with CAP_SYS_PTRACE may read and steer every
// process that he sees (CVE-2016-9962, and what PR_SET_DUMPABLE does not keep off). So he sees none that has more rights than the
// container: an envoy outside becomes all that the process is to be, and then clones it, into there.
//
// So it is with what exec brings in, and with the init of a container that joins a pod's pid namespace. In a user namespace no
// envoy is needed: to whoever is in there, the memory of what tsrun brings in is the host's.

import { hasNamespace, type JoinedNamespace, type Namespaces } from "../linux/namespaces.ts";
import type { Answers, Plan, Result } from "../linux/plan.ts";
import { mayMountProcfsOf } from "../linux/procfs.ts";
import { ENVOYS_CALLS, planBirth, planOwn } from "../linux/programs.ts";
import { setScheduler } from "../linux/scheduling.ts";
import { asksAbout } from "../linux/seccomp/compile.ts";
import type { Config, Process, Seccomp } from "../spec/config.gen.ts";
import type { Born, Heir } from "./beget.ts";
import { hasCreateHooks } from "./hook-points.ts";
import type { Log } from "./log.ts";
import { isOrdinaryUser } from "./users.ts";

/** How an envoy is succeeded by the process that it clones. */
export class Succession {
  readonly #heir: Heir;
  readonly #process: Process;
  #birth: { readonly pid: Result; readonly own: Plan } | undefined;
  #handListenerOn = (): void => {};

  constructor(heir: Heir, process: Process) {
    this.#heir = heir;
    this.#process = process;
  }

  /** As withListener takes it: of a filter that the envoy loads the listener is told when the process is there. */
  get later(): ((handOn: () => void) => void) | undefined {
    if (this.#process.noNewPrivileges === true) return undefined;
    return (handOn) => {
      this.#handListenerOn = handOn;
    };
  }

  /** Ends the envoy's plan. What it returns is of the process, and may be added to. */
  planBirth(plan: Plan): Plan {
    const pid = planBirth(plan, this.#heir.socket);
    this.#birth = { pid, own: planOwn(this.#process) };
    return this.#birth.own;
  }

  /** The process, and what it has to do before all else; `meet` is told of it before a listener is. The envoy goes. */
  succeed(envoy: Born, answers: Answers, meet: (heir: Born) => void): { readonly heir: Born; readonly own: Plan } {
    if (this.#birth === undefined) throw new Error("no birth was planned");
    const { pid, own } = this.#birth;
    const heir = this.#heir.succeed(envoy, answers.value(pid));
    meet(heir);
    this.#handListenerOn();
    setScheduler(heir.child.pid, this.#process);
    return { heir, own };
  }
}

/** Whether a listener would be asked before there is the process that it is told of. */
export function asksEarly({ noNewPrivileges }: Process, seccomp: Seccomp | undefined): boolean {
  return seccomp !== undefined && noNewPrivileges !== true && asksAbout(seccomp, ENVOYS_CALLS);
}

/** The pid namespace that a new container's init is to be cloned into by an envoy; undefined where it is to be made as others are. */
export function pidsOfHeir(config: Config, namespaces: Namespaces, log: Log): JoinedNamespace | undefined {
  const pids = namespaces.joined.find(({ type }) => type === "pid");
  if (pids === undefined || pids.isTheHosts || hasNamespace(namespaces, "user") || isOrdinaryUser()) return undefined;
  const obstacle = obstacleOf(config, pids.fd);
  if (obstacle === undefined) return pids;
  log.warn(
    `linux.namespaces[${pids.index}] (pid): who has CAP_SYS_PTRACE there can trace init while it is root: ${obstacle}`,
  );
  return undefined;
}

/** What needs init to be in its pid namespace from the beginning. */
function obstacleOf(config: Config, pids: number): string | undefined {
  const { process, linux } = config;
  if (process === undefined) return "it has no process to become";
  if (hasCreateHooks(config)) return "hooks are told its pid";
  if (asksEarly(process, linux?.seccomp)) return "a seccomp listener is asked about what it calls on its way";
  if (linux?.resources?.pids?.limit === 1) return "linux.resources.pids.limit has no room for a second process";
  return mayMountProcfsOf(pids) ? undefined : "the kernel mounts a procfs from inside only (before Linux 6.18)";
}
