// What plans are made from in tests: a host that answers the same everywhere, namespaces, and a root file system.

import type { Host } from "../../src/linux/host.ts";
import type { Namespaces, NamespaceType } from "../../src/linux/namespaces.ts";
import { Plan } from "../../src/linux/plan.ts";
import { printPlan } from "../../src/linux/print.ts";
import type { SetUp } from "../../src/linux/programs.ts";
import { planRoot, type RootBuilder } from "../../src/linux/rootfs.ts";
import { NO_SOURCES } from "../../src/linux/sources.ts";
import type { Config, Process } from "../../src/spec/config.gen.ts";

export const LAST_CAPABILITY = 40;

/** A host on which all sources are directories but those below /etc, and the image has no symbolic links. */
export function host(changes: Partial<Host> = {}): Host {
  return {
    isDirectory: (path) => !path.includes("/etc/"),
    exists: () => true,
    isNullDevice: () => true,
    linkAt: () => undefined,
    isProcfs: (path) => path.startsWith("/proc"),
    hasAppArmor: () => true,
    hasSELinux: () => true,
    lastCapability: () => LAST_CAPABILITY,
    heldCapabilities: () => ({ permitted: (1n << BigInt(LAST_CAPABILITY + 1)) - 1n, inheritable: 0n }),
    inUserNamespace: () => false,
    fullProcAndSysMounts: () => ["/sys", "/proc"],
    ...changes,
  };
}

/** New namespaces of these types. */
export function created(...types: NamespaceType[]): Namespaces {
  return { created: new Set(types), joined: [] };
}

/** The namespaces that a config asks for, new ones all. */
export function namespacesOf({ linux }: Config): Namespaces {
  return created(...(linux?.namespaces ?? []).map(({ type }) => type));
}

/** A small config. */
export function config(linux: Config["linux"] = {}, rest: Partial<Config> = {}): Config {
  return { ociVersion: "1.3.0", root: { path: "rootfs" }, linux, ...rest };
}

/** A small process. */
export function process(changes: Partial<Process> = {}): Process {
  return { cwd: "/", args: ["sh"], env: ["PATH=/usr/bin:/bin"], ...changes };
}

/** What setUp is told. */
export function ingredients(from: Config, changes: Partial<SetUp> = {}): SetUp {
  return {
    plan: new Plan(),
    config: from,
    host: host(),
    namespaces: created("mount", "pid"),
    bundle: "/bundle",
    rootfs: "/bundle/rootfs",
    cgroups: [],
    idmapped: new Map(),
    takeDescriptor: () => {
      throw new Error("no descriptor was to be taken");
    },
    noPivot: false,
    leftOpen: [],
    cgroupTasks: [],
    runtimeHooks: undefined,
    containerHooks: undefined,
    ...changes,
  };
}

/** The lines of a plan. */
export function printed(plan: Plan): string[] {
  return printPlan(plan).split("\n").slice(0, -1);
}

/** The calls of a plan as text, without fields and indentation. */
export function calls(plan: Plan): string[] {
  return printed(plan).map((line) => (line.trim().split(/ {2,}/)[0] ?? "").replace(/ = #\d+$/, ""));
}

/** The calls that `plan` appends to a root file system, without those that make the root. */
export function inRoot(
  from: Config,
  plan: (to: RootBuilder) => void,
  changes: Partial<SetUp> = {},
): { to: RootBuilder; lines: string[] } {
  const to = planRoot({ ...ingredients(from, changes), sources: NO_SOURCES });
  const before = to.plan.steps.length;
  plan(to);
  return { to, lines: calls(to.plan).slice(before) };
}
