// The id maps of a new user namespace: user_namespaces(7); runtime-spec config-linux.md#user-namespace-mappings. They are
// written from outside, by tsrun, before the process in it does anything; each file takes one write.
//
// Root may write any. An ordinary user may map his own id, and for the rest there are helpers: subordinate-ids.ts.

import { ConfigError } from "../linux/errors.ts";
import { readText, writeExisting } from "../linux/files.ts";
import type { Config, IdMapping, Linux, Namespace } from "../spec/config.gen.ts";
import { idIssues } from "../spec/rules.ts";
import { messageOf } from "./message.ts";
import { callHelper, type IdKind, words } from "./subordinate-ids.ts";
import { isOrdinaryUser } from "./users.ts";

const KINDS = {
  uid: { file: "uid_map", field: "linux.uidMappings" },
  gid: { file: "gid_map", field: "linux.gidMappings" },
} as const satisfies Record<IdKind, unknown>;

/** Writes the maps of process `pid`. @throws ConfigError */
export function writeIdMaps(pid: number, { uidMappings = [], gidMappings = [] }: Linux): void {
  writeMap(pid, "uid", uidMappings);
  writeMap(pid, "gid", gidMappings);
}

function writeMap(pid: number, kind: IdKind, map: readonly IdMapping[]): void {
  const { file, field } = KINDS[kind];
  const alone = isOrdinaryUser() && isOwnAlone(kind, map);
  if (isOrdinaryUser() && !alone) {
    callHelper(pid, kind, map, field);
    return;
  }
  try {
    // Who could leave a group would get at files that are kept from it: groups must be given up first.
    if (alone && kind === "gid") writeExisting(`/proc/${pid}/setgroups`, "deny");
    writeExisting(`/proc/${pid}/${file}`, map.map((entry) => `${words(entry).join(" ")}\n`).join(""));
  } catch (error) {
    throw new ConfigError(field, whyRefused(file, map) ?? messageOf(error));
  }
}

/** Whether a map is of the caller's own id, which takes no rights. */
export function isOwnAlone(kind: IdKind, map: readonly IdMapping[]): boolean {
  const own = kind === "uid" ? process.geteuid?.() : process.getegid?.();
  const [entry] = map;
  return map.length === 1 && entry?.size === 1 && entry.hostID === own;
}

/** In a user namespace its ids are all that there are to be given. */
function whyRefused(file: MapFile, map: readonly IdMapping[]): string | undefined {
  const ours = idMap("self", file);
  const within = ({ hostID, size }: IdMapping): boolean =>
    ours.some((own) => hostID >= own.containerID && hostID + size <= own.containerID + own.size);
  const bad = map.find((entry) => !within(entry));
  return (
    bad && `host ids from ${bad.hostID}, ${bad.size} of them, are not mapped in the user namespace that tsrun is in`
  );
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
    .map((entry) => words(entry).join(" "))
    .toSorted()
    .join();
}

/** The id on the host of a user of process `pid`, which has these namespaces. @throws ConfigError for one that is not mapped */
export function hostUid(uid: number, namespaces: readonly Namespace[], pid: number): number {
  if (!namespaces.some(({ type }) => type === "user")) return uid;
  const id = hostId(uid, idMap(pid, "uid_map"));
  if (id === undefined) throw new ConfigError("process.user.uid", `${uid} is not mapped in the user namespace`);
  return id;
}

/**
 * Refuses ids that have no place in the user namespace of process `pid` ("self": tsrun's), which was made by somebody else: of one
 * that tsrun makes the rules of the config have seen to it. @throws ConfigError
 */
export function checkIds(config: Pick<Config, "process" | "mounts" | "linux">, pid: number | "self"): void {
  const [issue] = idIssues(config, { uids: idMap(pid, "uid_map"), gids: idMap(pid, "gid_map") });
  if (issue !== undefined) throw new ConfigError(issue.pointer.slice(1).replaceAll("/", "."), issue.message);
}

type MapFile = (typeof KINDS)[IdKind]["file"];

/** The kernel's word: a namespace that was joined has its maps from somebody else. proc_pid_uid_map(5). */
export function idMap(pid: number | "self", file: MapFile): IdMapping[] {
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
