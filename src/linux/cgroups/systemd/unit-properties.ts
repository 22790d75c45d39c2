// What every container's unit is told of: systemd.scope(5), systemd.resource-control(5).

import type { CgroupVersion } from "../resources.ts";
import { isSlice, type Unit } from "./unit.ts";
import type { Property } from "./variant.ts";

/** Without accounting systemd does not hand the controllers on; "Delegate" keeps it from what the container does below. */
export function unitProperties(unit: Unit, id: string, version: CgroupVersion, pid: number): Property[] {
  const [place, members]: [Property, Property[]] = isSlice(unit.name)
    ? [{ name: "Wants", signature: "as", value: [unit.slice] }, []]
    : [{ name: "Slice", signature: "s", value: unit.slice }, membersOf(pid)];
  const accounting = ["Memory", "CPU", version === "v1" ? "BlockIO" : "IO", "Tasks"];
  return [
    { name: "Description", signature: "s", value: `tsrun container ${id}` },
    place,
    ...members,
    ...accounting.map((what) => ({ name: `${what}Accounting`, signature: "b", value: true })),
    // Else it would be ended at shutdown before the engine that looks after it.
    { name: "DefaultDependencies", signature: "b", value: false },
  ];
}

function membersOf(pid: number): Property[] {
  return [
    { name: "Delegate", signature: "b", value: true },
    { name: "PIDs", signature: "au", value: [pid] },
  ];
}
