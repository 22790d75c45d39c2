// A setting of a cgroup is a text written to a file. What to write is planned as data (tables in memory.ts, cpu.ts,
// block-io.ts, …) from the config alone, and carried out by write.ts, so that a plan can be tested, printed and explained
// without a cgroup. A file that does not exist is a setting that the kernel lacks, and by default an error.

import type { ErrnoName } from "../abi/errno.ts";

/** One text for one file of the container's cgroup. */
export interface Write {
  /** Where in config.json it comes from: "linux.resources.memory.limit". */
  readonly field: string;
  /** Whose hierarchy (v1) or which controller (v2) the file belongs to. */
  readonly controller: string;
  readonly file: string;
  readonly value: string;
  /** On this errno the write is tried again after the others of its plan: two values that limit each other. */
  readonly retryOn?: "EINVAL";
  /** On these nothing is lost: the kernel lacks what would be switched off, or a preference that can be had by luck only. */
  readonly ignore?: readonly ErrnoName[];
  /** To be made where `file` does not exist: another of the kernel's names for the same. */
  readonly otherwise?: Write | undefined;
}

/** JSON numbers; those that a double cannot hold arrive as bigint. */
export type Int = number | bigint;

/** Makes one Write of a field, or none when the config leaves it unset. */
export function setting(
  field: string,
  file: string,
  value: Int | string | undefined,
  more: Pick<Write, "retryOn" | "ignore" | "otherwise"> = {},
): Write[] {
  if (value === undefined) return [];
  const controller = file.slice(0, file.indexOf("."));
  return [{ field: `linux.resources.${field}`, controller, file, value: String(value), ...more }];
}

/** 0 is what engines send for "leave it as it is". */
export function unlessZero(value: Int | undefined): Int | undefined {
  return value === undefined || BigInt(value) === 0n ? undefined : value;
}
