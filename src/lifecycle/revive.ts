// From a bundle and images of CRIU's to a container that runs: what bring-up.ts is to run, with CRIU in the place of init's plan.
//
// CRIU is started in the cgroups and the session keyring of the container, since a process that it makes inherits these. It
// makes init as its sibling, a child of tsrun's, and tells when the namespaces are there (hooks), and when all is there but
// stopped: what is not right then ends it.

import { O_RDONLY } from "../linux/abi/fcntl.ts";
import { killAndReapInit } from "../linux/agent/reap.ts";
import { Criu, type CriuRequest } from "../linux/criu/client.ts";
import { mountsToSupply } from "../linux/criu/external-mounts.ts";
import { namespacesToJoin } from "../linux/criu/external-namespaces.ts";
import { checkBeforeRestore } from "../linux/criu/image-files.ts";
import { makeMasksReadonly } from "../linux/criu/masks.ts";
import { type CriuOptions, type ExternalMount, REQUEST } from "../linux/criu/messages.ts";
import { closedImages, openedImages, planOpenImages } from "../linux/criu/open-images.ts";
import { planOpenSources } from "../linux/criu/open-sources.ts";
import { checkKnowsLabels, checkRestoredLabel } from "../linux/criu/restored-label.ts";
import { checkRestoredNamespaces } from "../linux/criu/restored-namespaces.ts";
import { planCriuRoot } from "../linux/criu/root.ts";
import { DESCRIPTORS_FILE, inheritedStreams, parseDescriptors } from "../linux/criu/streams.ts";
import { makeDirectory } from "../linux/directories.ts";
import { ConfigError } from "../linux/errors.ts";
import {
  close,
  linkTarget,
  open as openFile,
  readText as readFile,
  realPath,
  removeDirectory,
} from "../linux/files.ts";
import { thisHost } from "../linux/host.ts";
import { planKeyring } from "../linux/identity.ts";
import { hasNamespace, type Namespaces } from "../linux/namespaces.ts";
import { absolute, dirname, resolveFrom } from "../linux/paths.ts";
import { Plan } from "../linux/plan.ts";
import { joinRdt } from "../linux/rdt/group.ts";
import type { Config, User } from "../spec/config.gen.ts";
import { parseConfig } from "../spec/load.ts";
import { readText } from "../spec/read.ts";
import { checkRequest } from "./bring-up.ts";
import { type Claim, type Claiming, claim } from "./claim.ts";
import type { FlagsOf } from "./command-table.ts";
import type { Container } from "./container.ts";
import { type Asked, ask, askedBy } from "./criu-options.ts";
import { Descriptors } from "./descriptors.ts";
import { createHooks } from "./hook-points.ts";
import { keyringOf } from "./join.ts";
import { openNamespaces } from "./open-namespaces.ts";
import { processStat } from "./process-identity.ts";
import type { Request } from "./request.ts";
import { SPEC_FILES } from "./spec-files.ts";
import type { State } from "./state-file.ts";
import { giveStreams } from "./stdio.ts";

const LOG = "restore.log";
const CONTAINER_ROOT = { uid: 0, gid: 0 };

/** What the command line says. */
export interface Revival extends Request {
  readonly flags: FlagsOf<"restore">;
  /** Called when all is there, and nothing runs yet; what it throws unmakes it. */
  readonly beforeItRuns: () => void;
}

/** What is read and opened before anything is made. */
interface Given extends Claiming {
  /** Descriptors of namespaces, for CRIU. */
  readonly inherited: readonly number[];
  readonly asked: Asked;
  /** By descriptors.json. */
  readonly streams: readonly string[];
}

/** Makes the container, which runs then. Disposing of `undo` unmakes it. */
export function revive(request: Revival, undo: DisposableStack): Container {
  using opened = new DisposableStack();
  const given = open(request, opened);
  request.beforehand?.();
  const claimed = claim(request, given, undo);
  const { container, placement } = claimed;
  placement.before(undo);
  const place = makePlace(container, "criu-root", opened);
  const { directories, planImages } = readable(given, () => makePlace(container, "criu-images", opened));
  let around: Partial<CriuOptions> = {};
  const criu = opened.use(
    Criu.toRestore(directories, given.inherited, (pid, kernel) => {
      const cg_root = placeCriu(pid, claimed, undo);
      const keepNamespace = (): void => void opened.adopt(openFile(`/proc/${pid}/ns/mnt`, O_RDONLY), close);
      const plan = new Plan();
      const keyring = keyringOf(container.state, true);
      if (keyring !== undefined) planKeyring(plan, keyring);
      const root = planCriuRoot(plan, { ...given, host: thisHost, place, keepNamespace });
      planImages(plan);
      kernel.run(plan);
      const last = new Plan();
      around = { cg_root, root, ext_mnt: planSources(last, given, claimed, place) };
      return last;
    }),
  );
  const options = { ...optionsOf(request, given), ...around };
  restore(criu, options, given.asked, handlers(request, given, claimed, undo));
  return container;
}

/** As bring-up.ts does it for a new container. */
function open(request: Revival, opened: DisposableStack): Given {
  const bundle = absolute(request.bundle);
  const file = `${bundle}/config.json`;
  const text = readText(file, SPEC_FILES);
  const config = parseConfig(text, file);
  const rootfs = resolveFrom(bundle, config.root.path);
  checkRequest(request, config, rootfs);
  checkKnowsLabels(labelAskedFor(request, config), thisHost);
  const descriptors = opened.use(new Descriptors());
  const namespaces = openNamespaces(config.linux, descriptors);
  if (!hasNamespace(namespaces, "mount"))
    throw new ConfigError(
      "linux.namespaces",
      "needs a mount namespace: without one CRIU would restore mounts of the host's",
    );
  const asked = askedBy(request.flags, LOG, config.annotations ?? {});
  checkBeforeRestore(asked.directories.images);
  const streams = parseDescriptors(readText(`${asked.directories.images}/${DESCRIPTORS_FILE}`, SPEC_FILES));
  const inherited = descriptors.pairs().map(([fd]) => fd);
  return { bundle, rootfs, config, text, namespaces, inherited, asked, streams };
}

/** Brings what becomes CRIU in. Where it is then, the processes will be, wherever those of the images were. */
function placeCriu(pid: number, { container, placement, rdt }: Claim, undo: DisposableStack): CgroupRoot[] {
  const cgroup = placement.around(pid, undo);
  if (cgroup.unit === undefined) cgroup.add(pid); // systemd has done it
  container.update({ cgroupsMade: true, cgroups: cgroup.record() });
  if (rdt !== undefined) joinRdt(rdt, pid);
  return cgroupsOf(pid);
}

/** Images that a container's own root can read, where it has one; the log is where it was to be. */
function readable({ asked: { directories }, namespaces }: Given, makePlace: () => string) {
  const { images, work = images } = directories;
  const closed = hasNamespace(namespaces, "user") ? closedImages(images) : [];
  if (closed.length === 0) return { directories, planImages: () => {} };
  const place = makePlace();
  const planImages = (plan: Plan): void => planOpenImages(plan, closed, place);
  return { directories: { images: openedImages(place), work }, planImages };
}

/** The mounts that are not the container's own, with sources that its own root can bind, where it has one. */
function planSources(plan: Plan, given: Given, { placement }: Claim, kept: string): readonly ExternalMount[] {
  const { config, bundle, namespaces } = given;
  const mounts = mountsToSupply({ config, bundle, cgroups: placement.shown() });
  if (!hasNamespace(namespaces, "user")) return mounts;
  return planOpenSources(plan, { mounts, directory: dirname(kept), kept });
}

function optionsOf({ flags }: Revival, { config, namespaces, asked, streams }: Given): Asked["options"] {
  const { inherit_fd, join_ns } = namespacesToJoin(namespaces.joined);
  return {
    ...asked.options,
    evasive_devices: true,
    orphan_pts_master: config.process?.terminal ?? false, // another that it has is the caller's, with --shell-job
    rst_sibling: true, // init is tsrun's child
    join_ns,
    inherit_fd: [...inherit_fd, ...inheritedStreams(streams)],
    tcp_close: flags.tcpClose,
    ...(flags.lsmProfile !== undefined && { lsm_profile: flags.lsmProfile }),
    ...(flags.lsmMountContext !== undefined && { lsm_mount_context: flags.lsmMountContext }),
  };
}

/** What is done at each notification; a descriptor that nobody asks for is closed. */
type Handlers = Readonly<Record<string, (pid: number, descriptor: number | undefined) => void>>;

function restore(criu: Criu, opts: CriuRequest["opts"] & object, { log }: Asked, handlers: Handlers): void {
  ask(criu, { type: REQUEST.restore, opts }, log, (script, pid, descriptor) => {
    const handle = handlers[script];
    if (handle !== undefined) handle(pid, descriptor);
    else if (descriptor !== undefined) close(descriptor);
  });
  criu.finish();
}

/** The hooks createContainer and startContainer do not run: what they were to set up was so when the images were made. */
function handlers(request: Revival, given: Given, { container, onHooks }: Claim, undo: DisposableStack): Handlers {
  const { config, namespaces } = given;
  const { runtimeHooks } = createHooks(config, container, onHooks);
  const note = (pid: number): void => container.note({ pid, pidStart: processStat(pid)?.start ?? 0 });
  const give = (pid: number, user?: User): void =>
    giveStreams({ ...config.process, ...(user && { user }) }, config.linux?.namespaces ?? [], pid);
  return {
    "setup-namespaces": (pid) => {
      note(pid);
      checkRestoredNamespaces(pid, namespaces, "cgroup"); // before a hook sets up the host's for it
      give(pid, CONTAINER_ROOT); // it is what opens them
      runtimeHooks?.();
    },
    "post-restore": (pid) => {
      onHooks();
      note(pid);
      request.beforeItRuns();
      undo.defer(() => killAndReapInit(pid));
      checkRestoredNamespaces(pid, namespaces);
      give(pid);
      makeMasksReadonly(pid, config.linux?.maskedPaths ?? []);
      container.update({ phase: "created", namespaces: namespacesOf(container.state, namespaces, pid) });
    },
    // Only now has it the credentials and the label that it will run with.
    "pre-resume": () => checkRestoredLabel(container.state.pid, labelAskedFor(request, config), thisHost),
    "orphan-pts-master": (_, master) => {
      if (master !== undefined) request.onTerminal(master, "/dev/ptmx");
    },
  };
}

/** The SELinux label that init is to have: with `--lsm-profile selinux:LABEL` another than the config's. */
function labelAskedFor({ flags: { lsmProfile } }: Revival, { process }: Config): string | undefined {
  const [, label] = /^selinux:(.*)/.exec(lsmProfile ?? "") ?? [];
  return label ?? process?.selinuxLabel;
}

/** A directory for something to be mounted on. CRIU is told of it by a path without links. */
function makePlace(container: Container, name: string, opened: DisposableStack): string {
  const path = `${container.directory}/${name}`;
  makeDirectory(path, 0o755);
  opened.adopt(path, removeDirectory);
  return realPath(path);
}

/** Where a process is in the hierarchy of a controller. */
type CgroupRoot = NonNullable<CriuOptions["cg_root"]>[number];

/** proc_pid_cgroup(5); CRIU wants each controller by itself. */
function cgroupsOf(pid: number): CgroupRoot[] {
  const lines = readFile(`/proc/${pid}/cgroup`).split("\n");
  return lines
    .filter((line) => line !== "")
    .flatMap((line) => {
      const [, controllers = "", ...path] = line.split(":");
      return controllers.split(",").map((ctrl) => ({ ctrl, path: path.join(":") }));
    });
}

/** CRIU restores a process into a time namespace, so that its clocks go on from where they were: exec is to join that. */
function namespacesOf({ namespaces }: State, { created }: Namespaces, pid: number): State["namespaces"] {
  const own = linkTarget(`/proc/${pid}/ns/time`) !== linkTarget("/proc/self/ns/time");
  const known = created.has("time") || namespaces.some(({ type }) => type === "time");
  return own && !known ? [...namespaces, { type: "time" }] : namespaces;
}
