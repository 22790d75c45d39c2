// What only cgroup v2 asks of whoever makes a cgroup: cgroup-v2.rst, "Enabling and Disabling" and "Threads".
//
// A cgroup has the controllers that its parent lists in cgroup.subtree_control, which can list those that its own parent
// lists. Writing it takes the kernel's cgroup lock and waits for dying siblings, so it is read first: mostly all is there.

import { ConfigError } from "../errors.ts";
import { dirname } from "../paths.ts";
import type { Write } from "./setting.ts";
import { readFile, writeFile } from "./write.ts";

/**
 * Makes all controllers of the hierarchy available to the children of `parent`. A level that refuses some (it holds
 * processes, or was not delegated) keeps the rest; a limit that needs a missing one fails later, by name.
 */
export function enableControllers(parent: string, mount: string): void {
  const available = words(`${mount}/cgroup.controllers`);
  // On a hybrid host v1 has them all.
  if (available.length > 0) enableBelow(parent, mount, available);
}

function enableBelow(path: string, mount: string, wanted: readonly string[]): void {
  const file = `${path}/cgroup.subtree_control`;
  const enabled = words(file);
  const missing = wanted.filter((controller) => !enabled.includes(controller)).map((controller) => `+${controller}`);
  if (missing.length === 0) return;
  if (path !== mount) enableBelow(dirname(path), mount, wanted);
  if (writeFile(file, missing.join(" ")) === undefined) return;
  for (const controller of missing) writeFile(file, controller);
}

function words(file: string): string[] {
  return (readFile(file) ?? "").split(" ").filter((word) => word !== "");
}

/** Controllers that count for whole processes, and so are not to be had in a threaded cgroup. */
const DOMAIN_CONTROLLERS: readonly string[] = ["memory", "io", "hugetlb"];

/**
 * A cgroup below a threaded one is "domain invalid": nothing can join it until it is made threaded too.
 * @throws ConfigError when the config asks for a controller that a threaded cgroup cannot have
 */
export function settleType(path: string, plan: readonly Write[]): void {
  const type = readFile(`${path}/cgroup.type`);
  if (type === undefined || type === "domain") return;
  const needs = plan.find(({ controller }) => DOMAIN_CONTROLLERS.includes(controller));
  if (needs !== undefined) throw new ConfigError(needs.field, `not possible in ${path}: its cgroup.type is "${type}"`);
  if (type === "domain invalid") writeFile(`${path}/cgroup.type`, "threaded");
}
