// linux.resources.pids: "config-linux.md#pids". The same file on v1 and v2; the kernel counts threads, not processes.

import type { PidsLimit } from "../../spec/config.gen.ts";
import { setting, type Write } from "./setting.ts";

/** A negative limit is none; 0 is a limit, but one that lets no process exist: other runtimes write 1, and so do we. */
export function pids({ limit }: PidsLimit): Write[] {
  return setting("pids.limit", "pids.max", limit < 0 ? "max" : limit < 1 ? 1 : limit);
}
