// What resctrl tells of a container, in the form of runc's `events`: member by member, and those left out that there is
// nothing to say of. Documentation/filesystems/resctrl.rst, "Info directory", "Resource alloc and monitor groups".

import { count } from "../cgroups/count.ts";
import { type Json, unlessEmpty } from "../cgroups/stats-json.ts";
import { list } from "../directories.ts";
import { exists } from "../file-status.ts";
import { FileError, readText } from "../files.ts";
import type { RdtRecord } from "./group.ts";
import { linesIn } from "./schemata.ts";

/** The statistics now. */
export function rdtStats({ root, group, own, monitors }: RdtRecord): Json {
  const schemata = linesIn(textOf(`${group}/schemata`));
  const all = linesIn(textOf(`${root}/schemata`));
  // What is counted in a class that others are in too is not the container's.
  const counted = monitors ?? (own ? group : undefined);
  return {
    ...(exists(`${root}/info/L3`) && {
      l3_cache_info: info(`${root}/info/L3`, ["min_cbm_bits", "num_closids"], ["cbm_mask"]),
      ...unlessEmpty({ l3_cache_schema_root: lineOf("L3", all), l3_cache_schema: lineOf("L3", schemata) }),
    }),
    ...(exists(`${root}/info/MB`) && {
      mem_bw_info: info(`${root}/info/MB`, ["bandwidth_gran", "delay_linear", "min_bandwidth", "num_closids"]),
      ...unlessEmpty({ mem_bw_schema_root: lineOf("MB", all), mem_bw_schema: lineOf("MB", schemata) }),
    }),
    ...unlessEmpty({ schemata }),
    ...(counted !== undefined && unlessEmpty(counts(`${counted}/mon_data`))),
  };
}

function info(directory: string, numbers: readonly string[], texts: readonly string[] = []): Json {
  const text = (name: string): string | undefined => textOf(`${directory}/${name}`)?.trim();
  return unlessEmpty({
    ...Object.fromEntries(texts.map((name) => [name, text(name)])),
    ...Object.fromEntries(numbers.map((name) => [name, count(text(name))])),
  });
}

function lineOf(resource: string, lines: readonly string[]): string | undefined {
  return lines.find((line) => line.startsWith(`${resource}:`));
}

/** Of each cache, in the order of their names. */
function counts(directory: string) {
  const caches = namesIn(directory)
    .filter((name) => name.startsWith("mon_L3_"))
    .sort();
  const of = (names: readonly string[]): Json[] =>
    caches.map((cache) => members(`${directory}/${cache}`, names)).filter((each) => Object.keys(each).length > 0);
  return { mbm_stats: of(["mbm_total_bytes", "mbm_local_bytes"]), cmt_stats: of(["llc_occupancy"]) };
}

/** What the hardware counts; of what it cannot tell just now the file says "Unavailable" or "Error". */
function members(directory: string, names: readonly string[]): { readonly [name: string]: Json } {
  const found = names.map((name) => [name, textOf(`${directory}/${name}`)?.trim()] as const);
  return Object.fromEntries(found.flatMap(([name, text]) => (/^\d+$/.test(text ?? "") ? [[name, count(text)]] : [])));
}

function namesIn(directory: string): string[] {
  return orNothing(() => list(directory).map(({ name }) => name)) ?? [];
}

function textOf(path: string): string | undefined {
  return orNothing(() => readText(path));
}

/** Which files there are is the hardware's to say. */
function orNothing<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof FileError) return undefined;
    throw error;
  }
}
