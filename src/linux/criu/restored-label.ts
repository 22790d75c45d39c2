// The SELinux label of a process that CRIU restores. A CRIU that was built without libselinux knows of none, and leaves the process
// under that of `tsrun restore`, which may do more.

import { SafetyViolation } from "../errors.ts";
import { readText } from "../files.ts";
import type { Host } from "../host.ts";
import { findProgram } from "../host-program.ts";

const FIELD = "process.selinuxLabel";

/** Refuses a CRIU without SELinux, before it makes anything. Into a script that calls it there is no looking. @throws SafetyViolation */
export function checkKnowsLabels(label: string | undefined, host: Host): void {
  if (!label || !host.hasSELinux()) return;
  const criu = findProgram("criu");
  if (criu === undefined) return;
  const program = readText(criu);
  if (program.startsWith("\x7fELF") && !program.includes("libselinux.so"))
    throw new SafetyViolation(FIELD, `${criu} is built without SELinux, and would restore the process unconfined`);
}

/** The same of what it has restored, once that has its rights and before it runs. @throws SafetyViolation */
export function checkRestoredLabel(pid: number, label: string | undefined, host: Host): void {
  if (!label || !host.hasSELinux()) return;
  const own = labelOf("self");
  if (label === own || labelOf(pid) !== own) return;
  throw new SafetyViolation(FIELD, `CRIU has restored the process as ${own}, not as ${label}`);
}

/** proc_pid_attr(5). The kernel ends it with a NUL. */
function labelOf(process: number | "self"): string {
  return readText(`/proc/${process}/attr/current`).replaceAll("\0", "").trimEnd();
}
