// tsrun update: changes the limits of a container that is there. What is not named stays; devices are never changed.
// All of it or nothing: cgroups/update.ts.

import { updateResources } from "../linux/cgroups/update.ts";
import { readAll } from "../linux/files.ts";
import { updateRdt } from "../linux/rdt/group.ts";
import type { LinuxResources } from "../spec/config.gen.ts";
import { loadResources, parseResources } from "../spec/load.ts";
import type { Context, ExitStatus } from "./command.ts";
import type { FlagsOf } from "./command-table.ts";
import { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import type { Log } from "./log.ts";
import { SPEC_FILES } from "./spec-files.ts";
import { resourcesOfFlags } from "./update-flags.ts";
import { UsageError } from "./usage-error.ts";

/** Changes the limits to what a file says, or else to what the flags say. */
export function command({ root, flags, args: [id], log }: Context<"update">): ExitStatus {
  using container = Container.open(root, id, { lock: true });
  const resources = flags.resources === undefined ? resourcesOfFlags(flags) : fromFile(flags.resources);
  warnOf(resources, flags, log);
  const status = container.status();
  if (status === "stopped" || status === "creating") throw new UsageError("container not running");
  const setBack = updateClass(container, flags);
  try {
    updateResources(cgroupOf(container), resources);
  } catch (error) {
    setBack();
    throw error;
  }
  return 0;
}

/** Changes what Intel RDT lets it use; the result changes it back. */
function updateClass({ state }: Container, { l3CacheSchema, memBwSchema }: FlagsOf<"update">): () => void {
  if (!l3CacheSchema && !memBwSchema) return () => {};
  if (state.rdt === undefined)
    throw new UsageError(
      l3CacheSchema
        ? "Intel RDT/CAT: l3 cache schema is not enabled"
        : "Intel RDT/MBA: memory bandwidth schema is not enabled",
    );
  if (memBwSchema && !/^MB:[^\n]*$/.test(memBwSchema))
    throw new UsageError(`--mem-bw-schema: not a line that begins with MB: ${JSON.stringify(memBwSchema)}`);
  return updateRdt(state.rdt, { ...(l3CacheSchema && { l3CacheSchema }), ...(memBwSchema && { memBwSchema }) });
}

/** "-" is the standard input, by which engines send what they have. */
function fromFile(path: string): LinuxResources {
  if (path !== "-") return loadResources(path, SPEC_FILES);
  return parseResources(new TextDecoder("utf-8", { ignoreBOM: true }).decode(readAll(0)), "standard input");
}

function warnOf({ memory }: LinuxResources, flags: FlagsOf<"update">, log: Log): void {
  const given = [memory?.kernel, memory?.kernelTCP, flags.kernelMemory, flags.kernelMemoryTcp];
  if (given.some((value) => value !== undefined)) log.warn("kernel memory settings are ignored: kernels have none");
}
