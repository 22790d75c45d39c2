// A container as `state` and `list` show it: the specification's state (runtime.md, "State") with the members that runc
// adds, in runc's order. CRI-O decodes `created` as a time and Buildah knows no status but the specification's. `oom` is ours: the
// specification lets a runtime add members, and the engines' decoders pass over those that they do not know. (CRI-O knows
// `oomKilled`, of its own. That the one who was killed was init is more than a cgroup tells.)

import { oomNumbers, oomOf } from "../linux/cgroups/oom.ts";
import type { State as SpecState } from "../spec/state.gen.ts";
import type { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";

/** What is shown of a container. */
export interface ContainerView extends Readonly<SpecState> {
  /** 0 when stopped. */
  readonly pid: number;
  readonly rootfs: string;
  readonly created: string;
  readonly owner: string;
  /** Of a stopped one in which the kernel killed for want of memory: how many processes, and the limit and the peak in bytes. */
  readonly oom?: ReturnType<typeof oomNumbers>;
}

/** Looks at a container now. */
export function viewOf(container: Container, owner = ""): ContainerView {
  const { ociVersion, id, pid, bundle, rootfs, created, annotations } = container.state;
  const status = container.status();
  // Only then: engines ask again and again for the state of what runs.
  const oom = status === "stopped" && container.state.cgroupsMade ? oomOf(cgroupOf(container)) : undefined;
  return {
    ociVersion,
    id,
    pid: status === "stopped" ? 0 : pid,
    status,
    bundle,
    rootfs,
    created,
    ...(Object.keys(annotations).length > 0 && { annotations: sorted(annotations) }),
    owner,
    ...(oom && { oom: oomNumbers(oom) }),
  };
}

/** In the order of their names, so that two looks at the same container are the same bytes. */
function sorted(annotations: Readonly<Record<string, string>>): Record<string, string> {
  const result: Record<string, string> = Object.create(null);
  for (const name of Object.keys(annotations).sort()) result[name] = annotations[name] ?? "";
  return result;
}
