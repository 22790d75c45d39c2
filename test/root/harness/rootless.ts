// Containers of an ordinary user of the machine, whom as-user.sh knows. To be imported once RUNTIME is that.

import { execFileSync } from "node:child_process";
import { type Json, MOUNTS } from "./config.ts";
import type { Sandbox } from "./sandbox.ts";

export const USER = 20_000;
export const SUBORDINATE = { hostID: 300_000, size: 65_535 };
export const OWN = { containerID: 0, hostID: USER, size: 1 };

type Mapping = { containerID: number; hostID: number; size: number };

/** What every container here has: a user namespace, and no place among the cgroups that it asks for. */
export function rootless(...map: Mapping[]): Json {
  const types = ["pid", "network", "ipc", "uts", "mount", "user"];
  return {
    linux: {
      cgroupsPath: undefined,
      namespaces: types.map((type) => ({ type })),
      uidMappings: map,
      gidMappings: map,
    },
    mounts: map.length > 1 || map[0]?.size !== 1 ? MOUNTS : withoutGroups(MOUNTS),
  };
}

/** Of all groups only 0 is mapped. */
export function withoutGroups(list: readonly Json[]): Json[] {
  return list.map(({ options, ...mount }) => ({
    ...mount,
    ...(options !== undefined && { options: (options as string[]).filter((option) => !option.startsWith("gid=")) }),
  }));
}

export const SINGLE = rootless(OWN);
export const BOTH = rootless(OWN, { containerID: 1, ...SUBORDINATE });
export const SUB = rootless({ containerID: 0, ...SUBORDINATE });

/** A container whose files are the user's; nobody else may enter their folder. */
export function container(box: Sandbox, ...overrides: readonly Json[]) {
  const made = box.container(...overrides);
  give(box);
  return made;
}

export function give(box: Sandbox): void {
  execFileSync("chown", ["-hR", `${USER}:${USER}`, box.directory]);
}
