// process.rlimits: resource limits of the process. runtime-spec config.md#posix-process; prlimit(2).
//
// tsrun sets them from outside, with its own rights, while the new process is still root. The exceptions are the number of
// descriptors, which the agent still needs, and, where one process clones the next, the number of processes: their exact values come
// last, from inside, where lowering needs no right.

import { engine } from "../engine/engine.ts";
import type { Process } from "../spec/config.gen.ts";
import { EPERM } from "./abi/errno.ts";
import { RLIMITS, rlimit64 } from "./abi/resource.ts";
import { syscall } from "./calls.ts";
import { ConfigError } from "./errors.ts";
import { SyscallError } from "./kernel.ts";
import { call } from "./local.ts";
import type { Plan } from "./plan.ts";

/** Soft and hard limit. */
export interface Limit {
  readonly soft: number | bigint;
  readonly hard: number | bigint;
}

/**
 * Sets the limits of process `pid`, other than those lower numbers of descriptors that planDescriptorLimit sets. One that `clones`
 * the process they are for, of the same user, and then ends, may have more processes, until planProcessLimit.
 */
export function setLimits(pid: number, rlimits: Process["rlimits"], clones = false): void {
  for (const [i, { type, soft, hard }] of (rlimits ?? []).entries()) {
    const field = `process.rlimits[${i}] (${type})`;
    if (type === "RLIMIT_NOFILE") raiseDescriptorLimit(pid, { soft, hard }, field);
    else if (type === "RLIMIT_NPROC" && clones) setLimitOfTwo(pid, { soft, hard }, field);
    else setLimit(pid, RLIMITS[type], { soft, hard }, field);
  }
}

/** In the process that was cloned: makes the limit of processes what the config says. */
export function planProcessLimit(plan: Plan, rlimits: Process["rlimits"]): void {
  for (const { type, soft, hard } of rlimits ?? []) {
    if (type !== "RLIMIT_NPROC") continue;
    plan.at("process.rlimits (RLIMIT_NPROC)");
    plan.add(syscall("prlimit64", 0, RLIMITS.RLIMIT_NPROC, rlimit64(soft, hard), 0));
  }
}

/** Makes the limit of descriptors what the config says. Without one it stays the caller's, where the engine has not changed it. */
export function planDescriptorLimit(plan: Plan, rlimits: Process["rlimits"]): void {
  const configured = rlimits?.find(({ type }) => type === "RLIMIT_NOFILE");
  if (configured === undefined && engine() !== undefined) return;
  const { soft, hard } = configured ?? callersDescriptorLimit();
  plan.at("process.rlimits (RLIMIT_NOFILE)");
  plan.add(syscall("prlimit64", 0, RLIMITS.RLIMIT_NOFILE, rlimit64(soft, hard), 0));
}

/** Node has raised its own soft limit to the hard one; the process that called tsrun most likely has the original. */
function callersDescriptorLimit(): Limit {
  const own = getLimit(0);
  try {
    const { soft } = getLimit(process.ppid);
    return { soft: BigInt(soft) < BigInt(own.hard) ? soft : own.hard, hard: own.hard };
  } catch {
    return own; // The caller is another user's, or gone.
  }
}

function raiseDescriptorLimit(pid: number, wanted: Limit, field: string): void {
  const now = getLimit(pid);
  if (BigInt(wanted.hard) > BigInt(now.hard))
    setLimit(pid, RLIMITS.RLIMIT_NOFILE, { soft: now.soft, hard: wanted.hard }, field);
}

/**
 * Two processes more than the limit, as far as the hard limit allows: the one that clones is one, and another may come when the limit
 * is reached, since setresuid(2) counts before, where clone(2) counts after.
 */
function setLimitOfTwo(pid: number, wanted: Limit, field: string): void {
  const soft = BigInt(wanted.soft);
  let hard = BigInt(getLimit(pid, RLIMITS.RLIMIT_NPROC).hard);
  if (hard < BigInt(wanted.hard)) hard = BigInt(wanted.hard);
  setLimit(pid, RLIMITS.RLIMIT_NPROC, { soft: soft + 2n < hard ? soft + 2n : hard, hard }, field);
}

function setLimit(pid: number, resource: number, { soft, hard }: Limit, field: string): void {
  try {
    call(field, "prlimit64", pid, resource, rlimit64(soft, hard), 0);
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== EPERM) throw error;
    const own = getLimit(pid, resource).hard;
    throw new ConfigError(
      field,
      `cannot be raised above the caller's own, ${own}: it takes CAP_SYS_RESOURCE of the host`,
    );
  }
}

function getLimit(pid: number, resource: number = RLIMITS.RLIMIT_NOFILE): Limit {
  const bytes = new Uint8Array(16);
  call("process.rlimits", "prlimit64", pid, resource, 0, bytes);
  const view = new DataView(bytes.buffer);
  return { soft: view.getBigUint64(0, true), hard: view.getBigUint64(8, true) };
}
