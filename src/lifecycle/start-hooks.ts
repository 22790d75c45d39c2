// The startContainer hooks: in the container's namespaces, their paths inside it, as its user, before its program runs.
// runtime-spec config.md#startContainer-hooks. Where one fails, start does, and the container is stopped.

import { O_RDONLY } from "../linux/abi/fcntl.ts";
import { keepsGroups } from "../linux/credentials.ts";
import { close, open } from "../linux/files.ts";
import { thisHost } from "../linux/host.ts";
import { procfsFor } from "../linux/lsm.ts";
import type { Become } from "../linux/programs.ts";
import { asksListener } from "../linux/seccomp/compile.ts";
import { inUserNamespace } from "../linux/user-namespace.ts";
import type { Config } from "../spec/config.gen.ts";
import { loadConfig } from "../spec/load.ts";
import type { Container } from "./container.ts";
import { hookState, openInside, pidInside } from "./hook-points.ts";
import type { Inside } from "./hook-process.ts";
import { runHooksInside } from "./hooks.ts";
import { bringsRoot, hasUserNamespace, rootOf } from "./join.ts";
import { DescriptorTaker } from "./process-setup.ts";
import { compileFilter } from "./seccomp-filter.ts";
import { sendListener } from "./seccomp-listener.ts";
import { SPEC_FILES } from "./spec-files.ts";
import type { State } from "./state-file.ts";
import { UsageError } from "./usage-error.ts";

/** Runs them. `root` is --root, which compiled filters are kept under. @throws HookError */
export function startHooks(container: Container, root: string): void {
  const { state } = container;
  const config = loadConfig(container.configPath, SPEC_FILES);
  const become = becomeOf(config, hasUserNamespace(state), root);
  using undo = new DisposableStack();
  const procfs = procfsFor(config.process ?? {});
  if (procfs !== undefined) undo.adopt(procfs, close);
  const inside = openInside(container, undo);
  const rootDirectory = bringsRoot(state) ? {} : { root: undo.adopt(open(rootOf(state), O_RDONLY), close) };
  // Only now are they known to be init's: the pid could have become another process's before they were opened.
  if (!container.initIsAlive()) throw new UsageError("cannot start a container that has stopped");
  runHooksInside("startContainer", state.hooks.startContainer, hookState(state, "created", pidInside(state.pid)), {
    ...inside,
    ...rootDirectory,
    env: config.process?.env ?? [],
    procfs,
    ...(become !== undefined && { become }),
    ...listenerOf(config, state),
  });
}

/** A hook has a filter of its own, of the same profile: whoever listens is told of it as of a process of exec. */
function listenerOf({ linux }: Config, state: State): Pick<Inside, "onListener"> {
  const seccomp = linux?.seccomp;
  if (seccomp === undefined || !asksListener(seccomp)) return {};
  const onListener: Inside["onListener"] = (hook, fd) => {
    const taker = new DescriptorTaker();
    taker.from(hook);
    sendListener(seccomp, taker, fd, hookState(state, "created", state.pid));
  };
  return { onListener };
}

/** What the container's program is, its hooks are. */
function becomeOf({ process, linux, annotations }: Config, changesUser: boolean, root: string) {
  if (process === undefined) return undefined;
  const become: Omit<Become, "terminal" | "nullStdio" | "procfs"> = {
    process,
    defaultUmask: undefined,
    lastCapability: thisHost.lastCapability(),
    held: changesUser ? undefined : thisHost.heldCapabilities(),
    keepsGroups: keepsGroups(annotations),
    inUserNamespace: changesUser || inUserNamespace(),
    seccomp: linux?.seccomp === undefined ? undefined : compileFilter(linux.seccomp, root),
    personality: linux?.personality,
    memoryPolicy: linux?.memoryPolicy,
  };
  return become;
}
