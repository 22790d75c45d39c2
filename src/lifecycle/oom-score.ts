// process.oomScoreAdj: how readily the kernel kills the process for memory. proc_pid_oom_score_adj(5). Written to the agent, of
// which it is inherited: later the process is not dumpable, and then the file is root's, whoever made the process.

import { ConfigError } from "../linux/errors.ts";
import { readText, writeExisting } from "../linux/files.ts";
import { messageOf } from "./message.ts";
import { isErrno } from "./output.ts";

/** Writes the value; without one the process keeps its parent's. */
export function setOomScore(pid: number, value: number | undefined): void {
  if (value === undefined) return;
  const file = `/proc/${pid}/oom_score_adj`;
  try {
    writeExisting(file, String(value));
  } catch (error) {
    if (!isErrno(error, "EACCES")) throw new ConfigError("process.oomScoreAdj", messageOf(error));
    const least = `it takes CAP_SYS_RESOURCE of the host to go below the caller's own, ${readText(file).trim()}`;
    throw new ConfigError("process.oomScoreAdj", `cannot be ${value}: ${least}`);
  }
}
