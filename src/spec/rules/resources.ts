// config-linux.md: Control groups. The limits alone, without the host's cgroups: which files exist is src/linux's matter.

import type { BlockIo, CpuLimits, DeviceRule, LinuxResources, MemoryLimits, RdmaLimit } from "../config.gen.ts";
import type { Report } from "../rules.ts";

type Keys = readonly (string | number)[];

/** `change`: these are merged into resources that a container has already (update), so what is missing may be there. */
export function resourceRules(resources: LinuxResources, place: Keys, report: Report, { change = false } = {}): void {
  if (resources.memory) memoryRules(resources.memory, [...place, "memory"], report, change);
  if (resources.cpu) cpuRules(resources.cpu, [...place, "cpu"], report);
  if (resources.blockIO) blockIoRules(resources.blockIO, [...place, "blockIO"], report);
  deviceRuleRules(resources.devices ?? [], [...place, "devices"], report);
  rdmaRules(resources.rdma ?? {}, [...place, "rdma"], report);
  unifiedRules(resources.unified ?? {}, [...place, "unified"], report);
}

/** Memory: bytes or -1; swap counts memory and swap together, so it needs a limit and is not below it. */
function memoryRules(memory: MemoryLimits, place: Keys, report: Report, change: boolean): void {
  for (const field of ["limit", "reservation", "swap", "kernel", "kernelTCP"] as const) {
    if ((memory[field] ?? 0) < -1) report([...place, field], "must be -1 (unlimited), or a number of bytes");
  }
  const { limit = 0, swap = 0 } = memory;
  if (swap > 0 && limit > swap)
    report([...place, "swap"], `must not be below the memory limit, ${limit}: it includes it`);
  if (swap > 0 && (limit < 0 || (limit <= 0 && !change))) report([...place, "swap"], "needs a memory limit");
  if ((memory.swappiness ?? 0) > 100) report([...place, "swappiness"], "must be from 0 to 100");
}

function cpuRules(cpu: CpuLimits, place: Keys, report: Report): void {
  const { quota = 0, burst = 0, idle = 0 } = cpu;
  // MUST be no larger than any positive quota.
  if (quota > 0 && burst > quota) report([...place, "burst"], `must not be above the quota, ${quota}`);
  if (idle < 0 || idle > 1) report([...place, "idle"], "must be 0 or 1");
}

/** Block IO: MUST specify at least one of weight or leafWeight. */
function blockIoRules(blockIo: BlockIo, place: Keys, report: Report): void {
  for (const [index, device] of (blockIo.weightDevice ?? []).entries()) {
    if (device.weight === undefined && device.leafWeight === undefined) {
      report([...place, "weightDevice", index], "must have a weight, a leafWeight or both");
    }
  }
}

/** Allowed Device list: numbers, where -1 is what tools older than "not given" send for all. */
function deviceRuleRules(rules: readonly DeviceRule[], place: Keys, report: Report): void {
  for (const [index, rule] of rules.entries()) {
    for (const field of ["major", "minor"] as const) {
      if ((rule[field] ?? 0) < -1) report([...place, index, field], "must be a device number, or -1 for all");
    }
  }
}

/** RDMA: MUST specify at least one of the two. The name becomes a word of a line in rdma.max. */
function rdmaRules(rdma: { readonly [name: string]: RdmaLimit }, place: Keys, report: Report): void {
  for (const [name, limit] of Object.entries(rdma)) {
    if (!/^[^\s\0]+$/.test(name)) report([...place, name], "is not the name of an RDMA device");
    if (limit.hcaHandles === undefined && limit.hcaObjects === undefined) {
      report([...place, name], "must have hcaHandles, hcaObjects or both");
    }
  }
}

/** Unified: each key is a file of the cgroup, CONTROLLER.PARAMETER, so it cannot lead to another directory. */
function unifiedRules(unified: { readonly [file: string]: string }, place: Keys, report: Report): void {
  for (const file of Object.keys(unified)) {
    if (!/^[^./\0][^/\0]*\.[^/\0]+$/.test(file)) {
      report([...place, file], "is not the name of a cgroup file, CONTROLLER.PARAMETER");
    }
  }
}
