// linux.seccomp as a filter that the kernel takes: "config-linux.md#seccomp", seccomp(2). libseccomp knows the numbers, but takes 20 ms
// for Docker's profile; what a number alone decides is ours (verdicts.ts, search.ts), and libseccomp's program for the rest is behind
// that. Where the specification is open this is runc's reading, which profiles are written for:
//
//   names that this libseccomp does not know are skipped: profiles name calls of all architectures and of the future
//   a rule with the default action is skipped (libseccomp refuses it, and it says nothing)
//   conditions on different arguments must all hold; when one argument is in two, each condition is a rule of its own
//   flags not given: SPEC_ALLOW, without which every branch of an interpreter costs; given as [] none

import type { Seccomp, SeccompArg, SeccompFlag, SeccompOperator, SeccompRule } from "../../spec/config.gen.ts";
import { concatBytes } from "../bytes.ts";
import { ConfigError } from "../errors.ts";
import { actionValue } from "./actions.ts";
import { knowsFlags, NEW_LISTENER } from "./kernel-flags.ts";
import { type Condition, Filter } from "./libseccomp.ts";
import { searchProgram } from "./search.ts";
import { verdictsByName, verdictsByNumber } from "./verdicts.ts";

/** What seccomp(2) is called with. */
export interface CompiledSeccomp {
  /** struct sock_filter[], 8 bytes each. */
  readonly filter: Uint8Array;
  /** SECCOMP_FILTER_FLAG_* */
  readonly flags: number;
}

/** TSYNC is for other threads of the process, of which a container's first has none: accepted and not used. */
const FLAGS: Readonly<Record<SeccompFlag, number>> = {
  SECCOMP_FILTER_FLAG_TSYNC: 0,
  SECCOMP_FILTER_FLAG_LOG: 1 << 1,
  SECCOMP_FILTER_FLAG_SPEC_ALLOW: 1 << 2,
  SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV: 1 << 5,
};

/** enum scmp_compare */
const OPERATORS: Readonly<Record<SeccompOperator, number>> = {
  SCMP_CMP_NE: 1,
  SCMP_CMP_LT: 2,
  SCMP_CMP_LE: 3,
  SCMP_CMP_EQ: 4,
  SCMP_CMP_GE: 5,
  SCMP_CMP_GT: 6,
  SCMP_CMP_MASKED_EQ: 7,
};

/** Names from which libseccomp's tree pays. libseccomp 2.5 makes a wrong one of no rules at all. */
const TREE_FROM = 32;

/**
 * Compiles a profile for this machine.
 * @throws ConfigError naming the field that cannot be compiled here
 */
export function compileSeccomp(seccomp: Seccomp): CompiledSeccomp {
  const flags = seccompFlags(seccomp);
  const { syscalls = [] } = seccomp;
  const defaultAction = actionValue(seccomp.defaultAction, seccomp.defaultErrnoRet);
  using filter = new Filter(defaultAction);
  const architectures = addArchitectures(filter, seccomp);
  const names = verdictsByName(syscalls, defaultAction);
  const { numbers, rest } = verdictsByNumber(filter, architectures, names, defaultAction);
  if (rest.size > TREE_FROM) filter.useBinaryTree();
  for (const [index, rule] of syscalls.entries()) {
    addRule(filter, rule, defaultAction, rest, `linux.seccomp.syscalls[${index}]`);
  }
  return { filter: concatBytes([searchProgram(numbers), filter.program()]), flags };
}

/** Whether somebody is to be asked about calls. A listenerPath alone makes no listener: nothing would be heard there. */
export function asksListener({ syscalls = [] }: Seccomp): boolean {
  return syscalls.some(({ action }) => action === "SCMP_ACT_NOTIFY");
}

/** Whether somebody is asked about one of these calls. */
export function asksAbout({ syscalls = [] }: Seccomp, calls: ReadonlySet<string>): boolean {
  return syscalls.some(({ action, names }) => action === "SCMP_ACT_NOTIFY" && names.some((name) => calls.has(name)));
}

/** SECCOMP_FILTER_FLAG_* for the config's flags. The kernel takes WAIT_KILLABLE_RECV with a listener only. */
export function seccompFlags(seccomp: Seccomp): number {
  const { flags = ["SECCOMP_FILTER_FLAG_SPEC_ALLOW"] } = seccomp;
  const bits = flags.reduce((sum, flag) => sum | FLAGS[flag], 0);
  if (!asksListener(seccomp)) return bits & ~FLAGS.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
  if (flags.includes("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV") && !knowsFlags(bits | NEW_LISTENER)) {
    throw new ConfigError("linux.seccomp.flags", "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs Linux 5.19");
  }
  return bits | NEW_LISTENER;
}

/** Returns the tokens of all architectures of the filter, the native one first. */
function addArchitectures(filter: Filter, { architectures = [] }: Seccomp): number[] {
  const tokens = new Set([filter.nativeArchitecture()]);
  for (const [index, name] of architectures.entries()) {
    const field = `linux.seccomp.architectures[${index}]`;
    const token = filter.architecture(name.replace("SCMP_ARCH_", "").toLowerCase());
    if (token === 0) throw new ConfigError(field, `this libseccomp does not know ${name}`);
    if (!tokens.has(token)) filter.addArchitecture(token, field);
    tokens.add(token);
  }
  return [...tokens];
}

function addRule(
  filter: Filter,
  rule: SeccompRule,
  defaultAction: number,
  rest: ReadonlySet<string>,
  field: string,
): void {
  const action = actionValue(rule.action, rule.errnoRet);
  if (action === defaultAction) return;
  const alternatives = conditions(rule.args ?? []);
  for (const name of rule.names) {
    const number = rest.has(name) ? filter.resolve(name) : undefined;
    if (number === undefined) continue;
    for (const each of alternatives) filter.addRule(action, number, each, field);
  }
}

/** One list of conditions for each rule to add: an argument can be in one condition of a rule only. */
function conditions(args: readonly SeccompArg[]): readonly (readonly Condition[])[] {
  const all = args.map(condition);
  const distinct = new Set(all.map(({ index }) => index)).size === all.length;
  return distinct ? [all] : all.map((one) => [one]);
}

/** For MASKED_EQ `value` is the mask and `valueTwo` what is left of the argument; the others have one value. */
function condition({ index, value, valueTwo, op }: SeccompArg): Condition {
  return { index, op: OPERATORS[op], a: BigInt(value), b: BigInt(valueTwo ?? 0) };
}
