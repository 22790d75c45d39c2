// Docker's default profile as dockerd sends it: moby's file with what is for this machine and for the container's capabilities.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Seccomp, SeccompRule } from "../../../src/spec/config.gen.ts";

interface Condition {
  readonly caps?: readonly string[];
  readonly arches?: readonly string[];
}

interface ConditionalRule extends SeccompRule {
  readonly includes?: Condition;
  readonly excludes?: Condition;
}

/** Of a container with Docker's usual capabilities, of which the profile knows CAP_SYS_CHROOT. */
const USUAL = ["CAP_SYS_CHROOT"];

/** Moby's profile for a container with these capabilities. (Every kernel that we run on is as new as a rule may ask.) */
export function dockersProfile(capabilities: readonly string[] = USUAL): Seccomp {
  const { defaultAction, defaultErrnoRet, archMap, syscalls } = JSON.parse(
    readFileSync(join(import.meta.dirname, "moby/default.json"), "utf8"),
  );
  const [own, architecture] = process.arch === "arm64" ? ["arm64", "AARCH64"] : ["amd64", "X86_64"];
  const found = archMap.find((each: { architecture: string }) => each.architecture === `SCMP_ARCH_${architecture}`);
  const holds = ({ caps = [], arches = [] }: Condition, every: boolean): boolean => {
    const tests = [
      ...caps.map((cap) => capabilities.includes(cap)),
      ...(arches.length > 0 ? [arches.includes(own)] : []),
    ];
    return every ? tests.every(Boolean) : tests.some(Boolean);
  };
  return {
    defaultAction,
    defaultErrnoRet,
    architectures: [found.architecture, ...found.subArchitectures],
    syscalls: (syscalls as ConditionalRule[])
      .filter(({ includes = {}, excludes = {} }) => holds(includes, true) && !holds(excludes, false))
      .map(({ names, action, errnoRet, args }) => ({
        ...{ names, action },
        ...(errnoRet !== undefined && { errnoRet }),
        ...(args !== undefined && { args }),
      })),
  };
}
