// A container's cgroup by way of systemd: a transient unit with its first process in it. A scope cannot be empty, so it is
// made once that process is there, which waits until its limits are in force: systemd is told of them as properties, and then
// they are written to the files as without systemd (resource-properties.ts). On cgroup v1 systemd makes the cgroup in some
// hierarchies only; the others are made here, and the process moved.

import type { LinuxResources } from "../../../spec/config.gen.ts";
import { Cgroup, type CgroupRecord } from "../cgroup.ts";
import { type CgroupRequest, makeLimited } from "../create.ts";
import { deviceFilter } from "../device-rules.ts";
import type { CgroupHost } from "../host.ts";
import type { CgroupDir } from "../paths.ts";
import { planResources } from "../resources.ts";
import { annotatedProperties } from "./annotations.ts";
import { deviceProperties } from "./device-properties.ts";
import { Manager } from "./manager.ts";
import { resourceProperties } from "./resource-properties.ts";
import { isSlice, type Unit, unitPath } from "./unit.ts";
import { unitProperties } from "./unit-properties.ts";
import type { Property } from "./variant.ts";

/** What decides about the unit, beyond what decides about any cgroup. */
export interface UnitRequest extends CgroupRequest {
  readonly unit: Unit;
  /** As unitRecord has made it. */
  readonly record: CgroupRecord;
  readonly annotations: Readonly<Record<string, string>>;
  /** The container's first process. */
  readonly pid: number;
}

/**
 * Starts the container's unit with its first process in it, and puts limits and device rules in force.
 * @throws ConfigError, CgroupError as createCgroup, and for what systemd refuses; the unit is not there then
 */
export function createUnit(host: CgroupHost, request: UnitRequest): Cgroup {
  const { unit, record, pid } = request;
  const version = host.mode === "v2" ? "v2" : "v1";
  const plan = planResources(request.resources ?? {}, version);
  const properties = [
    ...unitProperties(unit, request.id, version, pid),
    ...devicesOf(unit, request.resources),
    ...resourceProperties(plan, version),
    ...annotatedProperties(request.annotations), // last, as they are to win
  ];
  using manager = new Manager(unit.bus);
  using undo = new DisposableStack();
  manager.start(unit, properties);
  undo.defer(() => {
    Cgroup.fromRecord(record).killAll(); // what systemd stops it gives a minute to end by itself
    manager.stop(unit);
  });
  const cgroup = makeLimited(host.mode, unitDirs(host, record), plan, request);
  if (version === "v1" || isSlice(unit.name)) cgroup.add(pid);
  undo.move();
  return cgroup;
}

/** A user's systemd has no right to restrict devices; nor need it, where no node can be made. */
function devicesOf({ bus }: Unit, resources: LinuxResources = {}): Property[] {
  return bus === "user" ? [] : deviceProperties(deviceFilter(resources.devices ?? []));
}

/** Where the cgroup of a unit will be. @throws CgroupError when the user's systemd cannot be reached */
export function unitRecord(host: CgroupHost, unit: Unit): CgroupRecord {
  // The machine's systemd is at the root of its hierarchies; a user's is in the cgroup that the machine's gave it.
  const place = `${unit.bus === "user" ? ownPlace() : ""}${unitPath(unit)}`;
  const paths = host.hierarchies.map(({ name, mount }) => [name, `${mount}${place}`]);
  return { mode: host.mode, paths: Object.fromEntries(paths), unit };
}

function ownPlace(): string {
  using manager = new Manager("user");
  return manager.controlGroup();
}

function unitDirs(host: CgroupHost, { paths }: CgroupRecord): CgroupDir[] {
  return host.hierarchies.map((hierarchy) => ({ hierarchy, path: paths[hierarchy.name] ?? hierarchy.mount }));
}
