// What the kernel takes as an id map, of a user namespace or of an idmapped mount: user_namespaces(7), "Defining user and
// group ID mappings". It answers a bad one with EINVAL for the whole map; this names the entry.

import type { IdMapping } from "../config.gen.ts";
import type { Report } from "../rules.ts";

/** Entries of a map, since Linux 4.15. */
const ENTRIES_MAX = 340;
/** Ids are below this; the last one, (uid_t) -1, means "none". */
const ID_END = 0xffff_ffff;

/** Says what is wrong with the map at `place`. */
export function idMappingRules(
  mappings: readonly IdMapping[],
  place: readonly (string | number)[],
  report: Report,
): void {
  if (mappings.length > ENTRIES_MAX) report(place, `must have at most ${ENTRIES_MAX} entries`);
  for (const [index, mapping] of mappings.entries()) {
    const { containerID, hostID, size } = mapping;
    if (size === 0) report([...place, index, "size"], "must not be 0");
    if (Math.max(containerID, hostID) + size > ID_END)
      report([...place, index], `goes beyond the last id, ${ID_END - 1}`);
    const other = mappings.slice(0, Math.min(index, ENTRIES_MAX)).findIndex((earlier) => overlap(earlier, mapping));
    if (other >= 0) report([...place, index], `overlaps entry ${other}`);
  }
}

function overlap(a: IdMapping, b: IdMapping): boolean {
  const meets = (from: number, size: number, other: number, otherSize: number) =>
    from < other + otherSize && other < from + size;
  return meets(a.containerID, a.size, b.containerID, b.size) || meets(a.hostID, a.size, b.hostID, b.size);
}
