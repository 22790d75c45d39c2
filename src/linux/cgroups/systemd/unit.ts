// Which unit a container is: linux.cgroupsPath is `slice:prefix:name` under systemd, and makes the scope `prefix-name.scope`
// in that slice. systemd.scope(5), systemd.slice(5).
//
//   machine.slice:libpod:1234   machine.slice/libpod-1234.scope
//   :tsrun:x                    system.slice/tsrun-x.scope; of a user's own systemd, user.slice/tsrun-x.scope
//   a-b.slice:p:n               a.slice/a-b.slice/p-n.scope: the dashes of a slice's name are its place
//   s.slice:p:n.slice           n.slice, a slice itself

import { ConfigError } from "../../errors.ts";

/** Whose systemd: the machine's or the user's own. */
export type SystemdBus = "system" | "user";

/** A unit and where it is. */
export interface Unit {
  readonly name: string;
  readonly slice: string;
  readonly bus: SystemdBus;
}

const FIELD = "linux.cgroupsPath";

/** The unit of a container. @throws ConfigError for a path that names none */
export function unitOf(cgroupsPath: string | undefined, id: string, bus: SystemdBus): Unit {
  const parts = cgroupsPath ? cgroupsPath.split(":") : ["", "tsrun", id];
  const [slice = "", prefix = "", name = ""] = parts;
  if (parts.length !== 3 || name === "")
    throw new ConfigError(
      FIELD,
      `expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got ${JSON.stringify(cgroupsPath)} instead`,
    );
  const place = slice || (bus === "user" ? "user.slice" : "system.slice");
  slicePath(place);
  return { name: escaped(unitName(prefix, name)), slice: place, bus };
}

function unitName(prefix: string, name: string): string {
  if (isSlice(name)) return name;
  return prefix === "" ? `${name}.scope` : `${prefix}-${name}.scope`;
}

/** Whether it is a slice, which holds no process that systemd knows of. */
export function isSlice(name: string): boolean {
  return name.endsWith(".slice");
}

/** As systemd-escape(1) does what a unit's name cannot have: container ids may have a "+". */
function escaped(name: string): string {
  return name.replace(/[^A-Za-z0-9:_.\\@-]/g, (letter) =>
    [...new TextEncoder().encode(letter)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join(""),
  );
}

/** The cgroup of a unit, as a path below its systemd's own. */
export function unitPath({ name, slice }: Unit): string {
  return isSlice(name) ? slicePath(name) : `${slicePath(slice)}/${name}`;
}

/** "a-b.slice" is below "a.slice"; "-.slice" is the root of all. @throws ConfigError for a name of no slice */
function slicePath(slice: string): string {
  const name = slice.endsWith(".slice") ? slice.slice(0, -".slice".length) : "";
  const parts = name.split("-");
  if (name === "-") return "";
  if (name.includes("/") || parts.includes("")) throw new ConfigError(FIELD, `invalid slice name: ${slice}`);
  return parts.map((_, i) => `/${parts.slice(0, i + 1).join("-")}.slice`).join("");
}
