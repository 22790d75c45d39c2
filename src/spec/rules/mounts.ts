// config.md: Mounts. Several mounts at one destination are fine: they are made in the listed order, the last one is seen.
//
// /proc is where a container is told apart from the host: only procfs may be there, and below it only the few files that
// LXCFS and its like replace. Paths are judged as they are written; where symbolic links in the root file system lead,
// src/linux judges by descriptors (CVE-2019-16884 and its kin).

import type { Config, Mount } from "../config.gen.ts";
import type { Report } from "../rules.ts";
import { idMappingRules } from "./id-mappings.ts";
import { hasNamespace } from "./namespaces.ts";

/** What may be mounted below /proc. */
const BELOW_PROC: ReadonlySet<string> = new Set([
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/loadavg",
  "/proc/meminfo",
  "/proc/slabinfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/sys/crypto/fips_enabled",
  "/proc/sys/kernel/ns_last_pid",
  "/proc/uptime",
]);

export function mountRules(config: Config, report: Report): void {
  const { mounts = [] } = config;
  const user = hasNamespace(config, "user");
  for (const [index, mount] of mounts.entries()) {
    const place = ["mounts", index];
    destinationRules(mount, place, report);
    if (isBind(mount) && !has(mount, "remount") && !mount.source) {
      report([...place, "source"], "is required for a bind mount");
    }
    idmapRules(mount, user, place, report);
  }
}

function has(mount: Mount, ...options: readonly string[]): boolean {
  for (const option of mount.options ?? []) if (options.includes(option)) return true;
  return false;
}

/** By its options, says the specification; by its type too, say runc and its callers. */
function isBind(mount: Mount): boolean {
  return mount.type === "bind" || has(mount, "bind", "rbind");
}

function destinationRules(mount: Mount, place: readonly (string | number)[], report: Report): void {
  // A relative one MUST be taken as relative to "/".
  const destination = absolute(mount.destination);
  const at = [...place, "destination"];
  if (mount.destination === "") report(at, "must not be empty");
  else if (destination === "/") report(at, "must not be the root of the container");
  else if (destination === "/proc") {
    // A bind mount may bring a procfs of somebody else's: the kernel tells, later.
    if (mount.type !== "proc" && !isBind(mount))
      report(at, "must have type proc: nothing else may be mounted on /proc");
  } else if (destination.startsWith("/proc/") && !BELOW_PROC.has(destination)) {
    report(at, "is inside /proc, where nothing may be mounted but what shows no more than the files there");
  }
}

/** POSIX-platform Mounts: both maps or none. Linux mount options: without maps, those of the user namespace. */
function idmapRules(mount: Mount, user: boolean, place: readonly (string | number)[], report: Report): void {
  const { uidMappings = [], gidMappings = [] } = mount;
  if (uidMappings.length > 0 !== gidMappings.length > 0) {
    const missing = uidMappings.length > 0 ? "gidMappings" : "uidMappings";
    report([...place, missing], "is required: uidMappings and gidMappings are given together");
  }
  if (has(mount, "idmap", "ridmap") && uidMappings.length + gidMappings.length === 0 && !user) {
    report(
      [...place, "options"],
      "ask for an idmapped mount: it needs uidMappings and gidMappings, or a user namespace",
    );
  }
  idMappingRules(uidMappings, [...place, "uidMappings"], report);
  idMappingRules(gidMappings, [...place, "gidMappings"], report);
}

/** A path as seen from "/", without ".", ".." and doubled slashes. (spec imports nothing, linux/paths.ts neither.) */
function absolute(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}
