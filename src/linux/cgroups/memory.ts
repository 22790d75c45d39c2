// linux.resources.memory: "config-linux.md#memory". v1: cgroup-v1/memory.rst; v2: cgroup-v2.rst, "Memory".
//
// `swap` of the config is memory plus swap, as v1 counts (memsw); v2 counts swap alone. Absent and 0 leave a value as it
// is, -1 lifts the limit. `kernel`, `kernelTCP` and `useHierarchy` are ignored, as by runc: the kernel no longer has the
// first, deprecates the second, and is always hierarchical. `swappiness` and `disableOOMKiller` have no counterpart on v2 (ignored by
// runc). `checkBeforeUpdate` is no write: memory-check.ts.

import type { MemoryLimits } from "../../spec/config.gen.ts";
import { ConfigError } from "../errors.ts";
import { type Int, setting, unlessZero, type Write } from "./setting.ts";

/** memsw can never be below limit, so whichever is refused first is right after the other. */
export function memoryV1(memory: MemoryLimits): Write[] {
  return [
    ...setting("memory.limit", "memory.limit_in_bytes", unlessZero(memory.limit), { retryOn: "EINVAL" }),
    ...memsw(memory),
    ...setting("memory.reservation", "memory.soft_limit_in_bytes", unlessZero(memory.reservation)),
    ...setting("memory.disableOOMKiller", "memory.oom_control", memory.disableOOMKiller ? 1 : undefined),
    ...setting("memory.swappiness", "memory.swappiness", swappiness(memory.swappiness)),
  ];
}

function memsw(memory: MemoryLimits): Write[] {
  const file = "memory.memsw.limit_in_bytes";
  const swap = unlessZero(memory.swap);
  if (swap !== undefined) return setting("memory.swap", file, swap);
  // No limit on memory while memory plus swap keeps one would be no freedom; a kernel without swap accounting has neither.
  return isUnlimited(memory.limit) ? setting("memory.limit", file, -1, { ignore: ["ENOENT"] }) : [];
}

/** swap.max first: with the order reversed a tight memory.max would swap out what swap.max is about to forbid. */
export function memoryV2(memory: MemoryLimits): Write[] {
  const swap = swapMax(memory.limit ?? 0, memory.swap ?? 0);
  const field = unlessZero(memory.swap) === undefined ? "memory.limit" : "memory.swap";
  return [
    ...setting(field, "memory.swap.max", swap, swap === "max" || swap === "0" ? { ignore: ["ENOENT"] } : {}),
    ...setting("memory.limit", "memory.max", orMax(memory.limit)),
    ...setting("memory.reservation", "memory.low", orMax(memory.reservation)),
  ];
}

/**
 * `memory.swap.max` for a limit and a memory-plus-swap limit of the config; undefined: leave it as it is.
 * @throws ConfigError when the two contradict each other
 */
export function swapMax(limit: Int, swap: Int): string | undefined {
  const [memory, both] = [BigInt(limit), BigInt(swap)];
  if (both === 0n) return memory === -1n ? "max" : undefined;
  if (both === -1n) return "max";
  if (memory === -1n) return String(both);
  if (memory === 0n) throw new ConfigError("linux.resources.memory.swap", "cannot limit swap without memory.limit");
  if (memory < 0n) throw new ConfigError("linux.resources.memory.limit", `${memory} is neither a size nor -1`);
  if (both < memory) {
    const reason = `${both} (memory plus swap) is less than memory.limit, ${memory}`;
    throw new ConfigError("linux.resources.memory.swap", reason);
  }
  return String(both - memory);
}

function swappiness(value: Int | undefined): Int | undefined {
  // -1 is what old engines send for "unset".
  if (value === undefined || BigInt(value) === -1n || BigInt.asUintN(64, BigInt(value)) === 2n ** 64n - 1n)
    return undefined;
  if (value >= 0 && value <= 100) return value;
  throw new ConfigError("linux.resources.memory.swappiness", `${value} is not in 0-100`);
}

/** Whether a limit is given, and is none. */
export function isUnlimited(value: Int | undefined): boolean {
  return value !== undefined && BigInt(value) === -1n;
}

function orMax(value: Int | undefined): Int | string | undefined {
  return isUnlimited(value) ? "max" : unlessZero(value);
}
