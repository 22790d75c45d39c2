// linux.memoryPolicy: on which memory nodes the process's memory is to be. Children inherit it, and execve(2) keeps it.
// runtime-spec config-linux.md#memory-policy; set_mempolicy(2), numa(7). Which modes take nodes: spec/rules/placement.ts.

import type { Linux } from "../spec/config.gen.ts";
import { MPOL, MPOL_F } from "./abi/mempolicy.ts";
import { bitsOf } from "./bit-list.ts";
import { syscall } from "./calls.ts";
import type { Plan } from "./plan.ts";

/**
 * Sets it. In the container's cgroup, of which the memory nodes that it may use are what the kernel takes the nodes from; before
 * seccomp, which may forbid the call.
 */
export function planMemoryPolicy(plan: Plan, policy: Linux["memoryPolicy"]): void {
  if (policy === undefined) return;
  const { mode, nodes = "", flags = [] } = policy;
  const bits = flags.reduce<number>((sum, flag) => sum | MPOL_F[flag], MPOL[mode]);
  plan.at("linux.memoryPolicy");
  if (nodes === "") return void plan.add(syscall("set_mempolicy", bits, 0, 0));
  const mask = bitsOf(nodes);
  plan.add(syscall("set_mempolicy", bits, mask, mask.length * 8 + 1)); // the kernel takes one off
}
