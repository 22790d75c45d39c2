// Where a container's hooks run: runtime-spec config.md#posix-platform-hooks, runtime.md#lifecycle. What they are told is
// here; how they are run is hooks.ts's.

import { O_DIRECTORY, O_PATH, O_RDONLY } from "../linux/abi/fcntl.ts";
import { exists } from "../linux/file-status.ts";
import { close, OpenFile, open, readText } from "../linux/files.ts";
import { pidfdOpen } from "../linux/local.ts";
import type { SetUp } from "../linux/programs.ts";
import type { Config, Hook } from "../spec/config.gen.ts";
import type { Container } from "./container.ts";
import { cgroupOf } from "./container-cgroup.ts";
import type { Inside } from "./hook-process.ts";
import { type HookState, runHooks, runHooksInside } from "./hooks.ts";
import { cgroupNamespaceOf, keyringOf, namespaceFlags } from "./join.ts";
import type { Log } from "./log.ts";
import type { State } from "./state-file.ts";

/** The specification's state of a container, as its hooks are told it. */
export function hookState(state: State, status: HookState["status"], pid?: number): HookState {
  const { ociVersion, id, bundle, rootfs, annotations } = state;
  return { ociVersion, id, status, ...(pid !== undefined && { pid }), bundle, root: rootfs, annotations };
}

/** The hooks of create, as setUp takes them; `onBegin` is told before the first of a kind runs. */
export function createHooks(
  { hooks = {} }: Config,
  container: Container,
  onBegin: () => void,
): Pick<SetUp, "runtimeHooks" | "containerHooks"> {
  const { prestart = [], createRuntime = [], createContainer = [] } = hooks;
  const told = (run: () => void) => (): void => {
    onBegin();
    run();
  };
  const inRuntime = (): void => {
    const { state } = container;
    inBundle(state, () => {
      // The deprecated kind is told what it was in the days when `start` ran it: that the container is created.
      runHooks("prestart", prestart, hookState(state, "created", state.pid));
      runHooks("createRuntime", createRuntime, hookState(state, "creating", state.pid));
    });
  };
  const inContainer = (): void => {
    const { state } = container;
    using undo = new DisposableStack();
    runHooksInside("createContainer", createContainer, hookState(state, "creating", pidInside(state.pid)), {
      ...openInside(container, undo),
      cwd: state.rootfs,
    });
  };
  return {
    runtimeHooks: any(prestart) || any(createRuntime) ? told(inRuntime) : undefined,
    containerHooks: any(createContainer) ? told(inContainer) : undefined,
  };
}

/** What every hook in a container joins of it. Disposing of `undo` closes the descriptors. */
export function openInside(
  container: Container,
  undo: DisposableStack,
): Pick<Inside, "pidfd" | "flags" | "cgroups" | "cgroup" | "keyring"> {
  const { state } = container;
  const namespace = cgroupNamespaceOf(state);
  return {
    pidfd: undo.adopt(pidfdOpen(state.pid), close),
    flags: namespaceFlags(state),
    ...(namespace !== undefined && { cgroups: undo.adopt(open(namespace, O_RDONLY), close) }),
    cgroup: undo.use(cgroupOf(container).open()),
    keyring: keyringOf(state),
  };
}

/** Runs the hooks that follow the program's start. @throws HookError */
export function runPoststart(state: State): void {
  inBundle(state, () => runHooks("poststart", state.hooks.poststart, hookState(state, "running", state.pid)));
}

/** Runs the hooks that follow a container's end: one that fails is a warning. */
export function runPoststop(state: State, log: Log): void {
  const { poststop } = state.hooks;
  if (poststop.length === 0) return;
  inBundle(state, () =>
    runHooks("poststop", poststop, hookState(state, "stopped"), ({ message }) => log.warn(message)),
  );
}

/** Has hooks start in the bundle, where those of both peers find themselves. By the time of delete it may be gone. */
function inBundle({ bundle }: State, run: () => void): void {
  using before = new OpenFile(".", O_PATH | O_DIRECTORY); // by name it may be gone
  if (exists(bundle)) process.chdir(bundle);
  try {
    run();
  } finally {
    process.chdir(`/proc/self/fd/${before.fd}`);
  }
}

/** Whether create has hooks to run. */
export function hasCreateHooks({ hooks = {} }: Config): boolean {
  return any(hooks.prestart) || any(hooks.createRuntime) || any(hooks.createContainer);
}

function any(hooks: readonly Hook[] | undefined): boolean {
  return hooks !== undefined && hooks.length > 0;
}

/** The pid of a process in the innermost pid namespace that it is in: the last number of NSpid, proc_pid_status(5). */
export function pidInside(pid: number): number {
  const line = /^NSpid:.*?(\d+)$/m.exec(readText(`/proc/${pid}/status`));
  return Number(line?.[1] ?? pid);
}
