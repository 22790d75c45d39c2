// config-linux.md: Devices. Numbers that do not fit a device number would be cut off on the way to mknod(2), and the
// container would get another device than the one that was named.

import type { Config } from "../config.gen.ts";
import type { Report } from "../rules.ts";

/** Linux's device numbers: 12 bits and 20 bits. */
const NUMBER_MAX = { major: 0xfff, minor: 0xf_ffff } as const;

export function deviceRules(config: Config, report: Report): void {
  for (const [index, device] of (config.linux?.devices ?? []).entries()) {
    const place = ["linux", "devices", index];
    if (!device.path.startsWith("/")) report([...place, "path"], "must be an absolute path");
    if (device.type === "p") continue;
    for (const field of ["major", "minor"] as const) {
      const number = device[field];
      if (number === undefined) report([...place, field], `is required for a device of type ${device.type}`);
      else if (number < 0 || number > NUMBER_MAX[field])
        report([...place, field], `must be from 0 to ${NUMBER_MAX[field]}`);
    }
  }
}
