// What only tsrun can give a container's first process, from outside: what takes rights over the host, or is done to a process by
// its number. The process waits meanwhile.

import { AgentEnded } from "../linux/agent/agent.ts";
import type { Cgroup } from "../linux/cgroups/cgroup.ts";
import { hasNamespace, type Namespaces } from "../linux/namespaces.ts";
import { joinRdt } from "../linux/rdt/group.ts";
import { setLimits } from "../linux/rlimits.ts";
import { inUserNamespace } from "../linux/user-namespace.ts";
import type { Config } from "../spec/config.gen.ts";
import { giveCgroup } from "./cgroup-ownership.ts";
import type { Claim } from "./claim.ts";
import { hasCreateHooks } from "./hook-points.ts";
import { checkIdMaps, checkIds, writeIdMaps } from "./id-maps.ts";
import type { IdmappedMounts } from "./idmapped-mounts.ts";
import { NetDevices } from "./net-devices.ts";
import { processStat } from "./process-identity.ts";
import type { Request } from "./request.ts";
import { giveStreams } from "./stdio.ts";

/** What it is given, and who it is for. */
export interface Equipment extends Claim {
  readonly request: Request;
  readonly config: Config;
  readonly namespaces: Namespaces;
  readonly idmapped: IdmappedMounts;
}

/** Gives the first process what only tsrun can: what takes rights over the host, or is done to a process by its number. */
export function equip(
  pid: number,
  { request, config, namespaces, idmapped, container, placement, rdt }: Equipment,
  undo: DisposableStack,
): { cgroup: Cgroup; netDevices: NetDevices } {
  const { process, linux } = config;
  const cgroup = placement.around(pid, undo);
  if (request.debug)
    request.log.debug(`init is process ${pid}; its cgroups: ${JSON.stringify(placement.record.paths)}`);
  settleIds(config, namespaces, pid);
  idmapped.map(pid);
  const netDevices = undo.use(new NetDevices());
  netDevices.move(linux?.netDevices, pid);
  if (rdt !== undefined) joinRdt(rdt, pid);
  giveCgroup(cgroup, config, pid);
  if (process !== undefined) setLimits(pid, process.rlimits);
  container.note({ pid, pidStart: startOf(pid), cgroupsMade: true, cgroups: cgroup.record() });
  // Hooks may ask for the state. Otherwise nobody has a use for it before all is there.
  if (hasCreateHooks(config)) container.update({});
  if (process !== undefined) giveStreams(process, linux?.namespaces ?? [], pid);
  return { cgroup, netDevices };
}

/** Sees to it that the container's ids are some of the host's. */
function settleIds(config: Config, namespaces: Namespaces, pid: number): void {
  if (namespaces.created.has("user")) writeIdMaps(pid, config.linux ?? {});
  else if (hasNamespace(namespaces, "user")) {
    checkIdMaps(pid, config.linux ?? {});
    checkIds(config, pid);
  } else if (inUserNamespace()) checkIds(config, "self");
}

/** When init started. Without it nobody could tell it from a later process. */
export function startOf(pid: number): number {
  const stat = processStat(pid);
  if (stat === undefined) throw new AgentEnded(pid, "is gone");
  return stat.start;
}
