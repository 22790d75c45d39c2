// linux.resources.cpu: "config-linux.md#cpu". v1: sched-bwc.rst, sched-rt-group.rst, cpusets.rst; v2: cgroup-v2.rst, "CPU".
//
// Quota, period and burst limit each other, so what the kernel refuses before the others are in place is tried again
// after them. `idle` makes the kernel refuse shares and weight: last, and shares again after it is switched off.
// realtimeRuntime and realtimePeriod have no counterpart on v2 (ignored by runc).

import type { CpuLimits } from "../../spec/config.gen.ts";
import { ConfigError } from "../errors.ts";
import { type Int, setting, unlessZero, type Write } from "./setting.ts";

const RETRY = { retryOn: "EINVAL" } as const;

/** Times in microseconds. */
export function cpuV1(cpu: CpuLimits): Write[] {
  return [
    ...setting("cpu.shares", "cpu.shares", shares(cpu.shares), RETRY),
    ...setting("cpu.burst", "cpu.cfs_burst_us", cpu.burst, RETRY),
    ...setting("cpu.period", "cpu.cfs_period_us", unlessZero(cpu.period), RETRY),
    ...setting("cpu.quota", "cpu.cfs_quota_us", unlessZero(cpu.quota)),
    ...setting("cpu.realtimePeriod", "cpu.rt_period_us", unlessZero(cpu.realtimePeriod), RETRY),
    ...setting("cpu.realtimeRuntime", "cpu.rt_runtime_us", unlessZero(cpu.realtimeRuntime)),
    ...setting("cpu.idle", "cpu.idle", cpu.idle),
  ];
}

/** As v1, with quota and period in one file. */
export function cpuV2(cpu: CpuLimits): Write[] {
  return [
    ...setting("cpu.shares", "cpu.weight", weight(cpu.shares), RETRY),
    ...setting("cpu.burst", "cpu.max.burst", cpu.burst, RETRY),
    ...setting("cpu.quota", "cpu.max", cpuMax(cpu.quota, cpu.period)),
    ...setting("cpu.idle", "cpu.idle", cpu.idle),
  ];
}

/** The same files on v1 and v2. */
export function cpuset(cpu: CpuLimits): Write[] {
  return [
    ...setting("cpu.cpus", "cpuset.cpus", cpu.cpus || undefined),
    ...setting("cpu.mems", "cpuset.mems", cpu.mems || undefined),
  ];
}

/** `cpu.max` for a quota and period of the config: "QUOTA PERIOD"; undefined: leave it as it is. */
function cpuMax(quota: Int | undefined, period: Int | undefined): string | undefined {
  if (unlessZero(quota) === undefined && unlessZero(period) === undefined) return undefined;
  const limit = quota !== undefined && quota > 0 ? String(quota) : "max";
  return `${limit} ${unlessZero(period) ?? 100_000}`;
}

/** The kernel silently moves other values into this range (MIN_SHARES, MAX_SHARES); the config would not be kept. */
function shares(value: Int | undefined): Int | undefined {
  if (value !== undefined && value !== 0 && value < 2) throw outOfRange("minimum", 2);
  if (value !== undefined && value > 262_144) throw outOfRange("maximum", 262_144);
  return unlessZero(value);
}

function outOfRange(which: "minimum" | "maximum", bound: number): ConfigError {
  return new ConfigError("linux.resources.cpu.shares", `the ${which} allowed cpu-shares is ${bound}`);
}

function weight(value: Int | undefined): number | undefined {
  const set = unlessZero(value);
  return set === undefined ? undefined : cpuWeight(Number(set));
}

/**
 * `cpu.weight` (1-10000) for `cpu.shares` (2-262144): a parabola in log-log space through (2, 1), (1024, 100) and
 * (262144, 10000), so that both defaults meet. All runtimes agreed on it in 2025.
 */
export function cpuWeight(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const l = Math.log2(shares);
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34));
}
