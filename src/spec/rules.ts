// What a schema cannot say of a config: which fields need, exclude or limit each other. Every rule cites what asks for it.
// A rule needs nothing but the config; what needs the host or its kernel (is this path a network namespace? is it the
// host's?) is checked where the facility is set up, in src/linux.
//
// A rule is run when the schema found nothing wrong in what it reads, so one bad field does not hide the others.

import type { Config, LinuxResources, Process } from "./config.gen.ts";
import type { Issue } from "./errors.ts";
import { pointerTo } from "./pointer.ts";
import { deviceRules } from "./rules/devices.ts";
import { hookRules } from "./rules/hooks.ts";
import { type IdMaps, idRules, unmappedIds } from "./rules/ids.ts";
import { mountRules } from "./rules/mounts.ts";
import { namespaceRules } from "./rules/namespaces.ts";
import { netDeviceRules } from "./rules/net-devices.ts";
import { placementRules } from "./rules/placement.ts";
import { processRules } from "./rules/process.ts";
import { resourceRules } from "./rules/resources.ts";
import { seccompRules } from "./rules/seccomp.ts";
import { sysctlRules } from "./rules/sysctl.ts";
import { topLevelRules } from "./rules/top-level.ts";

/** Says that something is wrong at the place that `keys` lead to. */
export type Report = (keys: readonly (string | number)[], message: string) => void;

interface Rule {
  /** Pointers to all that it looks at. */
  readonly reads: readonly string[];
  readonly check: (config: Config, report: Report) => void;
}

const RULES: readonly Rule[] = [
  { reads: ["/ociVersion", "/root", "/annotations"], check: topLevelRules },
  {
    reads: [
      "/linux/namespaces",
      "/linux/uidMappings",
      "/linux/gidMappings",
      "/linux/timeOffsets",
      "/linux/maskedPaths",
      "/linux/readonlyPaths",
      "/hostname",
      "/domainname",
    ],
    check: namespaceRules,
  },
  { reads: ["/process"], check: ({ process }, report) => process && processRules(process, ["process"], report) },
  { reads: ["/mounts", "/linux/namespaces"], check: mountRules },
  {
    reads: ["/linux/namespaces", "/linux/uidMappings", "/linux/gidMappings", "/process", "/mounts", "/linux/devices"],
    check: idRules,
  },
  { reads: ["/linux/devices"], check: deviceRules },
  { reads: ["/linux/netDevices", "/linux/namespaces"], check: netDeviceRules },
  { reads: ["/linux/sysctl", "/linux/namespaces", "/domainname"], check: sysctlRules },
  { reads: ["/linux/seccomp"], check: seccompRules },
  {
    reads: ["/linux/resources"],
    check: ({ linux }, report) => linux?.resources && resourceRules(linux.resources, ["linux", "resources"], report),
  },
  { reads: ["/linux/cgroupsPath", "/linux/intelRdt", "/linux/memoryPolicy"], check: placementRules },
  { reads: ["/hooks"], check: hookRules },
];

/** What is wrong with a config beside `found`, which is what its schema said. */
export function ruleIssues(config: Config, found: readonly Issue[] = []): Issue[] {
  const readable = (pointer: string) =>
    found.every((issue) => !within(issue.pointer, pointer) && !within(pointer, issue.pointer));
  return collect((report) => {
    for (const rule of RULES) if (rule.reads.every(readable)) rule.check(config, report);
  });
}

/** What is wrong with a process object of its own, the one that exec is given. */
export function processIssues(process: Process): Issue[] {
  return collect((report) => processRules(process, [], report));
}

/** What is wrong with resources of their own, a change to those that a container has. */
export function resourcesIssues(resources: LinuxResources): Issue[] {
  return collect((report) => resourceRules(resources, [], report, { change: true }));
}

/** What of a config, or of exec's process, cannot be in a user namespace of these maps. */
export function idIssues(
  { process, mounts, linux }: Pick<Config, "process" | "mounts" | "linux">,
  maps: IdMaps,
): Issue[] {
  return collect((report) => unmappedIds({ user: process?.user, mounts, devices: linux?.devices }, maps, report));
}

function collect(run: (report: Report) => void): Issue[] {
  const issues: Issue[] = [];
  run((keys, message) => issues.push({ pointer: pointerTo(...keys), message }));
  return issues;
}

function within(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(`${outer}/`);
}
