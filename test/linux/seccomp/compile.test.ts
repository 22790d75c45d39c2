import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { syscallNumber } from "../../../src/linux/abi/syscalls.ts";
import { compileSeccomp } from "../../../src/linux/seccomp/compile.ts";
import { knowsFlags, knowsWaitKillable } from "../../../src/linux/seccomp/kernel-flags.ts";
import type { Seccomp, SeccompAction, SeccompArg, SeccompRule } from "../../../src/spec/config.gen.ts";
import { run } from "./bpf.ts";

const NATIVE = process.arch === "arm64" ? 0xc00000b7 : 0xc000003e;
const ALLOW = 0x7fff0000;
const ERRNO = 0x00050000;
const LOG = 0x7ffc0000;
const [EPERM, ENOSYS] = [1, 38];

/** What a profile answers to a call of this machine's architecture. */
function answer(profile: Seccomp, name: Parameters<typeof syscallNumber>[0] | number, ...args: bigint[]): number {
  const nr = typeof name === "number" ? name : syscallNumber(name);
  return run(compileSeccomp(profile).filter, { arch: NATIVE, nr, args }).action;
}
function rule(names: string[], action: SeccompAction, more: Partial<SeccompRule> = {}): SeccompRule {
  return { names, action, ...more };
}
function allowing(syscalls: SeccompRule[], more: Partial<Seccomp> = {}): Seccomp {
  return { defaultAction: "SCMP_ACT_ALLOW", syscalls, ...more };
}
function denying(syscalls: SeccompRule[], more: Partial<Seccomp> = {}): Seccomp {
  return { defaultAction: "SCMP_ACT_ERRNO", syscalls, ...more };
}

/** Podman's profile as it sends it for a container without capabilities on this machine. */
function podmansProfile(): Seccomp {
  const { syscalls } = JSON.parse(readFileSync("/usr/share/containers/seccomp.json", "utf8"));
  const sent = syscalls.filter((each: { includes: object }) => Object.keys(each.includes ?? {}).length === 0);
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: ENOSYS,
    architectures: process.arch === "arm64" ? [] : ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    syscalls: sent.map(({ names, action, args, errnoRet }: SeccompRule) => ({ names, action, args, errnoRet })),
  };
}

describe("compileSeccomp", () => {
  it.each<[SeccompAction, number | undefined, number]>([
    ["SCMP_ACT_KILL", undefined, 0],
    ["SCMP_ACT_KILL_THREAD", undefined, 0],
    ["SCMP_ACT_KILL_PROCESS", undefined, 0x80000000],
    ["SCMP_ACT_TRAP", undefined, 0x00030000],
    ["SCMP_ACT_ERRNO", undefined, ERRNO + EPERM],
    ["SCMP_ACT_ERRNO", 0, ERRNO],
    ["SCMP_ACT_ERRNO", 4094, ERRNO + 4094],
    ["SCMP_ACT_TRACE", undefined, 0x7ff00001],
    ["SCMP_ACT_TRACE", 7, 0x7ff00007],
    ["SCMP_ACT_LOG", undefined, LOG],
    ["SCMP_ACT_NOTIFY", undefined, 0x7fc00000],
  ])("answers %s with errnoRet %s as %i, to the calls that are named and no others", (action, errnoRet, expected) => {
    const profile = allowing([rule(["mkdirat"], action, errnoRet === undefined ? {} : { errnoRet })]);
    expect(answer(profile, "mkdirat")).toBe(expected);
    expect(answer(profile, "getpid")).toBe(ALLOW);
  });

  it.each<[string, Seccomp, number]>([
    ["errno", denying([rule(["read"], "SCMP_ACT_ALLOW"), rule(["memfd_secret"], "SCMP_ACT_ALLOW")]), ERRNO + EPERM],
    ["errno, its own", denying([rule(["memfd_secret"], "SCMP_ACT_ALLOW")], { defaultErrnoRet: 95 }), ERRNO + 95],
    ["log", { defaultAction: "SCMP_ACT_LOG" }, LOG],
  ])("answers the default action to the rest: %s", (_, profile, expected) => {
    expect(answer(profile, "mkdirat")).toBe(expected);
  });

  const V = 0x1_0000_0005n;
  it.each<[SeccompArg["op"], Partial<SeccompArg>, bigint[], bigint[]]>([
    ["SCMP_CMP_EQ", {}, [V], [V - 1n, V + 1n, 5n]],
    ["SCMP_CMP_NE", {}, [V - 1n, 5n, 0n], [V]],
    ["SCMP_CMP_LT", {}, [V - 1n, 0n], [V, V + 1n, 2n ** 64n - 1n]],
    ["SCMP_CMP_LE", {}, [V - 1n, V], [V + 1n, 2n ** 63n]],
    ["SCMP_CMP_GE", {}, [V, 2n ** 64n - 1n], [V - 1n, 5n]],
    ["SCMP_CMP_GT", {}, [V + 1n], [V, 5n]],
    ["SCMP_CMP_MASKED_EQ", { value: 0xff, valueTwo: 5 }, [5n, V, 0x105n], [6n, 0x10n]],
  ])("compares 64 bits of an argument by %s", (op, more, hits, misses) => {
    const args = [{ index: 2, value: V, op, ...more }];
    const profile = allowing([rule(["mkdirat"], "SCMP_ACT_LOG", { args })]);
    for (const hit of hits) expect(answer(profile, "mkdirat", 0n, 0n, hit)).toBe(LOG);
    for (const miss of misses) expect(answer(profile, "mkdirat", 0n, 0n, miss)).toBe(ALLOW);
  });

  it("asks for all conditions on different arguments", () => {
    const args: SeccompArg[] = [
      { index: 0, value: 1, op: "SCMP_CMP_EQ" },
      { index: 1, value: 2, op: "SCMP_CMP_EQ" },
    ];
    const profile = allowing([rule(["mkdirat"], "SCMP_ACT_LOG", { args })]);
    expect(answer(profile, "mkdirat", 1n, 2n)).toBe(LOG);
    expect(answer(profile, "mkdirat", 1n, 3n)).toBe(ALLOW);
  });

  it("asks for any of the conditions when two are on one argument", () => {
    const args: SeccompArg[] = [
      { index: 0, value: 1, op: "SCMP_CMP_EQ" },
      { index: 0, value: 2, op: "SCMP_CMP_EQ" },
    ];
    const profile = allowing([rule(["mkdirat"], "SCMP_ACT_LOG", { args })]);
    expect(answer(profile, "mkdirat", 1n)).toBe(LOG);
    expect(answer(profile, "mkdirat", 2n)).toBe(LOG);
    expect(answer(profile, "mkdirat", 3n)).toBe(ALLOW);
  });

  it("skips names that are no system calls, and rules that repeat the default or each other", () => {
    const profile = allowing([
      rule(["no_such_call", "mkdirat"], "SCMP_ACT_LOG"),
      rule(["mkdirat"], "SCMP_ACT_LOG"),
      rule(["getpid"], "SCMP_ACT_ALLOW"),
    ]);
    expect(answer(profile, "mkdirat")).toBe(LOG);
    expect(answer(profile, "getpid")).toBe(ALLOW);
  });

  it("says that a newer call than the profile names does not exist, rather than that it is forbidden", () => {
    const profile = denying([rule(["memfd_secret"], "SCMP_ACT_ALLOW")]);
    expect(answer(profile, syscallNumber("memfd_secret") + 1)).toBe(ERRNO + ENOSYS);
    expect(answer(profile, "mkdirat")).toBe(ERRNO + EPERM);
    expect(answer(allowing([rule(["memfd_secret"], "SCMP_ACT_LOG")]), 999)).toBe(ALLOW);
  });

  it.runIf(process.arch === "x64")("filters the machine's other architectures by their own numbers", () => {
    const profile = denying([rule(["getpid", "mkdirat"], "SCMP_ACT_ALLOW")], {
      architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    });
    const { filter } = compileSeccomp(profile);
    const i386 = (nr: number) => run(filter, { arch: 0x40000003, nr }).action;
    expect(i386(20)).toBe(ALLOW); // getpid
    expect(i386(39)).toBe(ERRNO + EPERM); // mkdir; 39 is getpid on x86-64
    expect(i386(297)).toBe(ERRNO + ENOSYS); // mknodat, one newer than mkdirat
    const x32 = (nr: number) => run(filter, { arch: NATIVE, nr: 0x40000000 + nr }).action;
    expect(x32(39)).toBe(ALLOW);
    expect(x32(259)).toBe(ERRNO + ENOSYS);
  });

  it("kills what calls by an architecture that is not in the filter", () => {
    const { filter } = compileSeccomp(denying([rule(["getpid"], "SCMP_ACT_ALLOW")]));
    expect(run(filter, { arch: 0x80000016, nr: 20 }).action).toBe(0);
  });

  it.each<[Seccomp["flags"], number]>([
    [undefined, 4],
    [[], 0],
    [["SECCOMP_FILTER_FLAG_TSYNC"], 0],
    [["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW"], 6],
  ])("makes of flags %j the bits %i", (flags, expected) => {
    expect(compileSeccomp({ defaultAction: "SCMP_ACT_ALLOW", ...(flags && { flags }) }).flags).toBe(expected);
  });

  it.each<[Seccomp["flags"], number]>([
    [undefined, 8 + 4],
    [[], 8],
    [["SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG"], 8 + 2],
  ])("asks for a listener where a rule does: flags %j are %i", (flags, expected) => {
    const asking = allowing([rule(["mkdirat"], "SCMP_ACT_NOTIFY")], {
      listenerPath: "/run/x",
      ...(flags && { flags }),
    });
    expect(compileSeccomp(asking).flags).toBe(expected);
    expect(compileSeccomp({ ...asking, syscalls: [] }).flags).toBe(expected - 8);
  });

  it("has WAIT_KILLABLE_RECV with a listener alone, as the kernel takes it, and says so where the kernel does not know it", () => {
    const flags: Seccomp["flags"] = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"];
    const asking = allowing([rule(["mkdirat"], "SCMP_ACT_NOTIFY")], { flags });
    expect(compileSeccomp(allowing([], { flags })).flags).toBe(0);
    if (knowsWaitKillable()) expect(compileSeccomp(asking).flags).toBe(8 + 32);
    else expect(() => compileSeccomp(asking)).toThrow("linux.seccomp.flags: SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV");
    expect([knowsFlags(0), knowsFlags(8), knowsFlags(32), knowsFlags(2 ** 30)]).toEqual([true, true, false, false]);
  });

  it("refuses an architecture that libseccomp does not know", () => {
    const unknown = ["SCMP_ARCH_PDP11"] as unknown as NonNullable<Seccomp["architectures"]>;
    expect(() => compileSeccomp(allowing([], { architectures: unknown }))).toThrow("linux.seccomp.architectures[0]");
  });

  it("keeps every answer of a large profile when it is searched as a tree, and finds it in few steps", () => {
    const profile = podmansProfile();
    const { filter } = compileSeccomp(profile);
    const allowed = new Set(
      (profile.syscalls ?? []).filter((each) => !each.args?.length).flatMap((each) => each.names),
    );
    expect(allowed.size).toBeGreaterThan(300);
    for (const name of ["read", "openat", "execve", "exit_group", "clone3", "close_range"] as const) {
      expect(allowed).toContain(name);
      const { action, steps } = run(filter, { arch: NATIVE, nr: syscallNumber(name) });
      expect(action, name).toBe(ALLOW);
      expect(steps, name).toBeLessThan(60);
    }
    expect(answer(profile, "personality", 8n)).toBe(ALLOW);
    expect(answer(profile, "personality", 9n)).toBe(ERRNO + ENOSYS);
    expect(answer(profile, "bpf")).toBe(ERRNO + EPERM);
  });

  it("makes programs that the kernel takes and obeys", () => {
    const profile = podmansProfile();
    const program = Buffer.from(compileSeccomp(profile).filter).toString("base64");
    const node = join(import.meta.dirname, "../../../node_modules/.bin/node");
    const script = join(import.meta.dirname, "load-filter.ts");
    const output = execFileSync(node, [script, program], { encoding: "utf8" });
    expect(JSON.parse(output)).toEqual({ loaded: 0, bpf: -EPERM, allowed: true });
  });
});
