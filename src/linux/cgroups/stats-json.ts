// The form of statistics, which is Go's: numbers of 64 bits, and members that are left out where they are empty.

import type { Count } from "./count.ts";

/** JSON with exact numbers. */
export type Json = Count | string | null | readonly Json[] | { readonly [key: string]: Json };

/** The text of a file of the cgroup, "memory.stat"; undefined where there is none. */
export type Read = (file: string) => string | undefined;

/** What the two versions tell in their own ways. */
export interface Parts {
  readonly cpu: Json;
  readonly cpuset: Json;
  readonly memory: Json;
  readonly blkio: Json;
  /** Of one page size, "2MB". */
  readonly hugetlb: (size: string) => Json | undefined;
}

/** Without the members that are 0 or have nothing in them. */
export function unlessEmpty(members: { readonly [key: string]: Json | undefined }): { readonly [key: string]: Json } {
  const full = Object.entries(members).filter(([, value]) => !isEmpty(value));
  return Object.fromEntries(full) as { [key: string]: Json };
}

function isEmpty(value: Json | undefined): boolean {
  if (Array.isArray(value)) return value.length === 0;
  return value === undefined || value === 0 || value === "";
}

/** By name, as a map is printed. */
export function sorted(map: ReadonlyMap<string, Count>): { readonly [key: string]: Count } {
  return Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));
}
