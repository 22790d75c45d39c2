// Says in the log what a config, or a process of exec, asks for in vain. Found out only for a log that has warnings, which by
// default it has not: log.ts says against whom.

import { CAPABILITIES } from "../linux/abi/capability.ts";
import { capabilityBits, grantedCapabilities } from "../linux/capabilities.ts";
import { thisHost } from "../linux/host.ts";
import { mountOptionNames } from "../linux/mount-options.ts";
import type { Config, Process } from "../spec/config.gen.ts";
import type { Issue } from "../spec/errors.ts";
import { capabilityWarnings, configWarnings, type KnownCapabilities } from "../spec/warnings.ts";
import type { Log } from "./log.ts";

/** Of a config. */
export function warnOf(config: Config, log: Log): void {
  if (!log.wants("warning")) return;
  const hasUserNamespace = config.linux?.namespaces?.some(({ type }) => type === "user") === true;
  const capabilities = knownCapabilities(config.process, hasUserNamespace);
  tell(configWarnings(config, { capabilities, mountOptions: new Set(mountOptionNames()) }), log);
}

/** Of a process of exec. */
export function warnOfProcess(process: Process, hasUserNamespace: boolean, log: Log): void {
  if (log.wants("warning")) tell(capabilityWarnings({ process }, knownCapabilities(process, hasUserNamespace)), log);
}

function knownCapabilities(process: Process | undefined, hasUserNamespace: boolean): KnownCapabilities {
  const last = thisHost.lastCapability();
  const held = hasUserNamespace ? undefined : thisHost.heldCapabilities();
  const granted = grantedCapabilities(process?.capabilities, last, held);
  return {
    names: new Set<string>(CAPABILITIES.slice(0, last + 1)),
    grantable: (set, name) => (granted[set] & capabilityBits([name], last)) !== 0n,
  };
}

function tell(issues: readonly Issue[], log: Log): void {
  for (const { pointer, message } of issues) log.warn(`${pointer}: ${message}`);
}
