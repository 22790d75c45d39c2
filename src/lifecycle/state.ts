// tsrun state: the state of a container as JSON, byte for byte in runc's form: two spaces, no newline at the end.

import type { Context, ExitStatus } from "./command.ts";
import { Container } from "./container.ts";
import { viewOf } from "./container-view.ts";
import { print } from "./output.ts";

/** Prints the state of one container. */
export function command({ root, args: [id] }: Context<"state">): ExitStatus {
  print(JSON.stringify(viewOf(Container.open(root, id)), null, 2));
  return 0;
}
