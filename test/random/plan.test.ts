// Ten thousand random configurations, read and planned as create would: whatever they are, they are planned or refused in
// words of ours, never by a crash. The seed is printed by fast-check when one is not; FC_SEED repeats it.

import fc from "fast-check";
import { expect, test } from "vitest";
import { checkConsole } from "../../src/lifecycle/console.ts";
import { planProcess } from "../../src/lifecycle/process-setup.ts";
import { deviceProgram } from "../../src/linux/cgroups/device-program.ts";
import { deviceFilter } from "../../src/linux/cgroups/device-rules.ts";
import { cgroupPaths } from "../../src/linux/cgroups/paths.ts";
import { planResources } from "../../src/linux/cgroups/resources.ts";
import { encode } from "../../src/linux/encode.ts";
import type { Namespaces } from "../../src/linux/namespaces.ts";
import { printPlan } from "../../src/linux/print.ts";
import { launch, setUp } from "../../src/linux/programs.ts";
import { checkMountNamespace } from "../../src/linux/rootfs.ts";
import { compileSeccomp } from "../../src/linux/seccomp/compile.ts";
import type { Config } from "../../src/spec/config.gen.ts";
import { parseConfig } from "../../src/spec/load.ts";
import { configWarnings } from "../../src/spec/warnings.ts";
import { host, ingredients, LAST_CAPABILITY } from "../linux/sample.ts";
import { dockerConfig, fullConfig, minimalConfig, toText } from "../spec/fixtures.ts";
import { changed, edits, type Value } from "./configs.ts";

const RUNS = 10_000;
/** Steps that are encoded: of more a message would be too long. */
const SLICE = 200;
const BASES = [
  fullConfig(),
  fullConfig(),
  planable(),
  planable(),
  dockerConfig(3),
  minimalConfig(),
] as unknown as Value[];

/** All fields but those that are refused where a host has no such thing. */
function planable(): Config {
  const { process, linux, ...config } = fullConfig();
  const { apparmorProfile: _, selinuxLabel: __, ...plain } = process as NonNullable<typeof process>;
  const { mountLabel: _m, intelRdt: _r, netDevices: _d, seccomp: _s, ...rest } = linux as NonNullable<typeof linux>;
  const { unified: _u, ...resources } = rest.resources ?? {}; // nothing that version 1 has
  return { ...config, process: plain, linux: { ...rest, resources, seccomp: { defaultAction: "SCMP_ACT_ALLOW" } } };
}

/** Errors that tsrun tells its caller something by. */
const OURS = new Set(["SpecError", "ConfigError", "SafetyViolation", "UsageError", "CgroupError"]);

const counts = new Map<string, number>();

function count(what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1);
}

test(`${RUNS} random configurations are planned or refused`, { timeout: 300_000 }, () => {
  const seed = Number(process.env.FC_SEED ?? 20_261_126);
  const base = fc.constantFrom(...BASES);
  fc.assert(
    fc.property(base, edits, (from, changes) => {
      const text = toText(changed(from, changes));
      try {
        plan(parseConfig(text));
        count("planned");
      } catch (error) {
        if (!(error instanceof Error) || !OURS.has(error.name)) throw error;
        expect(error.message).not.toMatch(/undefined|NaN|\[object/);
        count(error.name);
      }
    }),
    { numRuns: RUNS, seed },
  );
  console.log(`seed ${seed}: ${[...counts].map(([what, times]) => `${what} ${times}`).join(", ")}`);
  expect(counts.get("planned")).toBeGreaterThan(RUNS / 10);
  expect(counts.get("SpecError")).toBeGreaterThan(RUNS / 10);
});

/** All that create makes of a configuration before it does anything. */
function plan(config: Config): void {
  configWarnings(config, { capabilities: { names: new Set(), grantable: () => false }, mountOptions: new Set() });
  checkConsole(config.process?.terminal === true, true, config.process?.terminal === true ? "/socket" : undefined);
  const namespaces = namespacesOf(config);
  checkMountNamespace(config, namespaces);
  planCgroups(config);
  const { seccomp } = config.linux ?? {};
  const compiled = seccomp === undefined ? undefined : compileSeccomp(seccomp);
  const offsets = config.linux?.timeOffsets;
  const { plan: launched } = launch({
    namespaces,
    ...(offsets && { timeOffsets: offsets }),
    ...{
      cgroup: { tasks: [7], directory: undefined },
      keyring: { name: "_ses.id", isNew: true },
      firstPrivateFd: 3,
      childSocket: 9,
    },
  });
  const from = ingredients(config, {
    namespaces,
    idmapped: idmapped(config),
    host: host(),
    cgroups: [{ name: "pids", directory: "/sys/fs/cgroup/pids/x" }],
  });
  const { to, terminal } = setUp(from);
  if (config.process !== undefined)
    planProcess(to.plan, {
      ...{
        process: config.process,
        personality: config.linux?.personality,
        memoryPolicy: config.linux?.memoryPolicy,
        procfs: 8,
        seccomp: compiled,
        terminal,
      },
      ...{ onTerminal: () => {}, takeDescriptor: () => 0, nullStdio: [], defaultUmask: 0o22, extraEnv: [] },
      ...{ lastCapability: LAST_CAPABILITY, held: undefined, keepsGroups: false, inUserNamespace: false },
    });
  for (const made of [launched, to.plan]) {
    printPlan(made);
    encode(made.steps.slice(0, SLICE));
  }
}

/** Where create would hold the sources of id-mapped mounts open. */
function idmapped({ mounts = [] }: Config): Map<number, number> {
  const mapped = mounts.map(
    ({ uidMappings, options = [] }) => uidMappings !== undefined || options.some((option) => /idmap$/.test(option)),
  );
  return new Map(mapped.flatMap((is, i) => (is ? [[i, 30 + i] as const] : [])));
}

function namespacesOf({ linux }: Config): Namespaces {
  const all = linux?.namespaces ?? [];
  return {
    created: new Set(all.filter(({ path }) => !path).map(({ type }) => type)),
    joined: all.flatMap(({ type, path }, index) =>
      path ? [{ type, path, index, fd: 20 + index, isTheHosts: false }] : [],
    ),
  };
}

function planCgroups({ linux }: Config): void {
  const hierarchies = ["memory", "cpu,cpuacct", ""].map((name) => ({
    name,
    mount: `/sys/fs/cgroup/${name}`,
    own: "/",
  }));
  cgroupPaths({ mode: "hybrid", hierarchies }, linux?.cgroupsPath, "id");
  for (const version of ["v1", "v2"] as const) planResources(linux?.resources ?? {}, version);
  deviceProgram(deviceFilter(linux?.resources?.devices ?? []));
}
