// process.rlimits: resource limits of the process. runtime-spec config.md#posix-process; prlimit(2).
//
// tsrun sets them from outside, with its own rights, while the new process is still root. The exception is the number of
// descriptors, which the agent still needs: its exact value comes last, from inside, where lowering needs no right.

import { engine } from "../engine/engine.ts";
import type { Process } from "../spec/config.gen.ts";
import { RLIMITS, rlimit64 } from "./abi/resource.ts";
import { syscall } from "./calls.ts";
import { ConfigError } from "./errors.ts";
import { SyscallError } from "./kernel.ts";
import { call } from "./local.ts";
import type { Plan } from "./plan.ts";

const EPERM = 1;

/** Soft and hard limit. */
export interface Limit {
  readonly soft: number | bigint;
  readonly hard: number | bigint;
}

/** Sets the limits of process `pid`, other than those lower numbers of descriptors that planDescriptorLimit sets. */
export function setLimits(pid: number, rlimits: Process["rlimits"]): void {
  for (const [i, { type, soft, hard }] of (rlimits ?? []).entries()) {
    const field = `process.rlimits[${i}] (${type})`;
    if (type !== "RLIMIT_NOFILE") setLimit(pid, RLIMITS[type], { soft, hard }, field);
    else raiseDescriptorLimit(pid, { soft, hard }, field);
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
