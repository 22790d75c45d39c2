// Who the process is and what it may do: user, groups, umask, capabilities, no_new_privs. runtime-spec
// config.md#user, #linux-process; credentials(7), capabilities(7), capset(2), setresuid(2).
//
// Order: the bounding set shrinks while CAP_SETPCAP is still held; ids change with KEEPCAPS, so that the permitted set
// survives a change to an unprivileged user; then the sets become what the config says; ambient last, since it must be
// within permitted and inheritable.

import type { Process, User } from "../spec/config.gen.ts";
import { capData, capHeader } from "./abi/capability.ts";
import {
  PR_CAP_AMBIENT,
  PR_CAP_AMBIENT_CLEAR_ALL,
  PR_CAP_AMBIENT_RAISE,
  PR_CAPBSET_DROP,
  PR_SET_DUMPABLE,
  PR_SET_KEEPCAPS,
} from "./abi/prctl.ts";
import { syscall } from "./calls.ts";
import { capabilityBits, grantedCapabilities, type HeldCapabilities } from "./capabilities.ts";
import type { Plan } from "./plan.ts";

/**
 * Takes out of the bounding set what the config does not list. The specification leaves open what a process without
 * `capabilities` may do; with runc and crun it is nothing, and configs that were written for them rely on that.
 */
export function planBoundingSet(plan: Plan, { capabilities = {} }: Process, last: number): void {
  plan.at("process.capabilities.bounding");
  const keep = capabilityBits(capabilities.bounding, last);
  for (let number = 0; number <= last; number++) {
    if ((keep & (1n << BigInt(number))) === 0n) plan.add(syscall("prctl", PR_CAPBSET_DROP, number, 0, 0, 0));
  }
}

/** Becomes root of the user namespace that the caller is in: until then its ids are none there, and it could make no file. */
export function planRootOfUserNamespace(plan: Plan): void {
  plan.at("linux.uidMappings");
  plan.tolerate("EPERM", syscall("setgroups", 0, 0)); // where it is denied, an ordinary user made the namespace
  plan.add(syscall("setresgid", 0, 0, 0));
  plan.add(syscall("setresuid", 0, 0, 0));
}

/**
 * Lets an ordinary user who owns the process's user namespace get at it, as root can anyhow: write its id maps, have hooks and
 * exec join its namespaces. Nobody else may: who is in another user namespace has no rights in this one, and those in this one
 * are the container's. A change of ids takes it back, prctl(2), PR_SET_DUMPABLE.
 */
export function planOpenToOwner(plan: Plan): void {
  plan.at("agent").add(syscall("prctl", PR_SET_DUMPABLE, 1, 0, 0, 0));
}

/** Shuts everybody out again: a change of ids has made it fs.suid_dumpable's to say, proc_sys_fs(5). */
export function planClosed(plan: Plan): void {
  plan.at("agent").add(syscall("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0));
}

/** Becomes the user. A user namespace may deny setgroups(2): no error where no groups are asked for. */
export function planUser(plan: Plan, user: User, inUserNamespace: boolean): void {
  const { uid = 0, gid = 0, additionalGids = [] } = user;
  plan.at("process.capabilities").add(syscall("prctl", PR_SET_KEEPCAPS, 1, 0, 0, 0));
  // Also when there are none: the caller's groups are not the container's.
  const groups = new Uint8Array(new Uint32Array(additionalGids).buffer);
  const setgroups = syscall("setgroups", additionalGids.length, groups);
  plan.at("process.user.additionalGids");
  if (inUserNamespace && additionalGids.length === 0) plan.tolerate("EPERM", setgroups);
  else plan.add(setgroups);
  plan.at("process.user.gid").add(syscall("setresgid", gid, gid, gid));
  plan.at("process.user.uid").add(syscall("setresuid", uid, uid, uid));
}

/** Sets effective, permitted, inheritable and ambient capabilities, as far as they can be granted. */
export function planCapabilities(
  plan: Plan,
  { capabilities }: Process,
  last: number,
  held: HeldCapabilities | undefined,
): void {
  plan.at("process.capabilities").add(syscall("prctl", PR_SET_KEEPCAPS, 0, 0, 0, 0));
  const { effective, permitted, inheritable, ambient } = grantedCapabilities(capabilities, last, held);
  plan.add(syscall("capset", capHeader(), capData({ effective, permitted, inheritable })));
  plan.at("process.capabilities.ambient");
  plan.add(syscall("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0));
  for (let number = 0; number <= last; number++) {
    if ((ambient & (1n << BigInt(number))) !== 0n)
      plan.add(syscall("prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0));
  }
}
