// What a config or a command line may ask for and tsrun cannot do yet. It is refused by name: a container that runs without
// the confinement it was to have is worse than one that does not run.

import { ConfigError } from "../linux/errors.ts";
import type { Config } from "../spec/config.gen.ts";

/** Throws a ConfigError for the first field of a config that would go unheeded. */
export function refuseUnsupported({ linux }: Config): void {
  refuse("linux.memoryPolicy", linux?.memoryPolicy);
  refuse("linux.intelRdt", linux?.intelRdt);
  refuse("linux.netDevices", Object.keys(linux?.netDevices ?? {})[0]);
}

/** Refuses a value, or a flag, that is given. */
export function refuse(field: string, value: unknown): void {
  if (value !== undefined && value !== "") throw new ConfigError(field, "is not supported yet");
}
