import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { assemble } from "../../../src/linux/bpf/instructions.ts";
import { deviceProgram } from "../../../src/linux/cgroups/device-program.ts";
import { type DeviceException, type DeviceFilter, deviceFilter } from "../../../src/linux/cgroups/device-rules.ts";
import type { DeviceRule } from "../../../src/spec/config.gen.ts";
import { list, run } from "../bpf/machine.ts";

const TYPES = { b: 1, c: 2 } as const;
const BITS = { m: 1, r: 2, w: 4 } as const;

function bits(access: string): number {
  return [...access].reduce((sum, letter) => sum | BITS[letter as keyof typeof BITS], 0);
}

interface Asked {
  readonly type: "b" | "c";
  readonly major: number;
  readonly minor: number;
  readonly access: number;
}

function answer(filter: DeviceFilter, { type, access, major, minor }: Asked): boolean {
  return run(assemble(deviceProgram(filter)), { type: TYPES[type], access, major, minor }) === 1;
}

/** What security/device_cgroup.c answers of a v1 cgroup with these exceptions. */
function v1Allows({ allowByDefault, exceptions }: DeviceFilter, { type, major, minor, access }: Asked): boolean {
  const named = exceptions.filter(
    (each) => each.type === type && [each.major, "*"].includes(major) === false
      ? each.type === type && each.major === "*" && (each.minor === "*" || each.minor === minor)
      : each.type === type && (each.minor === "*" || each.minor === minor),
  );
  return allowByDefault
    ? !named.some((each) => (bits(each.access) & access) !== 0)
    : named.some((each) => (bits(each.access) & access) === access);
}

/** A v1 cgroup that the rules are written to one by one, as the last rule that names a device wants it. */
function specAllows(rules: readonly DeviceRule[], { type, major, minor, access }: Asked): boolean {
  const letters = (["r", "w", "m"] as const).filter((letter) => (BITS[letter] & access) !== 0);
  return letters.every((letter) => {
    const last = rules.findLast(
      (rule) =>
        (rule.type === undefined || rule.type === "a" || rule.type === type) &&
        (rule.major === undefined || rule.major === major) &&
        (rule.minor === undefined || rule.minor === minor) &&
        (rule.access ?? "rwm").includes(letter),
    );
    return last?.allow ?? false;
  });
}
