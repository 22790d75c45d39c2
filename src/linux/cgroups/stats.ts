// What a container uses, as `events` prints it. The form is runc's, member by member and in its order, which was made for
// cgroup v1: what v2 has under other names is told under v1's, and what it has not is not there or 0. Of v2 alone, and of
// newer runcs, are the members `psi`: Documentation/accounting/psi.rst.

import { list } from "../directories.ts";
import type { Cgroup } from "./cgroup.ts";
import { count } from "./count.ts";
import { errnoOf } from "./error.ts";
import { type Json, type Read, unlessEmpty } from "./stats-json.ts";
import { statsV1 } from "./stats-v1.ts";
import { statsV2 } from "./stats-v2.ts";

/** The statistics of a cgroup now, with what resctrl has to tell. */
export function statsOf(cgroup: Cgroup, rdt: Json = {}): Json {
  const read: Read = (file) => cgroup.read(file);
  const { cpu, cpuset, memory, blkio, hugetlb } = cgroup.mode === "v2" ? statsV2(read) : statsV1(read);
  const pages = hugepageSizes().flatMap((size): [string, Json][] => {
    const of = hugetlb(size);
    return of === undefined ? [] : [[size, of]];
  });
  return {
    cpu,
    cpuset,
    memory,
    pids: unlessEmpty({ current: count(read("pids.current")), limit: count(read("pids.max"), 0) }),
    blkio,
    hugetlb: Object.fromEntries(pages),
    intel_rdt: rdt,
    network_interfaces: null, // runc tells of interfaces that it made, which it has not done for years
  };
}

/** As the files' names have them: "2MB" for /sys/kernel/mm/hugepages/hugepages-2048kB. */
function hugepageSizes(): string[] {
  try {
    const names = list("/sys/kernel/mm/hugepages").map(({ name }) => name);
    return names.map((name) => pageSize(Number(/\d+/.exec(name)?.[0]))).sort();
  } catch (error) {
    errnoOf(error);
    return []; // a kernel without them
  }
}

function pageSize(kilobytes: number): string {
  if (kilobytes >= 1024 * 1024) return `${kilobytes / 1024 / 1024}GB`;
  return kilobytes >= 1024 ? `${kilobytes / 1024}MB` : `${kilobytes}KB`;
}
