// linux.resources.hugepageLimits: "config-linux.md#huge-page-limits". cgroup-v1/hugetlb.rst; cgroup-v2.rst, "HugeTLB".
//
// The kernel counts pages when they are touched (the limit that kills, by SIGBUS) and when they are reserved (rsvd: mmap
// fails). Both get the limit, as by runc: the second is the one that a program can handle. 0 is a limit: no such pages.

import type { HugepageLimit } from "../../spec/config.gen.ts";
import { setting, type Write } from "./setting.ts";

export const hugepagesV1 = (limits: readonly HugepageLimit[]) => hugepages(limits, "limit_in_bytes");
export const hugepagesV2 = (limits: readonly HugepageLimit[]) => hugepages(limits, "max");

function hugepages(limits: readonly HugepageLimit[], file: string): Write[] {
  return limits.flatMap(({ pageSize, limit }, index) => {
    const field = `hugepageLimits[${index}]`;
    return [
      ...setting(field, `hugetlb.${pageSize}.${file}`, limit),
      ...setting(field, `hugetlb.${pageSize}.rsvd.${file}`, limit, { ignore: ["ENOENT"] }),
    ];
  });
}
