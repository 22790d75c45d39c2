// Where exec puts its process: in the container's cgroups, or by --cgroup in some that are below them and there already.
//
//   --cgroup PATH                  below the container's cgroup, in every hierarchy
//   --cgroup CONTROLLER,…:PATH     below it in the hierarchies of these controllers (cgroup v1); may be repeated
//
// A v2 cgroup that hands controllers to those below it takes no process itself ("no internal processes", cgroups(7)). A
// service manager in the container makes it one, and puts itself below; so then exec goes where init is.

import { SIGKILL } from "../linux/abi/signal.ts";
import { Cgroup, type CgroupRecord } from "../linux/cgroups/cgroup.ts";
import { cgroupHost, parseProcCgroup } from "../linux/cgroups/host.ts";
import { attachTo } from "../linux/cgroups/systemd/manager.ts";
import { SafetyViolation } from "../linux/errors.ts";
import { readText } from "../linux/files.ts";
import { sendSignal } from "../linux/local.ts";
import { clean } from "../linux/paths.ts";
import type { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import { UsageError } from "./usage-error.ts";

/** The cgroup for a process, given what --cgroup says. @throws UsageError */
export function cgroupForExec(container: Container, words: readonly string[]): Cgroup {
  if (words.length > 0) return Cgroup.fromRecord(recordBelow(container.state.cgroups, words));
  const cgroup = cgroupOf(container);
  return handsOut(container.state.cgroups) ? withInit(container, cgroup) : cgroup;
}

/**
 * What of it the agent can enter by itself. In a cgroup of the user's own systemd that is nothing, since who is not root may
 * not move a process out of where the machine's systemd has put it; systemd may: `takeIn`.
 */
export function enterable(cgroup: Cgroup): Cgroup {
  return cgroup.unit?.bus === "user" ? Cgroup.NONE : cgroup;
}

/** Has the user's systemd take a process into `cgroup`, where `enterable` has left that open. @throws CgroupError */
export function takeIn({ state }: Container, cgroup: Cgroup, pid: number): void {
  if (cgroup.unit?.bus !== "user") return;
  const [whole = "", part = ""] = [state.cgroups.paths[""], cgroup.record().paths[""]];
  attachTo(cgroup.unit, part.slice(whole.length), pid);
}

/**
 * Ends a process of ours that is silent, where the container has frozen it: in a cgroup of its own, where init may be, or which it has
 * put the process into. Nobody would ever thaw it. @throws SafetyViolation
 */
export function refuseFrozen(container: Container, pid: number): void {
  const cgroup = cgroupOf(container);
  if (!cgroup.isFrozenInside(pid)) return;
  sendSignal(pid, SIGKILL);
  cgroup.letDie();
  throw new SafetyViolation("agent", `process ${pid} was frozen by the container before its program ran`);
}

/** The directories that --cgroup means. @throws UsageError for a mistake, be they there or not */
export function recordBelow(record: CgroupRecord, words: readonly string[]): CgroupRecord {
  const [first = ""] = words;
  const all = words.length === 1 && !first.includes(":");
  const inner = all ? new Map(Object.keys(record.paths).map((name) => [name, first])) : byHierarchy(record, words);
  const paths = Object.entries(record.paths).map(([name, path]): [string, string] => {
    const add = inner.get(name);
    return [name, add === undefined ? path : below(path, add)];
  });
  return { ...record, paths: Object.fromEntries(paths) };
}

function below(path: string, add: string): string {
  const joined = clean(`${path}/${add}`);
  if (joined !== path && !joined.startsWith(`${path}/`)) throw new UsageError(`${add} is not a sub cgroup path`);
  return joined;
}

/** The path of each hierarchy that is named by one of its controllers. */
function byHierarchy({ paths }: CgroupRecord, words: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const named = new Set<string>();
  for (const word of words) {
    const colon = word.indexOf(":");
    if (colon < 0) throw new UsageError(`invalid --cgroup argument: ${word} (missing <controller>: prefix)`);
    const path = word.slice(colon + 1);
    for (const controller of word.slice(0, colon).split(",")) {
      if (controller === "") throw new UsageError(`invalid --cgroup argument: ${word} (empty <controller> prefix)`);
      if (named.has(controller))
        throw new UsageError(`invalid --cgroup argument(s): controller ${controller} specified multiple times`);
      named.add(controller);
      const hierarchy = Object.keys(paths).find((name) => name === controller || name.split(",").includes(controller));
      if (hierarchy === undefined) throw new UsageError(`unknown controller ${controller} in --cgroup`);
      // cpu and cpuacct may be one hierarchy, in which a process is in one place.
      if ((found.get(hierarchy) ?? path) !== path)
        throw new UsageError(
          `invalid --cgroup argument(s): ${hierarchy} is one hierarchy, and two paths are given for it`,
        );
      found.set(hierarchy, path);
    }
  }
  return found;
}

function handsOut({ paths }: CgroupRecord): boolean {
  const unified = paths[""];
  return unified !== undefined && textOf(`${unified}/cgroup.subtree_control`).trim() !== "";
}

function withInit(container: Container, cgroup: Cgroup): Cgroup {
  const { paths, ...record } = cgroup.record();
  const mount = cgroupHost().hierarchies.find(({ name }) => name === "")?.mount;
  const place = parseProcCgroup(textOf(`/proc/${container.state.pid}/cgroup`)).get("");
  if (mount === undefined || place === undefined) return cgroup;
  return Cgroup.fromRecord({ ...record, paths: { ...paths, "": clean(`${mount}/${place}`) } });
}

function textOf(path: string): string {
  try {
    return readText(path);
  } catch {
    return ""; // it has ended, or been removed: the next step says so
  }
}
