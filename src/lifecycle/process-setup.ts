// From init (or the process of an exec) inside its root to its program, found and ready to be run: what create, run and
// exec have in common.

import type { HeldCapabilities } from "../linux/capabilities.ts";
import { hasHome, uniqueEnvironment, withHome } from "../linux/environment.ts";
import { planHandingOver } from "../linux/handing-over.ts";
import type { Kernel } from "../linux/kernel.ts";
import { planHome } from "../linux/passwd.ts";
import type { Answers, Plan } from "../linux/plan.ts";
import { become, type Program } from "../linux/programs.ts";
import { lastFilter, type SeccompFilter } from "../linux/seccomp/load.ts";
import type { Terminal } from "../linux/terminal.ts";
import type { Linux, Process } from "../spec/config.gen.ts";
import type { Born } from "./beget.ts";

/** A process that is about to be. */
export interface ProcessRequest {
  readonly process: Process;
  readonly personality: Linux["personality"];
  readonly memoryPolicy: Linux["memoryPolicy"];
  readonly seccomp: SeccompFilter | undefined;
  /** As in Become. */
  readonly procfs: number | undefined;
  readonly terminal: Terminal | undefined;
  /** Takes the master end of the terminal over. */
  readonly onTerminal: (master: number, name: string) => void;
  /** A descriptor of the process's, duplicated into tsrun. */
  readonly takeDescriptor: (fd: number) => number;
  readonly nullStdio: readonly number[];
  readonly defaultUmask: number | undefined;
  /** Entries that tsrun adds to the environment. */
  readonly extraEnv: readonly string[];
  readonly lastCapability: number;
  /** As in Become. */
  readonly held: HeldCapabilities | undefined;
  /** Whether setgroups(2) may be denied it. */
  readonly inUserNamespace: boolean;
  /** Whether an ordinary user made the user namespace that it is init of. */
  readonly openToOwner?: boolean;
  /** exec: what it was given of process.execCPUAffinity. */
  readonly affinity?: Process["execCPUAffinity"];
  /** As in Become. */
  readonly isEnvoy?: boolean;
}

/** Appends the last part to a plan. The answers, and a kernel to ask more, make the program. */
export function planProcess(plan: Plan, request: ProcessRequest): (answers: Answers, kernel: Kernel) => Program {
  const { process, terminal, seccomp } = request;
  const env = uniqueEnvironment([...(process.env ?? []), ...request.extraEnv]);
  const home = hasHome(env) ? undefined : planHome(plan, process.user?.uid ?? 0);
  if (terminal !== undefined) {
    plan.pause("hand the terminal on", (answers) => {
      request.onTerminal(request.takeDescriptor(answers.value(terminal.master)), terminal.name(answers));
    });
  }
  const became = become(plan, request);
  return (answers, kernel) => ({
    path: became.program(answers),
    args: process.args,
    env: home === undefined ? env : withHome(env, home(answers, kernel)),
    seccomp: lastFilter(process, seccomp),
    rlimits: process.rlimits,
  });
}

/** Takes descriptors of a process over, which is known only when that is begun with. */
export class DescriptorTaker {
  #process: Born | undefined;

  /** Which process: 0 while it is not known. */
  get pid(): number {
    return this.#process?.child.pid ?? 0;
  }

  /** Says which process. */
  readonly from = (process: Born): void => {
    this.#process = process;
  };

  /** A duplicate of the process's descriptor, taken while that waits between two parts of its plan. The caller closes it. */
  readonly take = (fd: number): number => {
    if (this.#process === undefined) throw new Error("no process to take a descriptor of");
    const { child, kernel } = this.#process;
    const answers = kernel.begin(planHandingOver(fd));
    const taken = child.receiveDescriptor();
    answers();
    return taken;
  };
}
