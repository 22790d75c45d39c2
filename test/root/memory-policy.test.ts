// linux.memoryPolicy as the kernel shows it inside: /proc/PID/numa_maps, numa(7). One node is enough for that.

import { describe, expect } from "vitest";
import { idle, type Json, linux, sh } from "./harness/config.ts";
import { except, kernelFile, needs } from "./harness/needs.ts";
import { outputOf, refusalOf } from "./harness/run.ts";

const NEEDS = [kernelFile("/proc/self/numa_maps"), except({ runc: "1.1 ignores it", crun: "1.8 ignores it" })];

/** The second word of every line, once. */
const SHOW = "cut -d' ' -f2 /proc/self/numa_maps | sort -u";
const memoryPolicy = (policy: Json): Json => linux({ memoryPolicy: policy });

const CASES: readonly (readonly [policy: Json, shown: string])[] = [
  [{ mode: "MPOL_DEFAULT" }, "default"],
  [{ mode: "MPOL_LOCAL" }, "local"],
  [{ mode: "MPOL_PREFERRED" }, "local"],
  [{ mode: "MPOL_PREFERRED", nodes: "0" }, "prefer:0"],
  [{ mode: "MPOL_BIND", nodes: "0" }, "bind:0"],
  [{ mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES"] }, "bind=static:0"],
  [{ mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_NUMA_BALANCING"] }, "bind=balancing:0"],
  [{ mode: "MPOL_INTERLEAVE", nodes: "0", flags: ["MPOL_F_RELATIVE_NODES"] }, "interleave=relative:0"],
];

describe("memoryPolicy", () => {
  for (const [policy, shown] of CASES)
    needs(...NEEDS)(`${JSON.stringify(policy)} is the program's, and that of exec`, async ({ box }) => {
      const words = new RegExp(`^${shown.replace("=", ".")}`, "m");
      expect(await outputOf(box, sh(SHOW), memoryPolicy(policy))).toMatch(words);
      const container = box.container(idle(), memoryPolicy(policy));
      await container.runDetached();
      expect((await container.exec(["sh", "-c", SHOW])).stdout).toMatch(words);
      const process = { args: ["sh", "-c", SHOW], capabilities: {} };
      expect((await container.execProcess(process)).stdout).toMatch(words);
    });

  for (const nodes of ["900", "5000", "999999999"])
    needs(...NEEDS)(`a node that is not there (${nodes}) is refused by name`, async ({ box }) => {
      const words = /linux\.memoryPolicy: set_mempolicy\(.*\): EINVAL/;
      expect(await refusalOf(box, idle(), memoryPolicy({ mode: "MPOL_BIND", nodes }))).toMatch(words);
    });

  const WRONG: readonly (readonly [policy: Json, pointer: string])[] = [
    [{ mode: "MPOL_DEFAULT", nodes: "0" }, "nodes"],
    [{ mode: "MPOL_LOCAL", nodes: "0" }, "nodes"],
    [{ mode: "MPOL_BIND" }, "nodes"],
    [{ mode: "MPOL_INTERLEAVE", nodes: "" }, "nodes"],
    [{ mode: "MPOL_PREFERRED_MANY" }, "nodes"],
    [{ mode: "MPOL_WEIGHTED_INTERLEAVE" }, "nodes"],
    [{ mode: "MPOL_BIND", nodes: "3-1" }, "nodes"],
    [{ mode: "MPOL_BIND", nodes: "0", flags: ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"] }, "flags"],
    [{ mode: "MPOL_NONE" }, "mode"],
  ];
  for (const [policy, pointer] of WRONG)
    needs(NEEDS[1])(`${JSON.stringify(policy)} is refused before anything is made`, async ({ box }) => {
      expect(await refusalOf(box, idle(), memoryPolicy(policy))).toContain(`/linux/memoryPolicy/${pointer}`);
    });
});
