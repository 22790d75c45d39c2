// The memory policy as a call. What the kernel makes of it: test/root/memory-policy.test.ts.

import { expect, it } from "vitest";
import { planMemoryPolicy } from "../../src/linux/memory-policy.ts";
import { Plan } from "../../src/linux/plan.ts";
import { printPlan } from "../../src/linux/print.ts";
import type { MemoryPolicy } from "../../src/spec/config.gen.ts";

function call(policy: MemoryPolicy | undefined): string {
  const plan = new Plan();
  planMemoryPolicy(plan, policy);
  return printPlan(plan).trim().replace(/ +/g, " ");
}

it("a policy is one call, and none is none", () => {
  expect(call(undefined)).toBe("");
  expect(call({ mode: "MPOL_BIND", nodes: "0-1,3" })).toContain("set_mempolicy(MPOL_BIND, {nodes 0-1,3})");
  expect(call({ mode: "MPOL_LOCAL", nodes: "", flags: [] })).toContain("set_mempolicy(MPOL_LOCAL, 0)");
  const flags: MemoryPolicy["flags"] = ["MPOL_F_NUMA_BALANCING", "MPOL_F_STATIC_NODES"];
  expect(call({ mode: "MPOL_WEIGHTED_INTERLEAVE", nodes: "70", flags })).toContain(
    "set_mempolicy(MPOL_WEIGHTED_INTERLEAVE|MPOL_F_STATIC_NODES|MPOL_F_NUMA_BALANCING, {nodes 70})",
  );
});

it("the kernel, which takes one bit off, sees the whole mask", () => {
  const plan = new Plan();
  planMemoryPolicy(plan, { mode: "MPOL_INTERLEAVE", nodes: "63" });
  const [, mask, bits] = plan.steps[0]?.call.args ?? [];
  expect([mask, bits]).toEqual([Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0x80), 65]);
});
