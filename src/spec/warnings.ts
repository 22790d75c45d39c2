// What is not wrong enough to refuse a config, and still not what its author thinks (runtime.md, Warnings). Computed only
// for a log that somebody reads.

import type { Capabilities, Config } from "./config.gen.ts";
import type { Issue } from "./errors.ts";
import { pointerTo } from "./pointer.ts";

const CAPABILITY_SETS = ["bounding", "effective", "inheritable", "permitted", "ambient"] as const;

/** What there is of capabilities. */
export interface KnownCapabilities {
  /** To the kernel. */
  readonly names: ReadonlySet<string>;
  /** Whether one of them can be granted in a set. */
  readonly grantable: (set: keyof Capabilities, name: string) => boolean;
}

/** What is known by name. */
export interface Known {
  readonly capabilities: KnownCapabilities;
  /** Options of mounts that are not for a file system; `idmap=` and `ridmap=` are none of them. */
  readonly mountOptions: ReadonlySet<string>;
}

/** All warnings about a config. */
export function configWarnings(config: Config, { capabilities, mountOptions }: Known): Issue[] {
  return [
    ...capabilityWarnings(config, capabilities),
    ...bindWarnings(config, mountOptions),
    ...deprecationWarnings(config),
  ];
}

/** config.md, Linux Process: a capability that cannot be mapped to the kernel's, or granted, MUST be logged as a warning. */
export function capabilityWarnings(
  { process }: Pick<Config, "process">,
  { names, grantable }: KnownCapabilities,
): Issue[] {
  return CAPABILITY_SETS.flatMap((set) =>
    (process?.capabilities?.[set] ?? []).flatMap((name, index) => {
      const isKnown = names.has(name);
      if (isKnown && grantable(set, name)) return [];
      const message = isKnown
        ? `${name} cannot be granted and is ignored`
        : `unknown capability ${JSON.stringify(name)} is ignored`;
      return [{ pointer: pointerTo("process", "capabilities", set, index), message }];
    }),
  );
}

/** A bind mount shows a file system that is mounted already, whose options are what they are. */
function bindWarnings({ mounts = [] }: Config, known: ReadonlySet<string>): Issue[] {
  return mounts.flatMap(({ type, options = [] }, mount) => {
    if (type !== "bind" && !options.includes("bind") && !options.includes("rbind")) return [];
    return options.flatMap((option, index) => {
      if (option === "" || known.has(option) || /^r?idmap=/.test(option)) return [];
      const message = `${JSON.stringify(option)} is ignored: a bind mount takes no options for the file system`;
      return [{ pointer: pointerTo("mounts", mount, "options", index), message }];
    });
  });
}

function deprecationWarnings(config: Config): Issue[] {
  const warnings: Issue[] = [];
  for (const [index, { destination }] of (config.mounts ?? []).entries()) {
    if (!destination.startsWith("/")) {
      warnings.push({
        pointer: pointerTo("mounts", index, "destination"),
        message: "a relative destination is deprecated",
      });
    }
  }
  if (config.hooks?.prestart?.length) {
    warnings.push({ pointer: "/hooks/prestart", message: "prestart hooks are deprecated: use createRuntime" });
  }
  for (const field of ["kernel", "kernelTCP"] as const) {
    if (config.linux?.resources?.memory?.[field] !== undefined) {
      warnings.push({
        pointer: `/linux/resources/memory/${field}`,
        message: "is ignored, as by runc: it is deprecated",
      });
    }
  }
  if (config.linux?.personality?.flags?.length) {
    warnings.push({ pointer: "/linux/personality/flags", message: "are ignored: none is defined" });
  }
  return warnings;
}
