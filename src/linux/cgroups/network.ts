// linux.resources.network: "config-linux.md#network". cgroup-v1/net_cls.rst and net_prio.rst: marks that the host's traffic
// control sees on the container's packets. v2 has no such controllers, since filters can match a cgroup's path there;
// runc ignores both fields on v2, and so does tsrun.

import type { NetworkClass } from "../../spec/config.gen.ts";
import { setting, unlessZero, type Write } from "./setting.ts";

/** An interface is looked up in the network namespace of whoever writes: the host's. */
export function networkV1({ classID, priorities = [] }: NetworkClass): Write[] {
  return [
    ...setting("network.classID", "net_cls.classid", unlessZero(classID)),
    ...priorities.flatMap(({ name, priority }, index) =>
      setting(`network.priorities[${index}]`, "net_prio.ifpriomap", `${name} ${priority}`),
    ),
  ];
}
