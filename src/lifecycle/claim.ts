// What a container has on the host before it has a process: its id, which nobody else can take then, its directory with the state
// and the config, and its resctrl group.

import { writeText } from "../linux/files.ts";
import type { Namespaces } from "../linux/namespaces.ts";
import { makeRdt, type RdtRecord, rdtRecord } from "../linux/rdt/group.ts";
import type { Config } from "../spec/config.gen.ts";
import { Container } from "./container.ts";
import { unmountRoot } from "./destroy.ts";
import { firstState, mountBefore } from "./first-state.ts";
import { runPoststop } from "./hook-points.ts";
import { Placement } from "./placement.ts";
import type { Request } from "./request.ts";

/** What a container has on the host before it has a process. */
export interface Claim {
  readonly container: Container;
  readonly placement: Placement;
  readonly rdt: RdtRecord | undefined;
  /** Once it is called a container that fails ends with its poststop hooks. */
  readonly onHooks: () => void;
}

/** What it is for. */
export interface Claiming {
  readonly config: Config;
  /** The text of the config. */
  readonly text: string;
  readonly bundle: string;
  readonly rootfs: string;
  readonly namespaces: Namespaces;
}

/** Takes the id, and makes the container's directory and its resctrl group. Disposing of `undo` gives them back. */
export function claim(
  request: Request,
  { config, text, bundle, rootfs, namespaces }: Claiming,
  undo: DisposableStack,
): Claim {
  let needsPoststop = false;
  undo.defer(() => {
    // runtime.md#lifecycle: after a hook that failed the container is destroyed, and then these run. What else fails once
    // hooks have run, or a container is whole, ends in the same way: somebody must take down what the hooks have set up.
    if (needsPoststop) runPoststop(container.state, request.log);
  });
  const container = undo.adopt(Container.create(request.root, request.id), (made) => made.remove());
  const placement = new Placement(request, config);
  const { intelRdt } = config.linux ?? {};
  const rdt = intelRdt && rdtRecord(intelRdt, request.id);
  const places = { bundle, rootfs, cgroups: placement.record, ...(rdt && { rdt }), ...mountBefore(namespaces, rootfs) };
  container.update(firstState(request, config, places));
  undo.defer(() => unmountRoot(container.state));
  writeText(container.configPath, text, 0o600); // what was checked, whatever the file is by now
  if (rdt !== undefined && intelRdt !== undefined) undo.use(makeRdt(rdt, intelRdt));
  const onHooks = (): void => {
    needsPoststop = true;
  };
  return { container, placement, rdt, onHooks };
}
