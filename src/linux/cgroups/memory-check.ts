// linux.resources.memory.checkBeforeUpdate: "config-linux.md#memory". A limit below what is in use is EBUSY on cgroup v1, and
// on v2 the kernel kills until it fits. With this field set, v2 is asked first; what is charged between the question and
// the write is the kernel's again.

import type { MemoryLimits } from "../../spec/config.gen.ts";
import { CgroupError } from "./error.ts";
import type { Int } from "./setting.ts";
import { readFile } from "./write.ts";

/** @throws CgroupError for a limit that is not above what the v2 cgroup uses. One whose use cannot be read is not checked. */
export function checkMemoryUse({ checkBeforeUpdate, limit = 0, swap = 0 }: MemoryLimits, directory: string): void {
  if (!checkBeforeUpdate || (limit <= 0 && swap <= 0)) return;
  const text = readFile(`${directory}/memory.current`);
  if (text === undefined) return;
  const usage = BigInt(text);
  refuseBelow(usage, "swap", "memory+swap", swap);
  refuseBelow(usage, "limit", "memory", limit);
}

function refuseBelow(usage: bigint, field: string, what: string, limit: Int): void {
  if (limit <= 0 || limit > usage) return;
  throw new CgroupError(`linux.resources.memory.${field}: rejecting ${what} limit ${limit} <= usage ${usage}`);
}
