// Why a write into a cgroup was refused: what the errno alone does not say, looked up only once something has failed.

import { ConfigError } from "../errors.ts";
import { basename, dirname } from "../paths.ts";
import { CgroupError, failed } from "./error.ts";
import type { Write } from "./setting.ts";

type Read = (path: string) => string | undefined;

/** The container has no directory for the controller that `write` is for. */
export function noController({ field, controller }: Write): ConfigError {
  const why = `no hierarchy with the ${controller} controller is mounted, or none that may be used`;
  return new ConfigError(field, `cannot set ${controller} limit: container could not join or create cgroup (${why})`);
}

/** The kernel answered `code` to `write`. */
export function refused({ field, value }: Write, path: string, code: string, read: Read): CgroupError {
  const error = failed(`${field}: write ${path} ${JSON.stringify(value)}`, code);
  const why = REASONS[code]?.(dirname(path), basename(path), read);
  return why === undefined ? error : new CgroupError(`${error.message}: ${why}`, code);
}

type Reason = (directory: string, file: string, read: Read) => string | undefined;

const REASONS: { readonly [code: string]: Reason } = {
  /** v1 takes no limit below what is charged and cannot be reclaimed. */
  EBUSY(directory, file, read) {
    if (!file.startsWith("memory.")) return undefined;
    const usage = read(`${directory}/memory.usage_in_bytes`);
    const peak = read(`${directory}/memory.max_usage_in_bytes`);
    return usage === undefined ? undefined : `current usage: ${usage}, peak usage: ${peak}`;
  },

  ENOENT(directory, file, read) {
    const [controller = ""] = file.split(".");
    const enabled = read(`${directory}/cgroup.controllers`);
    if (enabled === undefined && read(`${directory}/tasks`) === undefined) return "the cgroup is gone";
    if (enabled === undefined || controller === "cgroup" || enabled.split(" ").includes(controller))
      return "this kernel has no such setting";
    return `controller ${controller} is not enabled in ${directory} (it has: ${enabled || "none"})`;
  },

  /** A v1 cgroup has no real-time share until it is given one, which is taken from its parent's. */
  EINVAL(directory, file, read) {
    if (file !== "cpu.rt_runtime_us") return undefined;
    const parent = read(`${dirname(directory)}/${file}`);
    return parent === undefined ? undefined : `${dirname(directory)} has ${parent} for itself and all below`;
  },
};
