// When and how a process loads its filter: seccomp(2). As late as can be, since the filter holds for what the process does
// itself, too. Without no_new_privs that takes CAP_SYS_ADMIN, so it is before the capabilities go (programs.ts, `become`).

import type { Process } from "../../spec/config.gen.ts";
import { SECCOMP_SET_MODE_FILTER } from "../abi/prctl.ts";
import { close, syscall } from "../calls.ts";
import { type Plan, Struct } from "../plan.ts";

/** A compiled filter: an array of struct sock_filter, and the flags of seccomp(2). */
export interface SeccompFilter {
  readonly filter: Uint8Array;
  readonly flags: number;
  /** Of a filter that asks a listener: takes its descriptor, which is the process's. */
  readonly onListener?: (fd: number) => void;
}

/**
 * A filter that no_new_privs lets be loaded at any time, and that asks a listener: in the last plan but one, since tsrun must be
 * there to hand the listener on. Behind everything else that the process is made to do.
 */
export function planLastButOne(plan: Plan, process: Process, seccomp: SeccompFilter | undefined): void {
  if (process.noNewPrivileges === true && seccomp?.onListener !== undefined) planSeccomp(plan, seccomp);
}

/** What is left of a filter for the last plan. */
export function lastFilter(process: Process, seccomp: SeccompFilter | undefined): SeccompFilter | undefined {
  return process.noNewPrivileges === true && seccomp?.onListener === undefined ? seccomp : undefined;
}

/**
 * Loads a filter. Between seccomp(2) and the pause only `write` is called, by which the answer comes: the one call that no rule may ask the
 * listener about. From the pause on somebody is there to answer.
 */
export function planSeccomp(plan: Plan, { filter, flags, onListener }: SeccompFilter): void {
  const SOCK_FILTER = 8;
  const fprog = new Uint8Array(16); // struct sock_fprog: u16 len, pointer
  new DataView(fprog.buffer).setUint16(0, filter.length / SOCK_FILTER, true);
  plan.at("linux.seccomp");
  const listener = plan.add(syscall("seccomp", SECCOMP_SET_MODE_FILTER, flags, new Struct(fprog, [[8, filter]])));
  if (onListener === undefined) return;
  plan.pause("hand the seccomp listener on", (answers) => onListener(answers.value(listener)));
  // The container must not hold it: it could answer itself, and would wait for ever once all others are gone.
  plan.add(close(listener));
}
