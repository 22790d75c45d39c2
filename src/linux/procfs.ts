// A procfs of another pid namespace than the one that its maker is in: the option "pidns", since Linux 6.18. For an init that is
// made outside of the pod's pid namespace, and is to be seen there when it has no rights to lose: lifecycle/succession.ts.

import { FSCONFIG_SET_FD, FSOPEN_CLOEXEC } from "./abi/mount.ts";
import { syscallNumber } from "./abi/syscalls.ts";
import { close } from "./agent/descriptors.ts";
import { fsconfigFd } from "./calls.ts";
import { syscall } from "./libc.ts";
import type { Late, Plan } from "./plan.ts";

const OPTION = "pidns";

/** Has the procfs that `fs` is the context of show a pid namespace, by descriptor; undefined: the caller's. */
export function planProcfsOf(plan: Plan, fs: Late, pids: number | undefined): void {
  if (pids !== undefined) plan.add(fsconfigFd(fs, OPTION, pids));
}

/** The same for mount(2). By the host's procfs, which init has until it leaves the host's root. */
export function procfsOptions(pids: number | undefined): string[] {
  return pids === undefined ? [] : [`${OPTION}=/proc/self/fd/${pids}`];
}

/** Whether the kernel has the option, and lets us use it for a pid namespace that is open. */
export function mayMountProcfsOf(pids: number): boolean {
  const fs = syscall(syscallNumber("fsopen"), "proc", FSOPEN_CLOEXEC);
  if (fs < 0) return false;
  const result = syscall(syscallNumber("fsconfig"), fs, FSCONFIG_SET_FD, OPTION, 0, pids);
  close(fs);
  return result === 0;
}
