// Id maps for an ordinary user, with ids that the machine's administrator has given him in /etc/subuid and /etc/subgid:
// newuidmap(1), newgidmap(1), subuid(5). Those two programs have the right to write them; what they refuse is explained here.

import { ConfigError } from "../linux/errors.ts";
import { readText } from "../linux/files.ts";
import { complaintOf, findProgram } from "../linux/host-program.ts";
import type { IdMapping } from "../spec/config.gen.ts";
import { userNames } from "./users.ts";

const HELPERS = {
  uid: { program: "newuidmap", file: "/etc/subuid" },
  gid: { program: "newgidmap", file: "/etc/subgid" },
} as const;

/** Which ids a map is of. */
export type IdKind = keyof typeof HELPERS;

/** An entry of a map as the kernel and its helpers take it. */
export function words({ containerID, hostID, size }: IdMapping): readonly number[] {
  return [containerID, hostID, size];
}

/** Has the helper write a map of process `pid`. @throws ConfigError for `field` */
export function callHelper(pid: number, kind: IdKind, map: readonly IdMapping[], field: string): void {
  const { program, file } = HELPERS[kind];
  const path = findProgram(program);
  if (path === undefined)
    throw new ConfigError(
      field,
      `more than the caller's own id takes ${program} (of package uidmap), which is not installed`,
    );
  const complaint = complaintOf(path, [pid, ...map.flatMap(words)].map(String));
  if (complaint !== undefined) throw new ConfigError(field, `${complaint}; ${described(file)}`);
}

/** What the file has for the caller. Where ids come from elsewhere, nsswitch.conf(5), the helper's own words must do. */
function described(file: string): string {
  const uid = process.getuid?.() ?? 0;
  const name = userNames().get(uid);
  const who = name === undefined ? `user ${uid}` : `user ${name} (${uid})`;
  const own = linesOf(file).filter(([owner]) => owner === name || owner === String(uid));
  if (own.length === 0) return `${file} has no range for ${who}`;
  return `${file} gives ${who}: ${own.map(([, first, count]) => `${count} from ${first}`).join(", ")}`;
}

function linesOf(file: string): string[][] {
  try {
    return readText(file)
      .split("\n")
      .map((line) => line.split(":"));
  } catch {
    return [];
  }
}
