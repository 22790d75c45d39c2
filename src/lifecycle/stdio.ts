// What tsrun's caller handed on to the process: standard streams, and descriptors from 3 up (--preserve-fds, and those of
// socket activation: sd_listen_fds(3)).

import { makedev } from "../linux/abi/stat.ts";
import { ConfigError } from "../linux/errors.ts";
import { descriptorStatus, type FileStatus } from "../linux/file-status.ts";
import { chownDescriptor } from "../linux/files.ts";
import type { Namespace, Process } from "../spec/config.gen.ts";
import { hostUid } from "./id-maps.ts";
import { isErrno } from "./output.ts";

const STREAMS = [0, 1, 2] as const;
const NULL_DEVICE = makedev(1, 3);

/** Which of the standard streams are the null device. */
export function nullStreams(): number[] {
  return STREAMS.filter((fd) => isNull(statOf(fd)));
}

/**
 * Gives the standard streams to the user of a process that is about to have them, who could not reopen them through
 * /proc/self/fd otherwise. A process with a terminal gets none of tsrun's.
 */
export function giveStreams(
  { terminal, user }: Pick<Process, "terminal" | "user">,
  namespaces: readonly Namespace[],
  pid: number,
): void {
  if (terminal !== true) chownStreams(hostUid(user?.uid ?? 0, namespaces, pid));
}

function chownStreams(uid: number): void {
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
  const listening = isForUs(process.env.LISTEN_PID) ? Number(process.env.LISTEN_FDS ?? 0) || 0 : 0;
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

/** Variables may be left over from a service that called whoever called us: descriptor 3 is something else then. */
function isForUs(listenPid: string | undefined): boolean {
  return listenPid === undefined || listenPid === String(process.pid);
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
