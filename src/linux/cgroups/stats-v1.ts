// Statistics of cgroup v1: cgroup-v1/cpuacct.rst, memory.rst, blkio-controller.rst, hugetlb.rst, cpusets.rst.

import { type Count, count, exact, keyed } from "./count.ts";
import { type Json, type Parts, type Read, sorted, unlessEmpty } from "./stats-json.ts";

export function statsV1(read: Read): Parts {
  return { cpu: cpu(read), cpuset: cpuset(read), memory: memory(read), blkio: blkio(read), hugetlb: hugetlb(read) };
}

/** Nanoseconds in a clock tick of cpuacct.stat: USER_HZ is 100 on all architectures of ours. */
const TICK = 10_000_000n;

function cpu(read: Read): Json {
  const stat = keyed(read("cpu.stat"));
  const ticks = keyed(read("cpuacct.stat"));
  const nanoseconds = (name: string): Count => exact(BigInt(ticks.get(name) ?? 0) * TICK);
  const all = (read("cpuacct.usage_all") ?? "").split("\n").slice(1); // "cpu user system"
  const column = (index: number): Count[] => all.map((line) => count(line.split(" ")[index]));
  return {
    usage: {
      ...unlessEmpty({
        total: count(read("cpuacct.usage")),
        percpu: words(read("cpuacct.usage_percpu")).map((word) => count(word)),
        percpu_kernel: column(2),
        percpu_user: column(1),
      }),
      kernel: nanoseconds("system"),
      user: nanoseconds("user"),
    },
    throttling: unlessEmpty({
      periods: stat.get("nr_periods"),
      throttledPeriods: stat.get("nr_throttled"),
      throttledTime: stat.get("throttled_time"),
    }),
  };
}

const CPUSET_FLAGS = ["mem_hardwall", "mem_exclusive", "memory_migrate", "memory_spread_page", "memory_spread_slab"];

function cpuset(read: Read): Json {
  const value = (name: string): Count => count(read(`cpuset.${name}`));
  return {
    ...unlessEmpty({ cpus: numbers(read("cpuset.cpus")) }),
    cpu_exclusive: value("cpu_exclusive"),
    ...unlessEmpty({ mems: numbers(read("cpuset.mems")) }),
    ...Object.fromEntries(CPUSET_FLAGS.map((name) => [name, value(name)])),
    memory_pressure: value("memory_pressure"),
    sched_load_balance: value("sched_load_balance"),
    sched_relax_domain_level: value("sched_relax_domain_level"),
  };
}

/** "0-2,7" as 0, 1, 2, 7. */
export function numbers(list: string | undefined): number[] {
  return (list ?? "").split(",").flatMap((range) => {
    if (range === "") return [];
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

function memory(read: Read): Json {
  const stat = keyed(read("memory.stat"));
  return {
    ...unlessEmpty({ cache: stat.get("cache") }),
    usage: memoryEntry(read, "memory"),
    swap: memoryEntry(read, "memory.memsw"),
    kernel: memoryEntry(read, "memory.kmem"),
    kernelTCP: memoryEntry(read, "memory.kmem.tcp"),
    ...(stat.size > 0 && { raw: sorted(stat) }),
  };
}

function memoryEntry(read: Read, prefix: string): Json {
  return {
    limit: count(read(`${prefix}.limit_in_bytes`)),
    ...unlessEmpty({
      usage: count(read(`${prefix}.usage_in_bytes`)),
      max: count(read(`${prefix}.max_usage_in_bytes`)),
    }),
    failcnt: count(read(`${prefix}.failcnt`)),
  };
}

/** Members of `blkio` in their order, and what of a file's name they are. */
const BLKIO: readonly (readonly [member: string, name: string])[] = [
  ["ioServiceBytesRecursive", "io_service_bytes"],
  ["ioServicedRecursive", "io_serviced"],
  ["ioQueueRecursive", "io_queued"],
  ["ioServiceTimeRecursive", "io_service_time"],
  ["ioWaitTimeRecursive", "io_wait_time"],
  ["ioMergedRecursive", "io_merged"],
  ["ioTimeRecursive", "time"],
  ["sectorsRecursive", "sectors"],
];

/** Who keeps such files: the first whose first file has something in it tells all. BFQ has most of them for debugging only. */
const BLKIO_SOURCES: readonly (readonly [first: string, fileOf: (name: string) => string])[] = [
  ["sectors", (name) => `blkio.bfq.${name}_recursive`],
  ["io_serviced", (name) => `blkio.bfq.${name}_recursive`],
  ["sectors", (name) => `blkio.${name}_recursive`],
  ["io_serviced", (name) => `blkio.throttle.${name}_recursive`],
  ["io_serviced", (name) => `blkio.throttle.${name}`],
];

function blkio(read: Read): Json {
  const source = BLKIO_SOURCES.find(([first, fileOf]) => blkioEntries(read(fileOf(first))).length > 0);
  if (source === undefined) return {};
  return unlessEmpty(Object.fromEntries(BLKIO.map(([member, name]) => [member, blkioEntries(read(source[1](name)))])));
}

/** Lines "8:0 Read 512" or "8:0 512"; the last one is a total of all. */
export function blkioEntries(text: string | undefined): Json[] {
  return (text ?? "").split("\n").flatMap((line) => {
    const [, major, minor, op, value] = /^(\d+):(\d+) (?:(\w+) )?(\d+)$/.exec(line) ?? [];
    if (value === undefined) return [];
    return [unlessEmpty({ major: count(major), minor: count(minor), op: op ?? "", value: count(value) })];
  });
}

function hugetlb(read: Read): Parts["hugetlb"] {
  return (size) => {
    // What is reserved is what is limited, where the kernel counts it.
    const prefix = [`hugetlb.${size}.rsvd`, `hugetlb.${size}`].find((each) => read(`${each}.usage_in_bytes`));
    if (prefix === undefined) return undefined;
    const of = (name: string): Count => count(read(`${prefix}.${name}`));
    return { ...unlessEmpty({ usage: of("usage_in_bytes"), max: of("max_usage_in_bytes") }), failcnt: of("failcnt") };
  };
}

function words(text: string | undefined): string[] {
  return (text ?? "").split(" ").filter((word) => word !== "");
}
