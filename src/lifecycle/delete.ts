// tsrun delete: removes a stopped container and all that it holds. runtime-spec runtime.md#delete.

import type { Context, ExitStatus } from "./command.ts";
import { Container } from "./container.ts";
import { destroy } from "./destroy.ts";
import { UsageError } from "./usage-error.ts";

/** Deletes the container: with --force whatever its state, and without an error where there is none. */
export function command({ root, flags, args: [id], log }: Context<"delete">): ExitStatus {
  let container: Container;
  try {
    container = Container.open(root, id, { lock: true });
  } catch (error) {
    // A create that died before it had written any state left a directory that is nobody's.
    if (!(error instanceof UsageError)) throw error;
    if (Container.removeLeftovers(root, id) || flags.force) return 0;
    throw error;
  }
  using _ = container;
  const status = container.status();
  if (!flags.force && status !== "stopped" && status !== "created")
    throw new UsageError(`cannot delete container ${id} that is not stopped: ${status}`);
  destroy(container, log);
  return 0;
}
