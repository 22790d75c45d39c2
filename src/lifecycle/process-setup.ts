// From init (or the process of an exec) inside its root to its program, found and ready to be run: what create, run and
// exec have in common.

import { AT_FDCWD, O_NONBLOCK } from "../linux/abi/fcntl.ts";
import { close, openat } from "../linux/calls.ts";
import { hasHome, homeOf, uniqueEnvironment, withHome } from "../linux/environment.ts";
import { descriptorStatus } from "../linux/file-status.ts";
import { close as closeFile, readAll, readText } from "../linux/files.ts";
import type { Kernel } from "../linux/kernel.ts";
import { pidfdGetfd, pidfdOpen } from "../linux/local.ts";
import type { Plan } from "../linux/plan.ts";
import { become, type Program, type SeccompFilter } from "../linux/programs.ts";
import type { Terminal } from "../linux/terminal.ts";
import type { Linux, Process } from "../spec/config.gen.ts";

/** A process that is about to be. */
export interface ProcessRequest {
  readonly process: Process;
  readonly personality: Linux["personality"];
  readonly seccomp: SeccompFilter | undefined;
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
  readonly setgroupsDenied: boolean;
}

/** Appends the last part to a plan, runs all of it, and finds the program. */
export function finishProcess(kernel: Kernel, plan: Plan, request: ProcessRequest): Program {
  const { process, terminal, seccomp } = request;
  let env = uniqueEnvironment([...(process.env ?? []), ...request.extraEnv]);
  if (!hasHome(env)) planHome(plan, request, (home) => (env = withHome(env, home)));
  if (terminal !== undefined) {
    plan.pause("hand the terminal on", (answers) => {
      request.onTerminal(request.takeDescriptor(answers.value(terminal.master)), terminal.name(answers));
    });
  }
  const became = become(plan, request);
  const path = became.program(kernel.run(plan));
  const late = process.noNewPrivileges === true ? seccomp : undefined;
  return { path, args: process.args, env, seccomp: late, rlimits: process.rlimits };
}

/** Reads the container's passwd file, by a descriptor: it may lie on a volume of the host's. */
function planHome(plan: Plan, request: ProcessRequest, use: (home: string) => void): void {
  const uid = request.process.user?.uid ?? 0;
  plan.at("process.env (HOME)");
  const passwd = plan.probe(openat(AT_FDCWD, "/etc/passwd", O_NONBLOCK));
  plan.pause("look HOME up", (answers) => {
    const fd = answers.value(passwd);
    use(fd < 0 ? "/" : homeOf(readRegularFile(request.takeDescriptor(fd)), uid));
  });
  plan.probe(close(passwd));
}

function readRegularFile(fd: number): string {
  try {
    return descriptorStatus(fd).kind === "file" ? new TextDecoder().decode(readAll(fd)) : "";
  } finally {
    closeFile(fd);
  }
}

/** Takes descriptors of a process over, by a pidfd that `undo` closes. pidfd_getfd(2). */
export function descriptorTaker(undo: DisposableStack, pid: number): (fd: number) => number {
  let pidfd: number | undefined;
  return (fd) => {
    pidfd ??= undo.adopt(pidfdOpen(pid), closeFile);
    return pidfdGetfd(pidfd, fd);
  };
}

/** Whether the user namespace of a process forbids setgroups(2): user_namespaces(7). */
export function setgroupsDenied(pid: number): boolean {
  return readText(`/proc/${pid}/setgroups`).startsWith("deny");
}
