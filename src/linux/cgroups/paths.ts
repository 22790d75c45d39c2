// Where a container's cgroup is: linux.cgroupsPath of the runtime specification ("config-linux.md#cgroups-path").
//
//   /a/b      the same path in every hierarchy
//   a/b       below tsrun's own cgroup (the specification leaves the place to the runtime; this is runc's)
//   (empty)   as if it were the container's id
//
// On v2 "below" means beside: tsrun's own cgroup holds processes, and a v2 cgroup that holds processes cannot hand
// controllers to its children ("no internal processes", cgroups(7)). The hybrid hierarchy has no controllers: v1's rule.
// Paths are cleaned as text before they are joined, so `..` stays below its start. cgroup file systems have no symlinks.

import { ConfigError } from "../errors.ts";
import { clean } from "../paths.ts";
import { type CgroupHost, type Hierarchy, ownParent } from "./host.ts";

/** The container's directory in one hierarchy. */
export interface CgroupDir {
  readonly hierarchy: Hierarchy;
  /** Absolute. */
  readonly path: string;
}

/**
 * The container's directory in each hierarchy of the host.
 * A path that would be the root of a hierarchy, or tsrun's own cgroup, is refused: limiting it would limit the host.
 */
export function cgroupPaths(host: CgroupHost, cgroupsPath: string | undefined, id: string): readonly CgroupDir[] {
  const wanted = cgroupsPath || id;
  const inner = clean(wanted);
  if (inner === "/") {
    throw new ConfigError(
      "linux.cgroupsPath",
      `${JSON.stringify(wanted)} is a cgroup that is not the container's alone`,
    );
  }
  const absolute = wanted.startsWith("/");
  return host.hierarchies.map((hierarchy) => {
    const start = absolute ? "/" : host.mode === "v2" ? ownParent(hierarchy) : hierarchy.own;
    return { hierarchy, path: clean(`${hierarchy.mount}${start}${inner}`) };
  });
}
