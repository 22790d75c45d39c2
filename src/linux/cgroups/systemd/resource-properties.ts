// Limits as properties of a unit: systemd.resource-control(5), org.freedesktop.systemd1(5). What is planned for the cgroup's
// files says it all, also what the config has under `unified`, so a file's text is turned into a property. systemd has to know
// of the limits, since it writes its own values again (daemon-reload); the files are written all the same, afterwards, as there
// are limits that are no property, and some that are less exact (CPUQuota= is whole percents).

import type { CgroupVersion } from "../resources.ts";
import type { Write } from "../setting.ts";
import type { Property, Value } from "./variant.ts";

/** The text that another file has, or will have. */
export type TextOf = (file: string) => string | undefined;

type Translate = (text: string, textOf: TextOf, planned: TextOf) => Property[];

/** systemd's USEC_INFINITY, CGROUP_LIMIT_MAX and "no weight". */
const INFINITY = 2n ** 64n - 1n;

const V1: { readonly [file: string]: Translate } = {
  "memory.limit_in_bytes": limit("MemoryLimit"),
  "cpu.shares": limit("CPUShares"),
  "cpu.cfs_quota_us": (quota, textOf) => cpuQuota(quota, textOf("cpu.cfs_period_us")),
  "cpu.cfs_period_us": (period, textOf, planned) =>
    planned("cpu.cfs_quota_us") === undefined ? cpuQuota(textOf("cpu.cfs_quota_us") ?? "-1", period) : [],
  "cpuset.cpus": mask("AllowedCPUs"),
  "cpuset.mems": mask("AllowedMemoryNodes"),
  "pids.max": limit("TasksMax"),
  "blkio.weight": limit("BlockIOWeight"),
};

const V2: { readonly [file: string]: Translate } = {
  "memory.min": limit("MemoryMin"),
  "memory.low": limit("MemoryLow"),
  "memory.high": limit("MemoryHigh"),
  "memory.max": limit("MemoryMax"),
  "memory.swap.max": limit("MemorySwapMax"),
  "memory.zswap.max": limit("MemoryZSwapMax", 253),
  "memory.oom.group": (text) => [property("OOMPolicy", "s", text === "1" ? "kill" : "continue", 253)],
  "cpu.weight": limit("CPUWeight"),
  "cpu.idle": cpuIdle,
  "cpu.max": (text) => cpuQuota(...(text.split(" ") as [string, string?])),
  "cpuset.cpus": mask("AllowedCPUs"),
  "cpuset.mems": mask("AllowedMemoryNodes"),
  "pids.max": limit("TasksMax"),
  "io.weight": limit("IOWeight"),
};

/** What a unit can be told when it is made, and not later. */
const AT_CREATION: readonly string[] = ["memory.oom.group"];

/** The properties for all writes of a plan that have any. */
export function resourceProperties(plan: readonly Write[], version: CgroupVersion): Property[] {
  return translated(plan, version, () => undefined);
}

/** The same for the change of a unit that is there; `current` tells what files have that are not changed. */
export function changedProperties(plan: readonly Write[], version: CgroupVersion, current: TextOf): Property[] {
  const possible = plan.filter(({ file }) => !AT_CREATION.includes(file));
  return translated(possible, version, current);
}

function translated(plan: readonly Write[], version: CgroupVersion, current: TextOf): Property[] {
  const table = version === "v2" ? V2 : V1;
  const planned: TextOf = (file) => plan.find((write) => write.file === file)?.value;
  const textOf: TextOf = (file) => planned(file) ?? current(file);
  return plan
    .flatMap((write) => (write.otherwise === undefined ? [write] : [write, write.otherwise]))
    .flatMap(({ file, value }) => table[file]?.(value, textOf, planned) ?? []);
}

function property(name: string, signature: string, value: Value, since?: number): Property {
  return { name, signature, value, ...(since !== undefined && { since }) };
}

/** A number, "max" or a negative one for none. io.weight may say "default" first; lines for a device are no property. */
function limit(name: string, since?: number): Translate {
  return (text) => {
    const word = text.replace(/^default /, "");
    if (word === "max" || /^-\d+$/.test(word)) return [property(name, "t", INFINITY, since)];
    return /^\d+$/.test(word) ? [property(name, "t", BigInt(word), since)] : [];
  };
}

/** The kernel's idle is systemd's weight 0; of what is not idle any more the weight is given anew, or unset. */
function cpuIdle(text: string, _: TextOf, planned: TextOf): Property[] {
  if (text === "1") return [property("CPUWeight", "t", 0n, 252)];
  return planned("cpu.weight") === undefined ? [property("CPUWeight", "t", INFINITY)] : [];
}

const DEFAULT_PERIOD = "100000";
const MICROSECONDS = 1_000_000n;
/** One percent of a second. systemd forgets what is less, and would forget it in favour of the lower value. */
const PERCENT = 10_000n;

/** Both in microseconds; a quota of "max" or below 1 is none. */
function cpuQuota(quota: string, period = DEFAULT_PERIOD): Property[] {
  const length = BigInt(period);
  const limited = /^\d+$/.test(quota) && BigInt(quota) > 0n && length > 0n;
  const share = limited ? (BigInt(quota) * MICROSECONDS + length - 1n) / length : 0n;
  const perSecond = limited ? ((share + PERCENT - 1n) / PERCENT) * PERCENT : INFINITY;
  return [property("CPUQuotaPeriodUSec", "t", length), property("CPUQuotaPerSecUSec", "t", perSecond)];
}

/** More than any kernel numbers; who asks for more is refused by the file. */
const MOST_CPUS = 65_536;

/** A list of numbers and ranges, "0-3,7", as bits of bytes, the lowest first. An empty one is no limit. */
function mask(name: string): Translate {
  return (text) => (/^[\d,\s-]*$/.test(text) ? [property(name, "ay", bits(text))] : []);
}

function bits(list: string): number[] {
  const bytes: number[] = [];
  for (const range of list.split(",").filter((word) => word.trim() !== "")) {
    const [first = 0, last = first] = range.split("-").map(Number);
    for (let n = first; n <= Math.min(last, MOST_CPUS); n++) {
      while (bytes.length <= n >> 3) bytes.push(0);
      bytes[n >> 3] = (bytes[n >> 3] ?? 0) | (1 << (n & 7));
    }
  }
  return bytes;
}
