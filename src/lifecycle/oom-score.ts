// process.oomScoreAdj: how readily the kernel kills the process for memory. proc_pid_oom_score_adj(5). Written from outside,
// while the process is root still; to lower it takes CAP_SYS_RESOURCE.

import { ConfigError } from "../linux/errors.ts";
import { writeExisting } from "../linux/files.ts";
import { messageOf } from "./message.ts";

/** Writes the value; without one the process keeps its parent's. */
export function setOomScore(pid: number, value: number | undefined): void {
  if (value === undefined) return;
  try {
    writeExisting(`/proc/${pid}/oom_score_adj`, String(value));
  } catch (error) {
    throw new ConfigError("process.oomScoreAdj", messageOf(error));
  }
}
