// config-linux.md: Cgroups Path, IntelRdt, Memory Policy: where the container's processes are put, by cgroup, class of
// service and memory node.

import type { Config } from "../config.gen.ts";
import type { Report } from "../rules.ts";
import { isCpuList } from "./cpu-list.ts";

export function placementRules(config: Config, report: Report): void {
  // Runtimes MAY refuse values: one that climbs out of its place is refused, rather than cleaned into another one.
  if (config.linux?.cgroupsPath?.split("/").includes("..")) report(["linux", "cgroupsPath"], "must not contain ..");
  rdtRules(config, report);
  memoryPolicyRules(config, report);
}

/** closID is the name of a directory of resctrl, "/" its root; schemata are lines. */
function rdtRules(config: Config, report: Report): void {
  const { closID = "", schemata = [] } = config.linux?.intelRdt ?? {};
  const place = ["linux", "intelRdt"];
  if (closID !== "/" && (closID === "." || closID === ".." || /[/\n]/.test(closID))) {
    report([...place, "closID"], "must be the name of one directory, or /");
  }
  for (const [index, line] of schemata.entries()) {
    if (line.includes("\n")) report([...place, "schemata", index], "must be one line");
  }
}

/** set_mempolicy(2): which modes have nodes. MPOL_PREFERRED may. */
const NODES: Readonly<Record<string, "none" | "some">> = {
  MPOL_DEFAULT: "none",
  MPOL_LOCAL: "none",
  MPOL_BIND: "some",
  MPOL_INTERLEAVE: "some",
  MPOL_PREFERRED_MANY: "some",
  MPOL_WEIGHTED_INTERLEAVE: "some",
};

function memoryPolicyRules(config: Config, report: Report): void {
  const policy = config.linux?.memoryPolicy;
  if (policy === undefined) return;
  const { mode, nodes = "", flags = [] } = policy;
  const place = ["linux", "memoryPolicy"];
  if (nodes === "" && NODES[mode] === "some") report([...place, "nodes"], `is required with ${mode}`);
  if (nodes !== "" && NODES[mode] === "none") report([...place, "nodes"], `has no meaning with ${mode}`);
  if (nodes !== "" && !isCpuList(nodes)) report([...place, "nodes"], "must be a list such as 0-3,7");
  if (flags.includes("MPOL_F_STATIC_NODES") && flags.includes("MPOL_F_RELATIVE_NODES")) {
    report([...place, "flags"], "cannot have both MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES");
  }
}
