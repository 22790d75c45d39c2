// Writes a device filter to a v1 devices cgroup: cgroup-v1/devices.rst. A new cgroup inherits its parent's filter; "a"
// to devices.deny or devices.allow sets the default and drops the exceptions, and each following write is one exception.
// The kernel refuses to allow what the parent does not allow (EPERM).

import { ConfigError } from "../errors.ts";
import { inUserNamespace } from "../user-namespace.ts";
import type { DeviceFilter } from "./device-rules.ts";
import { failed } from "./error.ts";
import { writeLines } from "./write.ts";

const FIELD = "linux.resources.devices";

/**
 * Puts `filter` in force in a cgroup that was just made.
 * In a user namespace devices are the business of whoever made it: nothing is done there, as in runc.
 * @throws CgroupError naming the rules and the errno
 */
export function writeDevicesV1(directory: string | undefined, filter: DeviceFilter): void {
  if (directory === undefined) {
    throw new ConfigError(FIELD, "cannot restrict devices: the devices cgroup is not mounted, or not ours");
  }
  const [reset, exception] = filter.allowByDefault
    ? ["devices.allow", "devices.deny"]
    : ["devices.deny", "devices.allow"];
  const rules = filter.exceptions.map(({ type, major, minor, access }) => `${type} ${major}:${minor} ${access}`);
  // One open for all exceptions: the file takes one rule a write, whatever the offset.
  write(`${directory}/${reset}`, ["a"]);
  if (rules.length > 0) write(`${directory}/${exception}`, rules);
}

function write(path: string, rules: readonly string[]): void {
  const failure = writeLines(path, rules);
  if (failure === undefined || (failure.code === "EPERM" && inUserNamespace())) return;
  throw failed(`${FIELD}: write ${path} ${JSON.stringify(failure.line)}`, failure.code);
}
