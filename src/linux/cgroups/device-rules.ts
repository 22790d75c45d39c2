// linux.resources.devices: "config-linux.md#allowed-device-list". A list of rules in order, each allowing or denying,
// is reduced to what both kernels' filters are: a default, and exceptions from it.
//
// The last rule that names a device decides. The v1 kernel (cgroup-v1/devices.rst) keeps that only for rules that name
// exactly the same devices, and ignores the others in silence: a rule for many takes nothing from exceptions for one, and
// part of a wildcard exception cannot be taken out. So the first is worked out here, and the second is refused: the
// container would have what the config denies. Before the first rule all is denied; what every container has comes last.

import type { DeviceRule } from "../../spec/config.gen.ts";
import { ConfigError } from "../errors.ts";

/** A device, or with "*" many, and the accesses that are the exception for it. */
export interface DeviceException {
  readonly type: "b" | "c";
  readonly major: number | "*";
  readonly minor: number | "*";
  /** Letters of "rwm": read, write, mknod. */
  readonly access: string;
}

/** What a rule list comes to. */
export interface DeviceFilter {
  readonly allowByDefault: boolean;
  readonly exceptions: readonly DeviceException[];
}

/** Nodes may be made (their use is another matter), and the devices in every container's /dev, its ptys and tun work. */
const ALWAYS: readonly DeviceRule[] = [
  { allow: true, type: "c", access: "m" },
  { allow: true, type: "b", access: "m" },
  { allow: true, type: "c", major: 1, minor: 3, access: "rwm" }, // null
  { allow: true, type: "c", major: 1, minor: 5, access: "rwm" }, // zero
  { allow: true, type: "c", major: 1, minor: 7, access: "rwm" }, // full
  { allow: true, type: "c", major: 1, minor: 8, access: "rwm" }, // random
  { allow: true, type: "c", major: 1, minor: 9, access: "rwm" }, // urandom
  { allow: true, type: "c", major: 5, minor: 0, access: "rwm" }, // tty
  { allow: true, type: "c", major: 136, access: "rwm" }, // pts/*
  { allow: true, type: "c", major: 5, minor: 2, access: "rwm" }, // ptmx
  { allow: true, type: "c", major: 10, minor: 200, access: "rwm" }, // net/tun
];

/**
 * The filter for a config's rules and the devices that are always allowed. What a rule leaves out means all.
 * @throws ConfigError for a rule that neither kernel filter can express, or that is about no device that can be
 */
export function deviceFilter(rules: readonly DeviceRule[]): DeviceFilter {
  const filter = { allowByDefault: false, exceptions: new Map<string, DeviceException>() };
  for (const [index, rule] of [...rules, ...ALWAYS].entries()) {
    checkNumbers(rule, fieldOf(index, rules));
    if (isEverything(rule)) {
      filter.allowByDefault = rule.allow;
      filter.exceptions.clear();
      continue;
    }
    for (const exception of asExceptions(rule)) {
      if (rule.allow !== filter.allowByDefault) addException(filter.exceptions, exception);
      else removeException(filter.exceptions, exception, fieldOf(index, rules));
    }
  }
  return { allowByDefault: filter.allowByDefault, exceptions: [...filter.exceptions.values()] };
}

function fieldOf(index: number, rules: readonly DeviceRule[]): string {
  return index < rules.length ? `linux.resources.devices[${index}]` : "linux.resources.devices";
}

/** The kernel keeps 32 bits of a number, and takes all of them set for a wildcard: a rule for nothing would be for all. */
function checkNumbers({ major, minor }: DeviceRule, field: string): void {
  for (const number of [major, minor])
    if (number !== undefined && number >= 0xffff_ffff)
      throw new ConfigError(field, `no device has the number ${number}`);
}

function isEverything(rule: DeviceRule): boolean {
  const [exception] = asExceptions(rule);
  const { major, minor, access } = exception;
  return (rule.type ?? "a") === "a" && major === "*" && minor === "*" && access === "rwm";
}

/** One for each type that the rule is about. */
function asExceptions(rule: DeviceRule): readonly [DeviceException, ...DeviceException[]] {
  const wanted = rule.access || "rwm";
  const access = wanted === "rwm" ? wanted : ["r", "w", "m"].filter((letter) => wanted.includes(letter)).join("");
  const either = { major: number(rule.major), minor: number(rule.minor), access };
  if (rule.type === "b" || rule.type === "c") return [{ type: rule.type, ...either }];
  return [
    { type: "b", ...either },
    { type: "c", ...either },
  ];
}

/** -1 is the wildcard of old engines. */
function number(value: number | bigint | undefined): number | "*" {
  return value === undefined || value < 0 ? "*" : Number(value);
}

function addException(exceptions: Map<string, DeviceException>, added: DeviceException): void {
  const had = exceptions.get(keyOf(added))?.access ?? "";
  const access = [..."rwm"].filter((letter) => had.includes(letter) || added.access.includes(letter)).join("");
  exceptions.set(keyOf(added), { ...added, access });
}

function removeException(exceptions: Map<string, DeviceException>, removed: DeviceException, field: string): void {
  for (const [key, other] of exceptions) {
    const access = [...other.access].filter((letter) => !removed.access.includes(letter)).join("");
    if (access === other.access || !overlap(other, removed)) continue;
    if (!covers(removed, other)) {
      const part = `${keyOf(removed)} ${removed.access}`;
      throw new ConfigError(field, `cannot take ${part} out of the wider rule ${key} ${other.access} before it`);
    }
    if (access === "") exceptions.delete(key);
    else exceptions.set(key, { ...other, access });
  }
}

function covers(wide: DeviceException, narrow: DeviceException): boolean {
  const { type, major, minor } = wide;
  return type === narrow.type && (major === "*" || major === narrow.major) && (minor === "*" || minor === narrow.minor);
}

function overlap(a: DeviceException, b: DeviceException): boolean {
  const meet = (x: number | "*", y: number | "*") => x === "*" || y === "*" || x === y;
  return a.type === b.type && meet(a.major, b.major) && meet(a.minor, b.minor);
}

function keyOf({ type, major, minor }: DeviceException): string {
  return `${type} ${major}:${minor}`;
}
