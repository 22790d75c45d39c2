// config-linux.md: Network Devices. They are moved to the container's network namespace, so there must be one.

import type { Config } from "../config.gen.ts";
import type { Report } from "../rules.ts";
import { hasNamespace } from "./namespaces.ts";

/** IFNAMSIZ of linux/if.h, without the NUL. */
const NAME_BYTES = 15;

export function netDeviceRules(config: Config, report: Report): void {
  const devices = Object.entries(config.linux?.netDevices ?? {});
  const place = ["linux", "netDevices"];
  if (devices.length > 0 && !hasNamespace(config, "network")) {
    report(place, "needs a network namespace in /linux/namespaces");
  }
  const targets = new Map<string, string>();
  for (const [source, { name = source }] of devices) {
    if (!isInterfaceName(source)) report([...place, source], "is not a name that a network interface can have");
    if (!isInterfaceName(name.replace("%d", "0")))
      report([...place, source, "name"], "is not a name that a network interface can have");
    const other = targets.get(name);
    // A template, "eth%d", is a different name each time.
    if (other !== undefined && !name.includes("%d")) report([...place, source], `would have the same name as ${other}`);
    targets.set(name, source);
  }
}

/** What the kernel takes: dev_valid_name() in net/core/dev.c. */
function isInterfaceName(name: string): boolean {
  return (
    name !== "" &&
    name !== "." &&
    name !== ".." &&
    new TextEncoder().encode(name).length <= NAME_BYTES &&
    // "%" is for templates: the kernel refuses it in a name, when the device has been moved already.
    !/[/:%\s\0]/.test(name)
  );
}
