// process.cwd: entered by name, then checked: it must lie inside the root. runtime-spec config.md#process; getcwd(2).
//
// A working directory outside (by a descriptor of the host's that was left open: /proc/self/fd/7, CVE-2024-21626) shows as
// "(unreachable)" in what getcwd(2) returns.

import type { Process } from "../spec/config.gen.ts";
import { syscall } from "./calls.ts";
import { SafetyViolation } from "./errors.ts";
import { type Answers, Out, type Plan, type Result } from "./plan.ts";

const PATH_MAX = 4096;

/** The attempts as root and as the user: the first one's result, and where the kernel says the process is after each. */
export interface Cwd {
  readonly asRoot: Result;
  readonly rootsPath: Out;
  /** Asked only where root was denied. A place of its own: a pause may lie between the two. */
  readonly usersPath: Out;
}

/** Changes to the directory and asks where that is; where it is denied, planCwdAsUser tries again. */
export function planCwdAsRoot(plan: Plan, { cwd }: Process): Cwd {
  const [rootsPath, usersPath] = [new Out(PATH_MAX), new Out(PATH_MAX)];
  const asRoot = plan.at("process.cwd").tolerate("EACCES", syscall("chdir", cwd));
  plan.add(syscall("getcwd", rootsPath, PATH_MAX));
  return { asRoot, rootsPath, usersPath };
}

/** Changes to the directory if root was denied, and asks where that is. */
export function planCwdAsUser(plan: Plan, { cwd }: Process, { asRoot, usersPath }: Cwd): void {
  plan.at("process.cwd");
  // A question that is answered by the earlier result: process 0 is the caller, process -13 (EACCES) is nobody.
  plan.orElse("ESRCH", syscall("getpgid", asRoot), () => {
    plan.add(syscall("chdir", cwd));
    plan.add(syscall("getcwd", usersPath, PATH_MAX));
  });
}

/** Throws a SafetyViolation where the directory is not inside the root. */
export function checkCwd({ asRoot, rootsPath, usersPath }: Cwd, answers: Answers): void {
  const path = answers.bytes(answers.value(asRoot) < 0 ? usersPath : rootsPath);
  if (path[0] !== "/".charCodeAt(0))
    throw new SafetyViolation("process.cwd", "the directory is outside the container's root file system");
}
