// Id-mapped mounts of the config: which mounts they are, and by which maps. A map says as whom the owners that a file system
// has on disk (containerID) are seen by the kernel (hostID). runtime-spec config.md#posix-platform-mounts, options idmap and
// ridmap; mount_setattr(2), "ID-mapped mounts".
//
// Podman says it in crun's words, in the option alone: idmap=uids=0-1000-10#10-2000-5;gids=@0-0-10. Each triplet is
// disk-seen-count; with @ what is seen is an id of the container's, which its user namespace has yet to translate.

import type { IdMapping, Mount } from "../spec/config.gen.ts";
import { ConfigError } from "./errors.ts";
import { type MountOptions, parseMountOptions } from "./mount-options.ts";
import { isBind } from "./sources.ts";

/** One line of a map. */
export interface Mapping extends IdMapping {
  /** Whether hostID is an id of the container's. */
  readonly relative?: boolean;
}

/** The two maps. */
export interface IdMaps {
  readonly uids: readonly Mapping[];
  readonly gids: readonly Mapping[];
}

/** How a mount is mapped. */
export interface Idmap {
  readonly options: MountOptions;
  /** Undefined: the maps of the container's user namespace. */
  readonly maps: IdMaps | undefined;
}

/** Whether a mount asks for an id map. No more is done for those that do not: it is asked of each mount of each container. */
export function asksForIdmap({ options, uidMappings, gidMappings }: Mount): boolean {
  if ((uidMappings ?? []).length > 0 || (gidMappings ?? []).length > 0) return true;
  return options?.some((option) => option.startsWith("idmap") || option.startsWith("ridmap")) ?? false;
}

/** The id map of a mount; undefined where it has none. @throws ConfigError for what cannot be */
export function idmapOf(mount: Mount, field: string): Idmap | undefined {
  if (!asksForIdmap(mount)) return undefined;
  const { uidMappings: uids = [], gidMappings: gids = [] } = mount;
  const given = uids.length > 0 ? { uids, gids } : undefined;
  const options = parseMountOptions(mount.options ?? []);
  if (options.idmap === "no" && given === undefined) return undefined; // an option of a file system's that begins so
  if (options.remount || !isBind(mount, options))
    throw new ConfigError(
      field,
      "only a bind mount can be id-mapped: all that a new file system holds is the container's",
    );
  if (options.idMaps === undefined) return { options, maps: given };
  if (given !== undefined)
    throw new ConfigError(field, "has id maps twice, in its options and in uidMappings, gidMappings");
  return { options, maps: parseIdMaps(options.idMaps, field) };
}

/** `uids=C-H-N#…;gids=…`. */
function parseIdMaps(text: string, field: string): IdMaps {
  const maps = new Map<string, Mapping[]>();
  for (const part of text.split(";").filter((word) => word !== "")) {
    const [, name = "", triplets = ""] = /^(uids|gids)=(.*)$/.exec(part) ?? [];
    if (name === "" || maps.has(name)) throw new ConfigError(field, `idmap: not uids=…;gids=…: ${text}`);
    maps.set(
      name,
      triplets.split("#").map((triplet) => parseTriplet(triplet, field)),
    );
  }
  const [uids, gids] = [maps.get("uids"), maps.get("gids")];
  if (uids === undefined || gids === undefined) throw new ConfigError(field, "idmap: needs both uids and gids");
  return { uids, gids };
}

function parseTriplet(text: string, field: string): Mapping {
  const [, at, ...numbers] = /^(@?)(\d{1,10})-(\d{1,10})-(\d{1,10})$/.exec(text) ?? [];
  const [containerID, hostID, size] = numbers.map(Number);
  if (containerID === undefined || hostID === undefined || size === undefined)
    throw new ConfigError(field, `idmap: not [@]ID-ID-COUNT: ${JSON.stringify(text)}`);
  return { containerID, hostID, size, relative: at === "@" };
}

/** A map with the ids of the container's translated by its own map. @throws ConfigError for one that it does not have */
export function translated(map: readonly Mapping[], own: readonly IdMapping[], field: string): IdMapping[] {
  return map.flatMap((line) => (line.relative === true ? translatedLine(line, own, field) : [line]));
}

/** Ids that are in a row in the container may not be so outside. */
function translatedLine({ containerID, hostID, size }: Mapping, own: readonly IdMapping[], field: string): IdMapping[] {
  const lines: IdMapping[] = [];
  for (let done = 0; done < size; ) {
    const id = hostID + done;
    const range = own.find((known) => id >= known.containerID && id < known.containerID + known.size);
    if (range === undefined) throw new ConfigError(field, `idmap: the container has no id ${id}`);
    const into = id - range.containerID;
    const count = Math.min(size - done, range.size - into);
    lines.push({ containerID: containerID + done, hostID: range.hostID + into, size: count });
    done += count;
  }
  return lines;
}
