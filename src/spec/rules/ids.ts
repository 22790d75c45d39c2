// Ids that are to be had in a user namespace must be mapped in it: user_namespaces(7). The kernel answers EINVAL for one that is
// not, in the midst of things, or shows it as nobody's.

import type { Config, Device, IdMapping, Mount, User } from "../config.gen.ts";
import type { Report } from "../rules.ts";

/** The maps of a user namespace. */
export interface IdMaps {
  readonly uids: readonly IdMapping[];
  readonly gids: readonly IdMapping[];
}

/** Of a new user namespace the config has the maps itself; those of others the kernel knows. */
export function idRules({ process, mounts, linux }: Config, report: Report): void {
  const user = linux?.namespaces?.find(({ type }) => type === "user");
  if (user === undefined || user.path) return;
  const maps = { uids: linux?.uidMappings ?? [], gids: linux?.gidMappings ?? [] };
  rootRules(maps, report);
  unmappedIds({ user: process?.user, mounts, devices: linux?.devices }, maps, report);
}

/** All that is made in the container is made by its root. */
function rootRules({ uids, gids }: IdMaps, report: Report): void {
  for (const [field, map] of [
    ["uidMappings", uids],
    ["gidMappings", gids],
  ] as const) {
    if (map.length > 0 && map.every(({ containerID }) => containerID !== 0))
      report(["linux", field], "must map id 0 of the container, its root");
  }
}

/** Where ids of a container are said. */
interface IdFields {
  readonly user?: User | undefined;
  readonly mounts?: readonly Mount[] | undefined;
  readonly devices?: readonly Device[] | undefined;
}

/** Says which ids are not mapped. */
export function unmappedIds({ user, mounts = [], devices = [] }: IdFields, maps: IdMaps, report: Report): void {
  const place = ["process", "user"];
  const check = (keys: readonly (string | number)[], id: number | undefined, map: readonly IdMapping[]): void => {
    if (id !== undefined && map.length > 0 && !isMapped(id, map))
      report(keys, `${id} is not mapped in the user namespace: container ids ${describe(map)} are`);
  };
  check([...place, "uid"], user?.uid, maps.uids);
  check([...place, "gid"], user?.gid, maps.gids);
  for (const [i, gid] of (user?.additionalGids ?? []).entries()) check([...place, "additionalGids", i], gid, maps.gids);
  for (const [i, { type, uid, gid }] of devices.entries()) {
    if (type !== "p") continue; // the host's node is bound, and keeps its owner
    check(["linux", "devices", i, "uid"], uid, maps.uids);
    check(["linux", "devices", i, "gid"], gid, maps.gids);
  }
  for (const [i, { options = [] }] of mounts.entries()) {
    for (const [j, option] of options.entries()) {
      const [, name, id] = /^([ug]id)=(\d+)$/.exec(option) ?? [];
      if (id !== undefined) check(["mounts", i, "options", j], Number(id), name === "uid" ? maps.uids : maps.gids);
    }
  }
}

function isMapped(id: number, map: readonly IdMapping[]): boolean {
  return map.some(({ containerID, size }) => id >= containerID && id < containerID + size);
}

function describe(map: readonly IdMapping[]): string {
  const ranges = map.map(({ containerID, size }) =>
    size === 1 ? containerID : `${containerID}-${containerID + size - 1}`,
  );
  return ranges.join(", ");
}
