// Linux security modules: the AppArmor profile and the SELinux label that a program runs under, process.apparmorProfile and
// process.selinuxLabel. runtime-spec config.md#linux-process; aa_change_onexec(2), setexeccon(3), setkeycreatecon(3).
//
// Only a process itself can ask for them, by files of its own below /proc/thread-self/attr, and they hold from its next execve
// on. Who can put another file in the place of such a one has it run unconfined (CVE-2019-16884, CVE-2019-19921,
// CVE-2025-52881). So nothing of the container's is on the way: the process is given the host's procfs by descriptor, which shows
// it to itself in whatever pid namespace it is, and opens the file beneath that, on no other mount.

import type { Linux, Process } from "../spec/config.gen.ts";
import { O_DIRECTORY, O_PATH, O_WRONLY, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_XDEV } from "./abi/fcntl.ts";
import { close, openat2, syscall } from "./calls.ts";
import { ConfigError, SafetyViolation } from "./errors.ts";
import { isRootOfProcfs } from "./file-status.ts";
import { close as closeNow, open } from "./files.ts";
import type { Host } from "./host.ts";
import type { Plan } from "./plan.ts";

/** Not RESOLVE_NO_SYMLINKS: thread-self is one, which only the kernel can change. */
const RESOLVE = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;

/** The fields of a process that modules heed. An empty one is none. */
type Confined = Pick<Process, "apparmorProfile" | "selinuxLabel">;

/** Refuses what the host's kernel could not heed, in runc's words. */
export function checkModules(process: Confined, mountLabel: Linux["mountLabel"], host: Host): void {
  if (process.apparmorProfile && !host.hasAppArmor())
    throw new ConfigError("process.apparmorProfile", "apparmor: config provided but apparmor not supported");
  const labels = { "process.selinuxLabel": process.selinuxLabel, "linux.mountLabel": mountLabel };
  for (const [field, label] of Object.entries(labels))
    if (label && !host.hasSELinux())
      throw new ConfigError(field, "selinux label is specified in config, but selinux is disabled or not supported");
}

/** Opens the host's procfs for a process that needs it; undefined for one that asks for nothing. */
export function procfsFor({ apparmorProfile, selinuxLabel }: Confined): number | undefined {
  if (!apparmorProfile && !selinuxLabel) return undefined;
  const procfs = open("/proc", O_PATH | O_DIRECTORY);
  if (isRootOfProcfs(procfs)) return procfs;
  closeNow(procfs);
  throw new SafetyViolation("process.apparmorProfile, selinuxLabel", "the host's /proc is no procfs");
}

/** Has the caller's next execve put it under its profile and label. `procfs` is closed: who is confined shall not have it. */
export function planConfinement(
  plan: Plan,
  { apparmorProfile, selinuxLabel }: Confined,
  procfs: number | undefined,
): void {
  if (apparmorProfile)
    planAttribute(plan.at("process.apparmorProfile"), procfs, "apparmor/exec", `exec ${apparmorProfile}`);
  if (selinuxLabel) planAttribute(plan.at("process.selinuxLabel"), procfs, "exec", selinuxLabel);
  if (procfs !== undefined) plan.add(close(procfs));
}

/** Gives keys that the caller makes from now on the process's label, until its next execve. */
export function planKeyLabel(plan: Plan, { selinuxLabel }: Confined, procfs: number | undefined): void {
  if (selinuxLabel) planAttribute(plan.at("process.selinuxLabel"), procfs, "keycreate", selinuxLabel);
}

function planAttribute(plan: Plan, procfs: number | undefined, name: string, value: string): void {
  if (procfs === undefined) throw new Error("a process is to be confined, and has no procfs for it");
  const file = plan.add(openat2(procfs, `thread-self/attr/${name}`, O_WRONLY, RESOLVE));
  plan.add(syscall("write", file, value, new TextEncoder().encode(value).length));
  plan.add(close(file));
}
