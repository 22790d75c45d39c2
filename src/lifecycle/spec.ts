// tsrun spec: a sample config.json to begin with, in the current directory or in --bundle's.

import { O_CREAT, O_EXCL } from "../linux/abi/fcntl.ts";
import { fileSystemType } from "../linux/file-status.ts";
import { writeText } from "../linux/files.ts";
import { exampleText } from "../spec/example.ts";
import type { Context, ExitStatus } from "./command.ts";
import { isErrno } from "./output.ts";
import { UsageError } from "./usage-error.ts";

/** CGROUP2_SUPER_MAGIC of linux/magic.h. */
const CGROUP2_MAGIC = 0x63677270;

/** Writes config.json. Throws UsageError when there is one. */
export function command({ flags }: Context<"spec">): ExitStatus {
  const text = exampleText({
    rootless: flags.rootless,
    cgroup2: isCgroup2(),
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
  });
  const path = flags.bundle === undefined ? "config.json" : `${flags.bundle}/config.json`;
  try {
    writeText(path, `${text}\n`, 0o666, O_CREAT | O_EXCL);
  } catch (error) {
    if (isErrno(error, "EEXIST")) throw new UsageError("File config.json exists. Remove it first");
    throw error;
  }
  return 0;
}

/** On a host with cgroup v2 alone the sample has a cgroup namespace of its own. */
function isCgroup2(): boolean {
  return fileSystemType("/sys/fs/cgroup") === CGROUP2_MAGIC;
}
