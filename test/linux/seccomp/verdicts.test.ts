// What compileSeccomp makes of a profile against what libseccomp alone makes of it: two programs, one meaning.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { actionValue } from "../../../src/linux/seccomp/actions.ts";
import { compileSeccomp } from "../../../src/linux/seccomp/compile.ts";
import { Filter } from "../../../src/linux/seccomp/libseccomp.ts";
import type { Seccomp, SeccompArch, SeccompRule } from "../../../src/spec/config.gen.ts";
import { type Call, run } from "./bpf.ts";
import { dockersProfile } from "./docker-profile.ts";

const ENOSYS = 0x0005_0026;
const X86_64 = 0xc000003e;
const I386 = 0x40000003;
const X32 = 0x4000003e;
const X32_BIT = 0x40000000;
const OPERATORS = { SCMP_CMP_EQ: 4, SCMP_CMP_NE: 1, SCMP_CMP_LT: 2 } as const;
type Operator = keyof typeof OPERATORS;

/** libseccomp's program for all of the profile; what is newer than the profile is compared elsewhere. */
function reference(profile: Seccomp): Uint8Array {
  const defaultAction = actionValue(profile.defaultAction, profile.defaultErrnoRet);
  using filter = new Filter(defaultAction);
  for (const name of profile.architectures ?? []) {
    filter.addArchitecture(filter.architecture(name.replace("SCMP_ARCH_", "").toLowerCase()), name);
  }
  for (const { names, action, errnoRet, args = [] } of profile.syscalls ?? []) {
    const value = actionValue(action, errnoRet);
    const conditions = args.map(({ index, op, value: a, valueTwo: b = 0 }) => {
      const operator = op === "SCMP_CMP_MASKED_EQ" ? 7 : OPERATORS[op as Operator];
      return { index, op: operator, a: BigInt(a), b: BigInt(b) };
    });
    for (const name of names) {
      const number = filter.resolve(name);
      if (number !== undefined && value !== defaultAction) filter.addRule(value, number, conditions, name);
    }
  }
  return filter.program();
}

/** Calls of all architectures, with arguments that conditions may be about. */
function calls(values: readonly bigint[]): Call[] {
  const numbers = Array.from({ length: 480 }, (_, nr) => nr);
  const ways = [
    ...numbers.map((nr) => [X86_64, nr]),
    ...numbers.map((nr) => [I386, nr]),
    ...numbers.map((nr) => [X86_64, nr + X32_BIT]),
  ];
  return ways.flatMap(([arch = 0, nr = 0]) => values.map((value) => ({ arch, nr, args: [value, value, 0n] })));
}

function compare(profile: Seccomp, values: readonly bigint[]): void {
  const [whole, ours] = [reference(profile), compileSeccomp(profile).filter];
  for (const call of calls(values)) {
    const { action } = run(ours, call);
    if (action === ENOSYS) continue; // newer than the profile
    if (action !== run(whole, call).action) expect({ call, action }).toEqual({ call, action: run(whole, call).action });
  }
}

const ALL: SeccompArch[] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"];
const PLAIN = "read write open close stat mmap brk ioctl pipe select dup fork execve exit kill uname".split(" ");
const NEW = "clone3 openat2 close_range statx cachestat futex_waitv no_such_call".split(" ");
const ODD =
  "socket bind connect socketpair recv send socketcall ipc semop shmat msgget semtimedop _llseek umount".split(" ");
const ALIASES = "umount2 fstatat64 newfstatat sendfile sendfile64 stat64 chown32 chown time stime".split(" ");

describe.runIf(process.arch === "x64")("a profile means what libseccomp makes of it", () => {
  const name = fc.constantFrom(...PLAIN, ...NEW, ...ODD, ...ALIASES);
  const argument = fc.record({
    index: fc.constantFrom(0, 1),
    value: fc.constantFrom(1, 2, 40),
    op: fc.constantFrom<Operator>("SCMP_CMP_EQ", "SCMP_CMP_NE", "SCMP_CMP_LT"),
  });
  const rule: fc.Arbitrary<SeccompRule> = fc
    .record({
      names: fc.uniqueArray(name, { minLength: 1, maxLength: 8 }),
      action: fc.constantFrom("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"),
      args: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, fc.array(argument, { maxLength: 1 })),
    })
    .map((each) => each as SeccompRule);
  /** libseccomp 2.5.4 forgets to load the number for an architecture whose rules all have conditions: here none is without. */
  const plain: SeccompRule = { names: ["getpid"], action: "SCMP_ACT_TRAP" };
  /** Each name with the action that it has first: libseccomp 2.5.4 loses rules of others when it refuses one that contradicts. */
  const agreeing = (rules: readonly SeccompRule[]): SeccompRule[] => {
    const actions = new Map<string, string>();
    return rules.flatMap((each) => {
      const key = (one: string): string => (ODD.includes(one) ? "socketcall" : one); // which is all of those
      const names = each.names.filter((one) => (actions.get(key(one)) ?? each.action) === each.action);
      for (const one of names) actions.set(key(one), each.action);
      return names.length > 0 ? [{ ...each, names }] : [];
    });
  };
  const profile = fc.record({
    defaultAction: fc.constantFrom<Seccomp["defaultAction"]>(
      "SCMP_ACT_ALLOW",
      "SCMP_ACT_ERRNO",
      "SCMP_ACT_KILL",
      "SCMP_ACT_LOG",
    ),
    architectures: fc.constantFrom([], ALL, ALL.slice(0, 2), ["SCMP_ARCH_X32" as const], ["SCMP_ARCH_X86" as const]),
    syscalls: fc.array(rule, { maxLength: 6 }).map((rules) => [...agreeing(rules), plain]),
  });

  it("whatever it is", () => {
    fc.assert(
      fc.property(profile, (each) => compare(each, [1n, 40n])),
      { numRuns: 100 },
    );
  });

  it("Docker's default profile", () => {
    compare(dockersProfile(), [0n, 8n, 9n, 40n, 0x10000000n, 0xffffffffn, 0x1_0000_0028n]);
    compare(dockersProfile(["CAP_SYS_ADMIN", "CAP_BPF"]), [0n, 40n]);
  });

  it.each([X86_64, I386, X32])("and what is newer than it does not exist: %i", (arch) => {
    const { filter } = compileSeccomp({
      defaultAction: "SCMP_ACT_KILL",
      architectures: ALL,
      syscalls: [{ names: ["memfd_secret", "mkdirat"], action: "SCMP_ACT_ALLOW" }],
    });
    const bit = arch === X32 ? X32_BIT : 0;
    const of = (nr: number) => run(filter, { arch: arch === X32 ? X86_64 : arch, nr: nr + bit }).action;
    expect([of(446), of(447), of(448), of(600)]).toEqual([0, 0x7fff0000, ENOSYS, ENOSYS]);
  });
});
