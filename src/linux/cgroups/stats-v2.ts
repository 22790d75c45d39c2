// Statistics of cgroup v2: cgroup-v2.rst, told as if it were v1.

import { type Count, count, exact, keyed, UNLIMITED } from "./count.ts";
import { type Json, type Parts, type Read, sorted, unlessEmpty } from "./stats-json.ts";

export function statsV2(read: Read): Parts {
  return { cpu: cpu(read), cpuset: CPUSET, memory: memory(read), blkio: blkio(read), hugetlb: hugetlb(read) };
}

/** v2 has none of these. */
const CPUSET: Json = {
  cpu_exclusive: 0,
  mem_hardwall: 0,
  mem_exclusive: 0,
  memory_migrate: 0,
  memory_spread_page: 0,
  memory_spread_slab: 0,
  memory_pressure: 0,
  sched_load_balance: 0,
  sched_relax_domain_level: 0,
};

function cpu(read: Read): Json {
  const stat = keyed(read("cpu.stat"));
  const nanoseconds = (name: string): Count => exact(BigInt(stat.get(name) ?? 0) * 1000n);
  return {
    usage: {
      ...unlessEmpty({ total: nanoseconds("usage_usec") }),
      kernel: nanoseconds("system_usec"),
      user: nanoseconds("user_usec"),
    },
    throttling: unlessEmpty({
      periods: stat.get("nr_periods"),
      throttledPeriods: stat.get("nr_throttled"),
      throttledTime: nanoseconds("throttled_usec"),
    }),
    ...pressure(read("cpu.pressure")),
  };
}

const NONE: Json = { limit: 0, failcnt: 0 };

function memory(read: Read): Json {
  const stat = keyed(read("memory.stat"));
  const usage = count(read("memory.current"));
  const limit = count(read("memory.max"));
  const swap = read("memory.swap.current") !== undefined;
  return {
    ...unlessEmpty({ cache: stat.get("file") }),
    usage: { limit, ...unlessEmpty({ usage, max: count(read("memory.peak")) }), failcnt: 0 },
    // v1 counts memory and swap together.
    swap: {
      limit: swap ? sum(count(read("memory.swap.max")), limit) : limit,
      ...unlessEmpty({ usage: sum(count(read("memory.swap.current")), usage), max: count(read("memory.swap.peak")) }),
      failcnt: 0,
    },
    kernel: NONE,
    kernelTCP: NONE,
    ...(stat.size > 0 && { raw: sorted(stat) }),
    ...pressure(read("memory.pressure")),
  };
}

function sum(a: Count, b: Count): Count {
  const total = BigInt(a) + BigInt(b);
  return exact(total < UNLIMITED ? total : UNLIMITED);
}

/** Which of v1's tables a key of io.stat belongs to, and as what. */
const IO_KEYS: readonly (readonly [key: string, op: string, member: string])[] = [
  ["rbytes", "Read", "ioServiceBytesRecursive"],
  ["wbytes", "Write", "ioServiceBytesRecursive"],
  ["rios", "Read", "ioServicedRecursive"],
  ["wios", "Write", "ioServicedRecursive"],
];

function blkio(read: Read): Json {
  const tables: { [member: string]: Json[] } = { ioServiceBytesRecursive: [], ioServicedRecursive: [] };
  for (const line of (read("io.stat") ?? "").split("\n")) {
    const [device = "", ...pairs] = line.split(" ");
    const [major, minor] = device.split(":");
    for (const pair of pairs) {
      const [name, value] = pair.split("=");
      const [, op = "", member = ""] = IO_KEYS.find(([key]) => key === name) ?? [];
      tables[member]?.push(unlessEmpty({ major: count(major), minor: count(minor), op, value: count(value) }));
    }
  }
  return { ...unlessEmpty(tables), ...pressure(read("io.pressure")) };
}

function hugetlb(read: Read): Parts["hugetlb"] {
  return (size) => {
    const usage = read(`hugetlb.${size}.rsvd.current`) ?? read(`hugetlb.${size}.current`);
    if (usage === undefined) return undefined;
    return {
      ...unlessEmpty({ usage: count(usage) }),
      failcnt: keyed(read(`hugetlb.${size}.events`)).get("max") ?? 0,
    };
  };
}

/** "some avg10=0.00 avg60=0.00 avg300=0.00 total=0" and the same of "full". Kernels without PSI have no such file. */
export function pressure(text: string | undefined): { readonly psi?: Json } {
  const lines = (text ?? "").split("\n").filter((line) => line !== "");
  if (lines.length === 0) return {};
  const none = { avg10: 0, avg60: 0, avg300: 0, total: 0 };
  const told = lines.map((line): [string, Json] => {
    const [kind = "", ...pairs] = line.split(" ");
    const members = pairs
      .map((pair) => pair.split("="))
      .map(([name = "", value = ""]) => [name, pressureValue(name, value)]);
    return [kind, Object.fromEntries(members) as Json];
  });
  return { psi: { some: none, full: none, ...Object.fromEntries(told) } };
}

function pressureValue(name: string, value: string): Count {
  return name === "total" ? count(value) : Number(value);
}
