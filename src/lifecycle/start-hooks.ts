// The startContainer hooks: in the container's namespaces, their paths inside it, as its user, before its program runs.
// runtime-spec config.md#startContainer-hooks. Where one fails, start does, and the container stays as it was created.

import { closeSync } from "node:fs";
import { thisHost } from "../linux/host.ts";
import { pidfdOpen } from "../linux/local.ts";
import { loadConfig } from "../spec/load.ts";
import type { Container } from "./container.ts";
import { hookState, pidInside } from "./hook-points.ts";
import { runHooksInside } from "./hooks.ts";
import { namespaceFlags } from "./join.ts";

/** Runs them. @throws HookError */
export async function startHooks(container: Container): Promise<void> {
  const { state } = container;
  const { process } = loadConfig(container.configPath);
  const pidfd = pidfdOpen(state.pid);
  try {
    const told = hookState(state, "created", pidInside(state.pid));
    runHooksInside("startContainer", state.hooks.startContainer, told, {
      pidfd,
      flags: namespaceFlags(state),
      env: process?.env ?? [],
      ...(process !== undefined && {
        become: {
          process,
          defaultUmask: undefined,
          lastCapability: thisHost.lastCapability(),
          setgroupsDenied: false,
          seccomp: undefined,
        },
      }),
    });
  } finally {
    closeSync(pidfd);
  }
}
