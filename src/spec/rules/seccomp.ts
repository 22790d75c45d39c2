// config-linux.md: Seccomp; seccomp(2). libseccomp cuts a return value to 16 bits without a word: 65536 would be success.

import type { Config, SeccompAction, SeccompRule } from "../config.gen.ts";
import type { Report } from "../rules.ts";

type Keys = readonly (string | number)[];

const PLACE = ["linux", "seccomp"];
/** Largest value that an action can carry; the others MUST NOT be given one. Errors end at MAX_ERRNO of linux/err.h. */
const RETURN_MAX: Partial<Record<SeccompAction, number>> = { SCMP_ACT_ERRNO: 4095, SCMP_ACT_TRACE: 0xffff };
/** System calls have six arguments. syscall(2). */
const ARGUMENTS = 6;

export function seccompRules(config: Config, report: Report): void {
  const seccomp = config.linux?.seccomp;
  if (seccomp === undefined) return;
  const { syscalls = [] } = seccomp;
  // Our own calls after the filter is loaded would wait for a listener that has not got the descriptor yet.
  if (seccomp.defaultAction === "SCMP_ACT_NOTIFY") report([...PLACE, "defaultAction"], "cannot be SCMP_ACT_NOTIFY");
  returnRules(seccomp.defaultAction, seccomp.defaultErrnoRet, [...PLACE, "defaultErrnoRet"], report);
  // MUST NOT be set if listenerPath is not set.
  if (seccomp.listenerMetadata !== undefined && !seccomp.listenerPath) {
    report([...PLACE, "listenerMetadata"], "needs a listenerPath");
  }
  if (!seccomp.listenerPath && syscalls.some(({ action }) => action === "SCMP_ACT_NOTIFY")) {
    report([...PLACE, "listenerPath"], "is required: a rule has the action SCMP_ACT_NOTIFY");
  }
  for (const [index, rule] of syscalls.entries()) syscallRules(rule, [...PLACE, "syscalls", index], report);
}

function syscallRules(rule: SeccompRule, place: Keys, report: Report): void {
  returnRules(rule.action, rule.errnoRet, [...place, "errnoRet"], report);
  if (rule.action === "SCMP_ACT_NOTIFY" && rule.names.includes("write")) {
    report([...place, "names", rule.names.indexOf("write")], "cannot have the action SCMP_ACT_NOTIFY");
  }
  for (const [index, { index: argument }] of (rule.args ?? []).entries()) {
    if (argument >= ARGUMENTS) report([...place, "args", index, "index"], `must be below ${ARGUMENTS}`);
  }
}

/** When the action does not support an errno, the runtime MUST fail. */
function returnRules(action: SeccompAction, value: number | undefined, place: Keys, report: Report): void {
  if (value === undefined) return;
  const max = RETURN_MAX[action];
  if (max === undefined) report(place, `cannot be given with ${action}`);
  else if (value > max) report(place, `must be at most ${max} with ${action}`);
}
