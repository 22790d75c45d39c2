// What checkpoint and restore ask of CRIU alike, from their flags: where images and log are, and what may be in a container.

import { CLONE_NEWNET } from "../linux/abi/sched.ts";
import type { Criu, CriuRequest, Directories, OnNotify } from "../linux/criu/client.ts";
import { CriuError } from "../linux/criu/error.ts";
import { checkWritten } from "../linux/criu/image-files.ts";
import { lastErrors } from "../linux/criu/log.ts";
import { CGROUP_MODES, type CriuOptions, NETWORK_LOCKS, type Response } from "../linux/criu/messages.ts";
import { makeDirectories } from "../linux/directories.ts";
import { exists } from "../linux/file-status.ts";
import { absolute } from "../linux/paths.ts";
import type { FlagsOf } from "./command-table.ts";
import { UsageError } from "./usage-error.ts";
import { isOrdinaryUser } from "./users.ts";

/** What CRIU writes beside the log of each. */
const STATISTICS = { "dump.log": "stats-dump", "restore.log": "stats-restore" } as const;
/** As much as is useful when something fails. */
const LOG_LEVEL = 4;
/** Settings of the administrator's, which override what is asked: tsrun's, or else those that are there for runc. */
const CONFIG_FILES = ["/etc/criu/tsrun.conf", "/etc/criu/runc.conf"];
const CONFIG_ANNOTATION = "org.criu.config";

/** The flags of both. */
export type CriuFlags = FlagsOf<"checkpoint"> | FlagsOf<"restore">;

/** What of a request comes from them. */
export interface Asked {
  readonly options: Omit<CriuOptions, "images_dir_fd">;
  readonly directories: Directories;
  /** Path of the log. */
  readonly log: string;
}

/** Refuses those who have not the rights. */
export function checkRights(command: string): void {
  if (isOrdinaryUser()) throw new UsageError(`only root can ${command} a container: CRIU takes all of its rights`);
}

/** Makes the directory of the log where it is missing. @throws UsageError, FileError */
export function askedBy(
  flags: CriuFlags,
  logFile: keyof typeof STATISTICS,
  annotations: Readonly<Record<string, string>>,
): Asked {
  const images = absolute(flags.imagePath);
  const work = flags.workPath === undefined ? undefined : absolute(flags.workPath);
  if (work !== undefined) makeDirectories(work, 0o700);
  checkWritten(work ?? images, [logFile, STATISTICS[logFile]]);
  const settings = configFile(annotations);
  const options = {
    log_level: LOG_LEVEL,
    log_file: logFile,
    notify_scripts: true,
    orphan_pts_master: true,
    manage_cgroups: true,
    manage_cgroups_mode: CGROUP_MODES[flags.manageCgroupsMode ?? "soft"],
    shell_job: flags.shellJob,
    ext_unix_sk: flags.extUnixSk,
    tcp_established: flags.tcpEstablished,
    file_locks: flags.fileLocks,
    auto_dedup: flags.autoDedup,
    lazy_pages: flags.lazyPages,
    empty_ns: flags.emptyNs.includes("network") ? CLONE_NEWNET : 0,
    ...(flags.networkLock !== undefined && { network_lock: NETWORK_LOCKS[flags.networkLock] }),
    ...(settings !== undefined && { config_file: settings }),
  };
  for (const name of flags.emptyNs)
    if (name !== "network")
      throw new UsageError(`--empty-ns: only network can be left empty, not ${JSON.stringify(name)}`);
  return { options, directories: { images, work }, log: `${work ?? images}/${logFile}` };
}

/** An annotation names one for the container alone, or none if it is empty. */
function configFile(annotations: Readonly<Record<string, string>>): string | undefined {
  const named = annotations[CONFIG_ANNOTATION];
  return named === undefined ? CONFIG_FILES.find(exists) : named || undefined;
}

/** Asks, and adds what the log says to a failure. @throws CriuError, or what the handler throws */
export function ask(criu: Criu, request: CriuRequest, log: string, onNotify?: OnNotify): Response {
  try {
    return criu.ask(request, onNotify);
  } catch (error) {
    if (!(error instanceof CriuError)) throw error;
    const said = lastErrors(log) || error.said.trim();
    throw new CriuError(`${error.message}${said === "" ? "" : `: ${said}`} (log file: ${log})`);
  }
}
