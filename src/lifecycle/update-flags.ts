// The flags of update as resources. Numbers are text on the command line, since -1 is one and 2^63 - 1 must stay exact.

import { exact } from "../linux/cgroups/count.ts";
import type { LinuxResources } from "../spec/config.gen.ts";
import { checkResources } from "../spec/load.ts";
import type { FlagsOf } from "./command-table.ts";
import { kebab } from "./flag.ts";
import { UsageError } from "./usage-error.ts";

type Flags = FlagsOf<"update">;
type Int = number | bigint;

/** Which flag is which member of resources, and how its text is read. */
const MEMBERS: readonly (readonly [
  key: keyof Flags,
  member: string,
  read: (text: string) => Int | string | undefined,
])[] = [
  ["blkioWeight", "blockIO.weight", natural],
  ["cpuPeriod", "cpu.period", natural],
  ["cpuQuota", "cpu.quota", integer],
  ["cpuBurst", "cpu.burst", natural],
  ["cpuShare", "cpu.shares", natural],
  ["cpuRtPeriod", "cpu.realtimePeriod", natural],
  ["cpuRtRuntime", "cpu.realtimeRuntime", integer],
  ["cpuIdle", "cpu.idle", integer],
  ["cpusetCpus", "cpu.cpus", (text) => text],
  ["cpusetMems", "cpu.mems", (text) => text],
  ["memory", "memory.limit", size],
  ["memoryReservation", "memory.reservation", size],
  ["memorySwap", "memory.swap", size],
  ["pidsLimit", "pids.limit", integer],
];

/** What the flags ask for. @throws UsageError for text that is no number, SpecError for values out of range */
export function resourcesOfFlags(flags: Flags): LinuxResources {
  const resources: Record<string, Record<string, Int | string>> = {};
  for (const [key, member, read] of MEMBERS) {
    const text = flags[key];
    if (typeof text !== "string") continue;
    const value = read(text);
    if (value === undefined) throw new UsageError(`invalid value for ${kebab(key)}: ${why(text, read)}`);
    const [controller = "", name = ""] = member.split(".");
    const members = resources[controller] ?? {};
    resources[controller] = members;
    members[name] = value;
  }
  return checkResources(resources, "the command line");
}

function why(text: string, read: unknown): string {
  return read === size ? `invalid size: '${text}'` : `${JSON.stringify(text)} is not a whole number`;
}

function natural(text: string): Int | undefined {
  return /^\d+$/.test(text) ? exact(BigInt(text)) : undefined;
}

function integer(text: string): Int | undefined {
  return /^-?\d+$/.test(text) ? exact(BigInt(text)) : undefined;
}

const UNITS = "bkmgtp";

/** Bytes, or with a unit a multiple of 1024: 64m, 64 MiB, 1.5g (as Docker's units.RAMInBytes); -1 for no limit. */
export function size(text: string): Int | undefined {
  if (text === "-1") return -1;
  const [, digits, unit = ""] = /^(\d+(?:\.\d+)?) ?([bkmgtp]?)(?:i?b)?$/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  const power = Math.max(UNITS.indexOf(unit.toLowerCase()), 0);
  if (digits.includes(".")) return Math.floor(Number(digits) * 1024 ** power);
  return exact(BigInt(digits) * 1024n ** BigInt(power));
}
