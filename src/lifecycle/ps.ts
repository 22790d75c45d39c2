// tsrun ps: the processes of a container, by their ids on the host. The table is ps(1)'s own, of which the rows of other
// processes are left out.

import { outputOf } from "../linux/host-program.ts";
import type { Context, ExitStatus } from "./command.ts";
import { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import { print } from "./output.ts";
import { UsageError } from "./usage-error.ts";

/** Prints them: as a JSON array, or as `ps` (default -ef) shows them. */
export function command({ root, flags, args: [id, ...options] }: Context<"ps">): ExitStatus {
  const container = Container.open(root, id);
  // Without cgroups nobody knows all of them; "none" would be a lie. The words are crun's, whose flag it is.
  if (Object.keys(container.state.cgroups.paths).length === 0)
    throw new UsageError("the container is not using cgroups");
  const pids = cgroupOf(container).pids();
  if (flags.format === "json") print(`${JSON.stringify(pids.length > 0 ? pids : null)}\n`);
  else print(psTable(options.length > 0 ? options : ["-ef"], new Set(pids)));
  return 0;
}

function psTable(options: readonly string[], pids: ReadonlySet<number>): string {
  const [header = "", ...rows] = outputOf("ps", options).trimEnd().split("\n");
  const column = header.trim().split(/\s+/).indexOf("PID");
  if (column < 0) throw new Error("couldn't find PID field in ps output");
  const ours = rows.filter((row) => pids.has(Number(row.trim().split(/\s+/)[column])));
  return `${[header, ...ours].join("\n")}\n`;
}
