// linux.resources as a plan of writes: which controller is configured by which function, on cgroup v1 and v2. Pure: the
// same config gives the same writes. The order is runc's: the limit on the number of processes first, cpusets late, the
// unified files last. What is set to "nothing" (null, 0, "", {}, []), as engines like to do, is not set.

import type { LinuxResources } from "../../spec/config.gen.ts";
import { blockIoV1, blockIoV2 } from "./block-io.ts";
import { cpuset, cpuV1, cpuV2 } from "./cpu.ts";
import { hugepagesV1, hugepagesV2 } from "./hugepages.ts";
import { memoryV1, memoryV2 } from "./memory.ts";
import { networkV1 } from "./network.ts";
import { pids } from "./pids.ts";
import { rdma } from "./rdma.ts";
import type { Write } from "./setting.ts";
import { unifiedV1, unifiedV2 } from "./unified.ts";

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
  planner("blockIO", blockIoV1, blockIoV2),
  planner("cpu", cpuV1, cpuV2),
  planner("cpu", cpuset, cpuset),
  planner("hugepageLimits", hugepagesV1, hugepagesV2),
  planner("network", networkV1, () => []),
  planner("rdma", rdma, rdma),
  planner("unified", unifiedV1, unifiedV2),
];

/**
 * What to write for `resources`, devices excepted (deviceFilter).
 * @throws ConfigError for a setting that cannot be made
 */
export function planResources(resources: LinuxResources, version: CgroupVersion): Write[] {
  return PLANNERS.flatMap((plan) => plan(resources, version));
}
