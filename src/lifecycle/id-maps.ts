// The id maps of a new user namespace: user_namespaces(7); runtime-spec config-linux.md#user-namespace-mappings. They are
// written from outside, by tsrun, before the process in it does anything; each file takes one write.

import { ConfigError } from "../linux/errors.ts";
import { readText, writeExisting } from "../linux/files.ts";
import type { IdMapping, Linux, Namespace } from "../spec/config.gen.ts";
import { messageOf } from "./message.ts";

/** Writes the maps of process `pid`. */
export function writeIdMaps(pid: number, { uidMappings = [], gidMappings = [] }: Linux): void {
  write(`/proc/${pid}/uid_map`, uidMappings, "linux.uidMappings");
  write(`/proc/${pid}/gid_map`, gidMappings, "linux.gidMappings");
}

/** Refuses maps given for a user namespace that was joined, which has others: nobody would notice. Engines repeat its own. */
export function checkIdMaps(pid: number, { uidMappings, gidMappings }: Linux): void {
  for (const [field, given, file] of [
    ["linux.uidMappings", uidMappings, "uid_map"],
    ["linux.gidMappings", gidMappings, "gid_map"],
  ] as const) {
    if (given === undefined || given.length === 0) continue;
    if (mapText(given) !== mapText(idMap(pid, file)))
      throw new ConfigError(field, "the user namespace that is joined has another map");
  }
}

/** A map as a text that is the same for the same map, however it is ordered. */
export function mapText(map: readonly IdMapping[]): string {
  return map
    .map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}`)
    .toSorted()
    .join();
}

function write(file: string, mappings: readonly IdMapping[], field: string): void {
  const lines = mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`);
  try {
    writeExisting(file, lines.join(""));
  } catch (error) {
    throw new ConfigError(field, messageOf(error));
  }
}

/** The id on the host of a user of process `pid`, which has these namespaces. @throws ConfigError for one that is not mapped */
export function hostUid(uid: number, namespaces: readonly Namespace[], pid: number): number {
  if (!namespaces.some(({ type }) => type === "user")) return uid;
  const id = hostId(uid, idMap(pid, "uid_map"));
  if (id === undefined) throw new ConfigError("process.user.uid", `${uid} is not mapped in the user namespace`);
  return id;
}

/** The kernel's word: a namespace that was joined has its maps from somebody else. proc_pid_uid_map(5). */
export function idMap(pid: number, file: "uid_map" | "gid_map"): IdMapping[] {
  const lines = readText(`/proc/${pid}/${file}`).trim().split("\n");
  return lines.map((line) => {
    const [containerID = 0, hostID = 0, size = 0] = line.trim().split(/ +/).map(Number);
    return { containerID, hostID, size };
  });
}

/** The id on the host of an id in the container; undefined where it is not mapped. */
function hostId(id: number, mappings: readonly IdMapping[]): number | undefined {
  const mapping = mappings.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  return mapping === undefined ? undefined : id - mapping.containerID + mapping.hostID;
}
