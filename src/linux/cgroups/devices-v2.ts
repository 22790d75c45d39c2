// Puts a device filter in force in a v2 cgroup, by a program attached to its directory. At any moment while one filter
// takes the place of another at least one of them is in force: a single old program is replaced in one step, and more
// than one (another manager's, systemd's for instance) go after the new one is there. A filter that allows everything
// is no program: what the parents' programs forbid stays forbidden.

import { type ErrnoName, errnoNumber } from "../abi/errno.ts";
import { attachedPrograms, attachProgram, detachProgram, loadDeviceProgram, openProgram } from "../bpf/programs.ts";
import { close } from "../files.ts";
import { SyscallError } from "../kernel.ts";
import { inUserNamespace } from "../user-namespace.ts";
import { deviceProgram } from "./device-program.ts";
import type { DeviceFilter } from "./device-rules.ts";

/**
 * Puts `filter` in force for what is in the cgroup, instead of any other that was attached to it.
 * Without the right to do so it is done without where nothing is lost: a filter that allows everything, `rootless`, in a
 * user namespace (no device node can be made there, and those at hand are the business of whoever made the namespace).
 * @param cgroup a descriptor of the cgroup's directory
 * @throws SyscallError
 */
export function setDevicesV2(cgroup: number, filter: DeviceFilter, rootless: () => boolean): void {
  try {
    install(cgroup, filter);
  } catch (error) {
    if (!isErrno(error, "EPERM")) throw error;
    if (!allowsAll(filter) && !rootless() && !inUserNamespace()) throw error;
  }
}

function allowsAll({ allowByDefault, exceptions }: DeviceFilter): boolean {
  return allowByDefault && exceptions.length === 0;
}

function install(cgroup: number, filter: DeviceFilter): void {
  using opened = new DisposableStack();
  const old = attachedPrograms(cgroup).flatMap((id) => {
    const program = openIfPossible(id);
    return program === undefined ? [] : [opened.adopt(program, close)];
  });
  const replaced = old.length === 1 && !allowsAll(filter) ? old[0] : undefined;
  if (!allowsAll(filter)) {
    const program = opened.adopt(loadDeviceProgram(deviceProgram(filter)), close);
    attachProgram(cgroup, program, replaced);
  }
  for (const program of old) if (program !== replaced) detachProgram(cgroup, program);
}

/** A program that cannot be had, because it has gone or is kept from us, stays: with ours it can only forbid more. */
function openIfPossible(id: number): number | undefined {
  try {
    return openProgram(id);
  } catch (error) {
    if (isErrno(error, "EPERM") || isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

function isErrno(error: unknown, name: ErrnoName): boolean {
  return error instanceof SyscallError && error.errno === errnoNumber(name);
}
