import { describe, expect, it } from "vitest";
import {
  cloneFlags,
  hasNamespace,
  type JoinedNamespace,
  NAMESPACE_FLAGS,
  type NamespaceType,
  planJoins,
  planTimeNamespace,
} from "../../src/linux/namespaces.ts";
import { Plan } from "../../src/linux/plan.ts";
import { calls, created } from "./sample.ts";

const joined = (type: NamespaceType, fd: number, index: number): JoinedNamespace => ({
  type,
  fd,
  index,
  path: `/ns/${type}`,
  isTheHosts: false,
});

it("init's clone makes all namespaces but time and cgroup, and ipc in a user namespace, which are made elsewhere", () => {
  const all = Object.keys(NAMESPACE_FLAGS) as NamespaceType[];
  expect(cloneFlags(created(...all))).toBe(0x7402_0000);
  expect(cloneFlags(created(...all.filter((type) => type !== "user")))).toBe(0x6c02_0000);
  expect(cloneFlags(created("time", "cgroup"))).toBe(0);
  // Bit 31 and above stay a positive number.
  expect(cloneFlags(created("network"))).toBe(0x4000_0000);
});

it("a container has a namespace that is new or joined", () => {
  const namespaces = { created: new Set<NamespaceType>(["pid"]), joined: [joined("network", 5, 0)] };
  expect(["pid", "network", "user"].map((type) => hasNamespace(namespaces, type as NamespaceType))).toEqual([
    true,
    true,
    false,
  ]);
});

describe("Joining", () => {
  it("keeps the config's order but for the user namespace, which comes last, and closes each", () => {
    const plan = new Plan();
    const order = (["user", "uts", "network", "time"] as const).map((type, i) => joined(type, 10 + i, i));
    planJoins(plan, { created: new Set(), joined: order }, false);
    expect(calls(plan)).toEqual([
      "setns(11, CLONE_NEWUTS)",
      "close(11)",
      "setns(12, CLONE_NEWNET)",
      "close(12)",
      "setns(13, CLONE_NEWTIME)",
      "close(13)",
      "setns(10, CLONE_NEWUSER)",
      "close(10)",
    ]);
    expect(plan.steps.at(-1)?.field).toBe("linux.namespaces[0] (user /ns/user)");
  });

  it("begins with the user namespace for an ordinary user, who has no rights outside of it", () => {
    const plan = new Plan();
    const order = (["uts", "user", "network"] as const).map((type, i) => joined(type, 10 + i, i));
    planJoins(plan, { created: new Set(), joined: order }, true);
    expect(calls(plan).filter((call) => call.startsWith("setns"))).toEqual([
      "setns(11, CLONE_NEWUSER)",
      "setns(10, CLONE_NEWUTS)",
      "setns(12, CLONE_NEWNET)",
    ]);
  });
});

describe("A time namespace", () => {
  const offsets = (...args: Parameters<typeof planTimeNamespace> extends [unknown, ...infer Rest] ? Rest : never) => {
    const plan = new Plan();
    planTimeNamespace(plan, ...args);
    return calls(plan);
  };

  it("that is not asked for is not made, whatever the offsets", () => {
    expect(offsets(created("pid"), { boottime: { secs: 1 } })).toEqual([]);
  });

  it("without offsets has none written", () => {
    expect(offsets(created("time"), undefined)).toEqual(["unshare(CLONE_NEWTIME)"]);
    expect(offsets(created("time"), {})).toEqual(["unshare(CLONE_NEWTIME)"]);
  });

  it("gets its offsets in one write, and leaves no file open to init", () => {
    expect(offsets(created("time"), { monotonic: { secs: -1, nanosecs: 2 }, boottime: { nanosecs: 3 } })).toEqual([
      "unshare(CLONE_NEWTIME)",
      'openat(AT_FDCWD, "/proc/self/timens_offsets", O_WRONLY|O_CLOEXEC)',
      'write(#1, "monotonic -1 2\\nboottime 0 3\\n")',
      "close(#1)",
    ]);
  });
});
