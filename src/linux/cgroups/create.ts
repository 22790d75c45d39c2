// Makes a container's cgroup and limits it: all or nothing. mkdir(2) is what makes a cgroup, in each hierarchy by itself;
// the usual case, parents there and ready, is one call a hierarchy. What was made is remembered, to be unmade exactly.
// The specification lets a runtime refuse a cgroup that is in use: two containers in one could not be ended apart.

import type { LinuxResources } from "../../spec/config.gen.ts";
import { errnoName } from "../abi/errno.ts";
import { tryMakeDirectory } from "../directories.ts";
import { ConfigError } from "../errors.ts";
import { statusOf } from "../file-status.ts";
import { removeDirectory } from "../files.ts";
import { dirname } from "../paths.ts";
import { inUserNamespace } from "../user-namespace.ts";
import { Cgroup } from "./cgroup.ts";
import { fillCpuset } from "./cpuset.ts";
import { deviceFilter } from "./device-rules.ts";
import { writeDevicesV1 } from "./devices-v1.ts";
import { setDevicesV2 } from "./devices-v2.ts";
import { CgroupError, errnoOf, failed, isPermission } from "./error.ts";
import { type Freezer, isFrozen } from "./freezer.ts";
import type { CgroupHost, CgroupMode, Hierarchy } from "./host.ts";
import { type CgroupDir, cgroupPaths } from "./paths.ts";
import { countBelow } from "./processes.ts";
import { removeAll } from "./remove.ts";
import { planResources } from "./resources.ts";
import type { Write } from "./setting.ts";
import type { Unit } from "./systemd/unit.ts";
import { enableControllers, settleType } from "./v2.ts";

/** What of a container's config and of the command line decides about its cgroup. */
export interface CgroupRequest {
  readonly id: string;
  /** linux.cgroupsPath */
  readonly cgroupsPath?: string | undefined;
  /** linux.resources */
  readonly resources?: LinuxResources | undefined;
  /** A rootless container without a cgroupsPath or limits does without a cgroup that it has no permission to make. */
  readonly rootless?: () => boolean;
  /** The systemd unit that the cgroup is of: then it is there and has the container's first process in it. */
  readonly unit?: Unit;
}

/** What callers know from runc. */
const NO_PERMISSION = "rootless needs no limits + no cgrouppath when no permission is granted for cgroups";

/**
 * Makes the container's cgroup in every hierarchy of the host and puts its limits and device rules in force.
 * @throws ConfigError for a setting that cannot be made here
 * @throws CgroupError when the kernel refuses, or the cgroup is in use or frozen; nothing that was made is left then
 */
export function createCgroup(host: CgroupHost, request: CgroupRequest): Cgroup {
  // Planned before anything is made: most of what cannot be done is known by then.
  const plan = planResources(request.resources ?? {}, host.mode === "v2" ? "v2" : "v1");
  return makeLimited(host.mode, cgroupPaths(host, request.cgroupsPath, request.id), plan, request);
}

/** Makes what is missing of `dirs`, limited by `plan` and the device rules of `request`. @throws as createCgroup */
export function makeLimited(
  mode: CgroupMode,
  dirs: readonly CgroupDir[],
  plan: readonly Write[],
  request: CgroupRequest,
): Cgroup {
  const made: string[] = [];
  const denied: string[] = [];
  try {
    const usable = dirs.filter((dir) => make(dir, plan, made, denied, request));
    const paths = new Map(usable.map(({ hierarchy, path }) => [hierarchy.name, path]));
    const cgroup = new Cgroup(mode, paths, request.unit);
    const limit = plan.find(({ controller }) => cgroup.directory(controller) === undefined);
    if (limit !== undefined && denied.length > 0) throw new ConfigError(limit.field, `${NO_PERMISSION}: ${denied[0]}`);
    cgroup.write(plan);
    restrictDevices(cgroup, request);
    // Only now, so that what the config says is written first: the parent's processors may be a sibling's exclusively.
    for (const { hierarchy, path } of usable) if (isCpuset(hierarchy.name)) fillCpuset(path, hierarchy.mount);
    return cgroup;
  } catch (error) {
    unmake(made);
    throw error;
  }
}

function isCpuset(hierarchy: string): boolean {
  return hierarchy.split(",").includes("cpuset");
}

/** Makes the directory in one hierarchy. Returns false when it has to be done without, for the reason that `denied` gets. */
function make(
  dir: CgroupDir,
  plan: readonly Write[],
  made: string[],
  denied: string[],
  request: CgroupRequest,
): boolean {
  try {
    const isNew = makeCgroup(dir, plan, made) || (request.unit === undefined && takeOver(dir.path, made));
    if (!isNew && request.unit === undefined) refuseUsed(dir.path);
    // A new one, too: who owns one above may have frozen that, and whoever is born in there does not come to say so.
    const freezer = freezerOf(dir.hierarchy);
    if (freezer !== undefined && isFrozen(dir.path, freezer))
      throw new CgroupError(`container's cgroup unexpectedly frozen: ${dir.path}`);
    return true;
  } catch (error) {
    if (!isPermission(error) || !request.rootless?.()) throw error;
    const { message } = error as Error;
    if (request.cgroupsPath) throw new ConfigError("linux.cgroupsPath", `${NO_PERMISSION}: ${message}`);
    denied.push(message);
    return false;
  }
}

/** Returns false when it was there. */
function makeCgroup({ hierarchy, path }: CgroupDir, plan: readonly Write[], made: string[]): boolean {
  const parent = dirname(path);
  if (hierarchy.name === "") {
    makeDirectory(parent, hierarchy.mount, made);
    enableControllers(parent, hierarchy.mount);
  }
  const isNew = makeDirectory(path, hierarchy.mount, made);
  // What the config wants of a cpuset must be a part of what the parent has by then.
  if (plan.some(({ controller }) => controller === "cpuset") && isCpuset(hierarchy.name)) {
    fillCpuset(parent, hierarchy.mount);
  }
  if (hierarchy.name === "") settleType(path, plan);
  return isNew;
}

/** Makes a directory and its missing parents, never above the mount point. Returns false when it was there. */
function makeDirectory(path: string, mount: string, made: string[]): boolean {
  if (path === mount) return false;
  let code = mkdir(path);
  if (code === "ENOENT") {
    makeDirectory(dirname(path), mount, made);
    code = mkdir(path);
  }
  if (code === undefined) made.push(path);
  else if (code !== "EEXIST") throw failed(`mkdir ${path}`, code);
  return code === undefined;
}

function mkdir(path: string): string | undefined {
  const result = tryMakeDirectory(path, 0o755);
  return result === 0 ? undefined : errnoName(-result);
}

function freezerOf({ name }: Hierarchy): Freezer | undefined {
  if (name === "") return "v2";
  return name.split(",").includes("freezer") ? "v1" : undefined;
}

function refuseUsed(path: string): void {
  const count = countBelow(path);
  if (count > 0) throw new CgroupError(`container's cgroup is not empty: ${count} process(es) found in ${path}`);
}

/**
 * Makes a cgroup anew that is there and another user's: he made it, knowing the container's name, or an earlier container with
 * it was his. Its limits would be his to change. Returns false where there is no need to.
 */
function takeOver(path: string, made: string[]): boolean {
  const owner = statusOf(path)?.uid;
  if (owner === undefined || owner === 0 || process.geteuid?.() !== 0 || inUserNamespace()) return false;
  refuseUsed(path);
  removeAll([path]);
  const code = mkdir(path);
  if (code !== undefined) throw failed(`mkdir ${path}`, code);
  made.push(path);
  return true;
}

function restrictDevices(cgroup: Cgroup, { resources, rootless = () => false }: CgroupRequest): void {
  const filter = deviceFilter(resources?.devices ?? []);
  if (cgroup.mode === "v2") {
    using join = cgroup.open();
    if (join.directory !== undefined) setDevicesV2(join.directory, filter, rootless);
    return;
  }
  const directory = cgroup.directory("devices");
  // Without root no device node can be made or opened that was not given, so there is nothing to keep from it.
  if (directory !== undefined || !rootless()) writeDevicesV1(directory, filter);
}

/** Children first. They were never used, so nothing keeps them busy. */
function unmake(made: readonly string[]): void {
  for (const path of made.toReversed()) {
    try {
      removeDirectory(path);
    } catch (error) {
      // Somebody else's child is in it now, or somebody removed it: no longer ours to undo.
      errnoOf(error);
    }
  }
}
