// config-linux.md: Namespaces, User namespace mappings, Offset for Time Namespace; config.md: Hostname, Domainname.
// What belongs to a namespace needs one of the container's own, new or joined: without, it would be set on the host.

import type { Config, IdMapping, NamespaceType } from "../config.gen.ts";
import type { Report } from "../rules.ts";
import { idMappingRules } from "./id-mappings.ts";

/** Nanoseconds of a second: what an offset's nanosecs stay below. time_namespaces(7). */
const NANOSECONDS = 1_000_000_000;

/** Whether the container gets a namespace of this type, new or joined. */
export function hasNamespace(config: Config, type: NamespaceType): boolean {
  return config.linux?.namespaces?.some((namespace) => namespace.type === type) ?? false;
}

export function namespaceRules(config: Config, report: Report): void {
  listRules(config, report);
  utsRules(config, report);
  userRules(config, report);
  timeRules(config, report);
  pathListRules(config, report);
}

/** Namespaces: one of a type, paths MUST be absolute. */
function listRules(config: Config, report: Report): void {
  const first = new Map<string, number>();
  for (const [index, { type, path }] of (config.linux?.namespaces ?? []).entries()) {
    const place = ["linux", "namespaces", index];
    const other = first.get(type);
    if (other !== undefined) report(place, `is a second ${type} namespace, after /linux/namespaces/${other}`);
    else first.set(type, index);
    if (path !== undefined && !path.startsWith("/")) report([...place, "path"], "must be an absolute path");
  }
}

function utsRules(config: Config, report: Report): void {
  if (hasNamespace(config, "uts")) return;
  for (const field of ["hostname", "domainname"] as const) {
    if (config[field]) report([field], "needs a uts namespace in /linux/namespaces: it would be the host's");
  }
}

/** User namespace mappings. Those of a joined namespace are compared with the given ones by the kernel's word, in src/linux. */
function userRules(config: Config, report: Report): void {
  const user = config.linux?.namespaces?.findIndex(({ type }) => type === "user") ?? -1;
  const joined = config.linux?.namespaces?.[user]?.path !== undefined;
  for (const field of ["uidMappings", "gidMappings"] as const) {
    const mappings: readonly IdMapping[] = config.linux?.[field] ?? [];
    if (mappings.length > 0 && user < 0) report(["linux", field], "needs a user namespace in /linux/namespaces");
    if (mappings.length === 0 && user >= 0 && !joined) {
      report(["linux", field], "is required for a new user namespace: no id would exist in it");
    }
    idMappingRules(mappings, ["linux", field], report);
  }
}

/** Offsets are written before a process is in the namespace: too late for one that exists. time_namespaces(7). */
function timeRules(config: Config, report: Report): void {
  const offsets = Object.entries(config.linux?.timeOffsets ?? {});
  if (offsets.length === 0) return;
  const time = config.linux?.namespaces?.find(({ type }) => type === "time");
  if (time === undefined) report(["linux", "timeOffsets"], "needs a time namespace in /linux/namespaces");
  else if (time.path !== undefined) report(["linux", "timeOffsets"], "cannot change the joined time namespace");
  for (const [clock, offset] of offsets) {
    const place = ["linux", "timeOffsets", clock];
    if (clock !== "monotonic" && clock !== "boottime")
      report(place, "is no clock of a time namespace: monotonic, boottime");
    else if ((offset.nanosecs ?? 0) >= NANOSECONDS) report([...place, "nanosecs"], `must be below ${NANOSECONDS}`);
  }
}

/** Masked Paths, Readonly Paths: MUST be absolute. Without a mount namespace the host's would be covered. */
function pathListRules(config: Config, report: Report): void {
  for (const field of ["maskedPaths", "readonlyPaths"] as const) {
    const paths = config.linux?.[field] ?? [];
    if (paths.length > 0 && !hasNamespace(config, "mount")) {
      report(["linux", field], "needs a mount namespace in /linux/namespaces: it would cover the host's paths");
    }
    for (const [index, path] of paths.entries()) {
      if (!path.startsWith("/")) report(["linux", field, index], "must be an absolute path");
    }
  }
}
