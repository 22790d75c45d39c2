// linux.resources as a plan of writes: which controller is configured by which function, on cgroup v1 and v2. Pure: the
// same config gives the same writes. The order is runc's: the limit on the number of processes first, cpusets late.
//
// A setting that tsrun cannot make yet is refused by name: a container without a limit that its config asks for is worse
// than none. What is set to "nothing" (null, 0, "", {}, []), as engines like to do, is not set.

import type { LinuxResources } from "../../spec/config.gen.ts";
import { ConfigError } from "../errors.ts";
import { cpuset, cpuV1, cpuV2 } from "./cpu.ts";
import { memoryV1, memoryV2 } from "./memory.ts";
import { pids } from "./pids.ts";
import type { Write } from "./write.ts";

/** Hybrid hosts keep their controllers on v1. */
export type CgroupVersion = "v1" | "v2";

type Planner = (resources: LinuxResources, version: CgroupVersion) => Write[];

function planner<Key extends keyof LinuxResources>(
  key: Key,
  v1: (value: NonNullable<LinuxResources[Key]>) => Write[],
  v2: (value: NonNullable<LinuxResources[Key]>) => Write[],
): Planner {
  return (resources, version) => {
    const value = resources[key];
    if (value === undefined) return [];
    return version === "v1" ? v1(value) : v2(value);
  };
}

const PLANNERS: readonly Planner[] = [
  planner("pids", pids, pids),
  planner("memory", memoryV1, memoryV2),
  planner("cpu", cpuV1, cpuV2),
  planner("cpu", cpuset, cpuset),
];

/** Settings without a planner, and why they are refused. What is missing in a column is ignored there, as by runc. */
const REFUSED: readonly { readonly key: keyof LinuxResources; readonly v1?: string; readonly v2?: string }[] = [
  { key: "blockIO", v1: "not supported yet", v2: "not supported yet" },
  { key: "hugepageLimits", v1: "not supported yet", v2: "not supported yet" },
  { key: "network", v1: "not supported yet" },
  { key: "rdma", v1: "not supported yet", v2: "not supported yet" },
  { key: "unified", v1: "these files exist on cgroup v2 only, and this host has v1", v2: "not supported yet" },
];

/**
 * What to write for `resources`, devices excepted (deviceFilter).
 * @throws ConfigError for a setting that cannot be made
 */
export function planResources(resources: LinuxResources, version: CgroupVersion): Write[] {
  for (const refusal of REFUSED) {
    const reason = refusal[version];
    if (reason !== undefined && isConfigured(resources[refusal.key])) {
      throw new ConfigError(`linux.resources.${refusal.key}`, reason);
    }
  }
  return PLANNERS.flatMap((plan) => plan(resources, version));
}

function isConfigured(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.values(value).some(isConfigured);
  return Boolean(value);
}
