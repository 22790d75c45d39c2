// The lines of a schemata file: `L3:0=7f0;1=1f`, a resource and what of it a class of service may use in each of its domains
// (a cache, a memory controller). Documentation/filesystems/resctrl.rst, "Schemata files".
//
// The kernel takes one write(2) of many lines whole or not at all, and refuses one that names a domain twice. So the two older
// fields, which together are one value by the specification, are one write, and `schemata`, which may say otherwise of the
// same domain, is another behind it.

import type { IntelRdt } from "../../spec/config.gen.ts";

/** Lines that are written together, and which fields of the config ask for them. */
export interface Schemata {
  readonly field: string;
  readonly lines: readonly string[];
}

/** What a config asks to be written, in order; empty where it asks for nothing. */
export function schemataOf({ l3CacheSchema, memBwSchema, schemata }: IntelRdt): Schemata[] {
  const cache = linesIn(l3CacheSchema);
  const bandwidth = linesIn(memBwSchema);
  // config-linux.md: of the two fields memBwSchema is the one that says what the bandwidth is.
  const older = bandwidth.length > 0 ? [...cache.filter((line) => !line.startsWith("MB:")), ...bandwidth] : cache;
  const names = [...(cache.length > 0 ? ["l3CacheSchema"] : []), ...(bandwidth.length > 0 ? ["memBwSchema"] : [])];
  return [
    { field: `linux.intelRdt.${names.join(", ")}`, lines: older },
    { field: "linux.intelRdt.schemata", lines: (schemata ?? []).flatMap(linesIn) },
  ].filter(({ lines }) => lines.length > 0);
}

/** The lines of a text that say something. The kernel pads what it shows, for the eye. */
export function linesIn(text = ""): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

/** The first of the lines that a schemata file's text does not agree with; domains that a line does not name may have any value. */
export function mismatch(lines: readonly string[], schemata: string): string | undefined {
  const has = new Map(linesIn(schemata).map(parsed));
  return lines.find((line) => {
    const [resource, wanted] = parsed(line);
    const domains = has.get(resource);
    return domains === undefined || [...wanted].some(([domain, value]) => domains.get(domain) !== value);
  });
}

/** What to write for the resources of `lines` to be again what a schemata file's text says. */
export function undoing(lines: readonly string[], schemata: string): string[] {
  const resources = new Set(lines.map((line) => parsed(line)[0]));
  return linesIn(schemata)
    .filter((line) => resources.has(parsed(line)[0]))
    .map((line) => line.replaceAll(" ", ""));
}

/** The resource, and the value of each domain as short as can be: `0ff` and `FF` are one mask. */
function parsed(line: string): [resource: string, domains: Map<string, string>] {
  const colon = line.indexOf(":");
  const domains = line
    .slice(colon + 1)
    .split(";")
    .map((domain): [string, string] => {
      const [id = "", value = ""] = domain.split("=");
      return [shortest(id), shortest(value)];
    });
  return [line.slice(0, Math.max(colon, 0)).trim(), new Map(domains.filter(([id]) => id !== ""))];
}

function shortest(number: string): string {
  return number
    .trim()
    .toLowerCase()
    .replace(/^(0x)?0*(?=.)/, "");
}
