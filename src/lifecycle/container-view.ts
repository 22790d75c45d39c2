// A container as `state` and `list` show it: the specification's state (runtime.md, "State") with the members that runc
// adds, in runc's order. CRI-O decodes `created` as a time and Buildah knows no status but the specification's.

import type { State as SpecState } from "../spec/state.gen.ts";
import type { Container } from "./container.ts";

/** What is shown of a container. */
export interface ContainerView extends Readonly<SpecState> {
  /** 0 when stopped. */
  readonly pid: number;
  readonly rootfs: string;
  readonly created: string;
  readonly owner: string;
}

/** Looks at a container now. */
export function viewOf(container: Container, owner = ""): ContainerView {
  const { ociVersion, id, pid, bundle, rootfs, created, annotations } = container.state;
  const status = container.status();
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
  };
}

/** In the order of their names, so that two looks at the same container are the same bytes. */
function sorted(annotations: Readonly<Record<string, string>>): Record<string, string> {
  const result: Record<string, string> = Object.create(null);
  for (const name of Object.keys(annotations).sort()) result[name] = annotations[name] ?? "";
  return result;
}
