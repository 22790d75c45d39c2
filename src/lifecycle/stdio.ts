// What tsrun's caller handed on to the process: standard streams, and descriptors from 3 up (--preserve-fds, and those of
// socket activation: sd_listen_fds(3)).

import { makedev } from "../linux/abi/stat.ts";
import { ConfigError } from "../linux/errors.ts";
import { descriptorStatus, type FileStatus } from "../linux/file-status.ts";
import { chownDescriptor } from "../linux/files.ts";
import { isErrno } from "./output.ts";

const STREAMS = [0, 1, 2] as const;
const NULL_DEVICE = makedev(1, 3);

/** Which of the standard streams are the null device. */
export function nullStreams(): number[] {
  return STREAMS.filter((fd) => isNull(statOf(fd)));
}

/** Gives the standard streams to a user of the host's, who could not reopen them through /proc/self/fd otherwise. */
export function chownStreams(uid: number): void {
  for (const fd of STREAMS) {
    const stats = statOf(fd);
    if (stats === undefined || isNull(stats) || stats.uid === uid) continue;
    try {
      chownDescriptor(fd, uid, stats.gid);
    } catch (error) {
      // A stream on a read-only file system, or one that is not ours to give.
      if (!["EPERM", "EROFS", "EINVAL"].some((code) => isErrno(error, code))) throw error;
    }
  }
}

/** The descriptors to keep, and the environment that tells of them. Throws ConfigError for one that is not open. */
export function preservedDescriptors(preserveFds: number): { readonly fds: readonly number[]; readonly env: string[] } {
  // Those of another process, which a daemon may have left in its environment, are not ours to count.
  const ours = process.env.LISTEN_PID === String(process.pid);
  const listening = (ours && Number(process.env.LISTEN_FDS ?? 0)) || 0;
  const fds: number[] = [];
  for (let fd = 3; fds.length < listening + preserveFds; fd++) {
    if (statOf(fd) === undefined) throw new ConfigError("--preserve-fds", `descriptor ${fd} is not open`);
    fds.push(fd);
  }
  if (listening === 0) return { fds, env: [] };
  const names = process.env.LISTEN_FDNAMES;
  const named = names === undefined ? [] : [`LISTEN_FDNAMES=${names}`];
  return { fds, env: [`LISTEN_FDS=${listening}`, "LISTEN_PID=1", ...named] };
}

function statOf(fd: number): FileStatus | undefined {
  try {
    return descriptorStatus(fd);
  } catch {
    return undefined;
  }
}

function isNull(stats: FileStatus | undefined): boolean {
  return stats?.kind === "character device" && stats.device === NULL_DEVICE;
}
