// tsrun checkpoint: has CRIU write the container to files, from which `restore` makes it again. It has ended then, and is deleted,
// unless it is left running.

import { Criu } from "../linux/criu/client.ts";
import { CriuError } from "../linux/criu/error.ts";
import { mountsToName } from "../linux/criu/external-mounts.ts";
import { namespacesToName } from "../linux/criu/external-namespaces.ts";
import { checkBeforeDump } from "../linux/criu/image-files.ts";
import { type CriuOptions, REQUEST } from "../linux/criu/messages.ts";
import { MountsInside } from "../linux/criu/mounts-inside.ts";
import { DESCRIPTORS_FILE, externalFiles, streamNames } from "../linux/criu/streams.ts";
import { makeDirectories } from "../linux/directories.ts";
import { descriptorStatus, statusOf } from "../linux/file-status.ts";
import { close, write } from "../linux/files.ts";
import { absolute } from "../linux/paths.ts";
import { putFile } from "../linux/whole-file.ts";
import { parseConfig } from "../spec/load.ts";
import { readText } from "../spec/read.ts";
import type { Context, ExitStatus } from "./command.ts";
import type { FlagsOf } from "./command-table.ts";
import { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import { type Asked, ask, askedBy, checkRights } from "./criu-options.ts";
import { destroy } from "./destroy.ts";
import { isStopped } from "./process-identity.ts";
import { SPEC_FILES } from "./spec-files.ts";
import { UsageError } from "./usage-error.ts";

const LOG = "dump.log";

type Flags = FlagsOf<"checkpoint">;

/** Checkpoints a container that runs, or is paused. */
export function command({ root, flags, args: [id], log }: Context<"checkpoint">): ExitStatus {
  checkRights("checkpoint");
  using container = Container.open(root, id, { lock: true });
  const status = container.status();
  if (status !== "running" && status !== "paused")
    throw new UsageError(`Container cannot be checkpointed in ${status} state`);
  refuseFrozenInside(container);
  try {
    dump(container, flags);
  } catch (error) {
    // CRIU, which freezes it, may have been killed.
    if (status === "running") letGoOn(container);
    throw error;
  }
  if (!flags.leaveRunning && !flags.preDump) destroy(container, log);
  return 0;
}

/** CRIU would wait for such a process to stop, and whoever comes next for the container's lock. */
function refuseFrozenInside(container: Container): void {
  if (cgroupOf(container).hasFrozenInside())
    throw new UsageError("the container has frozen a cgroup of its own, in which CRIU can trace nothing");
}

function letGoOn(container: Container): void {
  const cgroup = cgroupOf(container);
  if (cgroup.frozen()) cgroup.thaw();
}

function dump(container: Container, flags: Flags): void {
  using undo = new DisposableStack();
  makeDirectories(absolute(flags.imagePath), 0o700);
  checkBeforeDump(absolute(flags.imagePath));
  const asked = askedBy(flags, LOG, container.state.annotations);
  const server = pageServer(flags.pageServer);
  const options = {
    ...asked.options,
    ...ofContainer(container),
    leave_running: flags.leaveRunning,
    tcp_skip_in_flight: flags.tcpSkipInFlight,
    link_remap: flags.linkRemap,
    ...parent(flags.parentPath, asked),
    ...(server !== undefined && { ps: server }),
    ...(!flags.preDump && outside(container, asked)),
  };
  if (flags.preDump) requireFeature("mem_track", "memory that has changed cannot be told from what has not", asked);
  if (flags.lazyPages) requireFeature("lazy_pages", "pages cannot be sent later", asked);
  const tellReady = flags.lazyPages ? readiness(flags.statusFd) : () => {};
  const criu = undo.use(Criu.start(asked.directories));
  const request = { type: flags.preDump ? REQUEST.preDump : REQUEST.dump, opts: options };
  ask(criu, request, asked.log, (script) => {
    if (script === "status-ready") tellReady();
  });
  criu.finish();
}

/** Which processes, and what stops them at once. */
function ofContainer(container: Container): Partial<CriuOptions> {
  const { pid, rootfs } = container.state;
  const freezer = freezerOf(container);
  return { pid, root: rootfs, ...(freezer !== undefined && { freeze_cgroup: freezer }) };
}

/**
 * None where a process is stopped by a signal, and the cgroup is of version 1: CRIU, which traces each, waits for it to move, and
 * in there it is frozen.
 */
function freezerOf(container: Container): string | undefined {
  const cgroup = cgroupOf(container);
  const stopped = cgroup.version === "v1" ? cgroup.pids().find(isStopped) : undefined;
  if (stopped === undefined) return cgroup.directory("freezer");
  if (container.status() !== "paused") return undefined;
  const why = "which CRIU cannot trace in a paused container of cgroup v1";
  throw new UsageError(
    `process ${stopped} is stopped by a signal, ${why}: resume the container, or continue the process`,
  );
}

/** What of the container is not its own, and the file that tells of its streams. A pre-dump is of memory alone. */
function outside(container: Container, { directories: { images } }: Asked): Partial<CriuOptions> {
  const { pid, bundle, cgroups, namespaces } = container.state;
  const { configPath } = container;
  const config = parseConfig(readText(configPath, SPEC_FILES), configPath);
  using inside = new MountsInside(pid);
  const directories = Object.entries(cgroups.paths).map(([name, directory]) => ({ name, directory }));
  const streams = streamNames(pid, inside);
  putFile(`${images}/${DESCRIPTORS_FILE}`, new TextEncoder().encode(JSON.stringify(streams)), 0o600); // through no link
  const joined = namespaces.filter(({ path }) => path !== undefined).map(({ type }) => type);
  return {
    ext_mnt: mountsToName({ config, bundle, cgroups: directories }, inside),
    external: [...namespacesToName(joined, pid), ...externalFiles(streams)],
  };
}

/** CRIU takes it relative to the images, and leaves a link of that text beside them. */
function parent(path: string | undefined, { directories: { images } }: Asked): Partial<CriuOptions> {
  if (path === undefined) return {};
  if (path.startsWith("/")) throw new UsageError(`--parent-path must be relative to --image-path, not ${path}`);
  if (statusOf(`${images}/${path}`)?.kind !== "directory")
    throw new UsageError(`invalid --parent-path: there is no directory ${images}/${path}`);
  return { parent_img: path, track_mem: true };
}

function pageServer(text: string | undefined): CriuOptions["ps"] {
  if (text === undefined) return undefined;
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  if (port === undefined || Number(port) > 65535)
    throw new UsageError(`Use --page-server ADDRESS:PORT to specify page server, not ${JSON.stringify(text)}`);
  return { address: bracketed ?? plain ?? "", port: Number(port) };
}

/** Writes a zero byte to a descriptor of the caller's once pages can be asked for, and lets go of it. */
function readiness(fd: number): () => void {
  if (fd < 0) return () => {};
  try {
    descriptorStatus(fd);
  } catch {
    throw new UsageError(`invalid --status-fd argument ${fd}: it is not open`);
  }
  return () => {
    write(fd, Uint8Array.of(0));
    close(fd);
  };
}

function requireFeature(name: "mem_track" | "lazy_pages", without: string, { directories, log }: Asked): void {
  using criu = Criu.start(directories);
  const { features = {} } = ask(criu, { type: REQUEST.featureCheck, features: { [name]: true } }, log);
  if (features[name] !== 1) throw new CriuError(`CRIU is missing features: ${name}: on this kernel, ${without}`);
}
