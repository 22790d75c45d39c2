// The listener of a filter that asks: SCMP_ACT_NOTIFY, seccomp_unotify(2). Whoever listens at listenerPath gets its descriptor and
// the "container process state" of config-linux.md#containerprocessstate, in one text over a stream, and is not waited for.
// tsrun takes the descriptor out of the process by pidfd_getfd(2), since a message of the process's own could need a call that its
// filter refuses, or asks about. Who is not root may not do so, and has it sent.

import { EPERM } from "../linux/abi/errno.ts";
import { ConfigError } from "../linux/errors.ts";
import { close } from "../linux/files.ts";
import { SyscallError } from "../linux/kernel.ts";
import { pidfdGetfd, pidfdOpen } from "../linux/local.ts";
import { asksListener } from "../linux/seccomp/compile.ts";
import type { SeccompFilter } from "../linux/seccomp/load.ts";
import { sendDescriptor } from "../linux/send-descriptor.ts";
import type { Seccomp } from "../spec/config.gen.ts";
import type { HookState } from "./hooks.ts";
import { messageOf } from "./message.ts";
import type { DescriptorTaker } from "./process-setup.ts";

/** What the process calls to send a descriptor: about these nobody could be asked before it is sent. */
const SENDING: readonly string[] = ["read", "sendmsg"];
/** The specification's name for the descriptor. */
const NAME = "seccompFd";

/**
 * A process's filter; where it asks a listener, with what hands that on. `state` is asked for then, not before. `later` is for a
 * filter that another process loads: it is given what hands the listener on once `taker` has the process that it is for.
 */
export function withListener(
  filter: SeccompFilter | undefined,
  seccomp: Seccomp | undefined,
  taker: DescriptorTaker,
  state: () => HookState,
  later: (handOn: () => void) => void = (handOn) => handOn(),
): SeccompFilter | undefined {
  if (filter === undefined || seccomp === undefined || !asksListener(seccomp)) return filter;
  const onListener = (fd: number): void => {
    const listener = take(seccomp, taker, fd);
    later(() => handOn(seccomp, taker.pid, listener, state()));
  };
  return { ...filter, onListener };
}

/** Hands a process's descriptor on. Nobody here holds it afterwards. @throws ConfigError */
export function sendListener(seccomp: Seccomp, taker: DescriptorTaker, fd: number, state: HookState): void {
  handOn(seccomp, taker.pid, take(seccomp, taker, fd), state);
}

function handOn(seccomp: Seccomp, pid: number, listener: number, state: HookState): void {
  const { listenerPath = "", listenerMetadata: metadata } = seccomp;
  const { ociVersion } = state;
  const told = { ociVersion, fds: [NAME], pid, ...(metadata !== undefined && { metadata }), state };
  try {
    sendDescriptor(listenerPath, listener, JSON.stringify(told));
  } catch (cause) {
    throw new ConfigError("linux.seccomp.listenerPath", `cannot hand the listener on: ${messageOf(cause)}`);
  } finally {
    close(listener);
  }
}

/** The process's descriptor as one of ours. @throws ConfigError where it could not send it; SyscallError */
function take({ syscalls = [] }: Seccomp, taker: DescriptorTaker, fd: number): number {
  const pidfd = pidfdOpen(taker.pid);
  try {
    return pidfdGetfd(pidfd, fd);
  } catch (error) {
    if (!(error instanceof SyscallError && error.errno === EPERM)) throw error;
  } finally {
    close(pidfd);
  }
  for (const [index, { action, names }] of syscalls.entries()) {
    const name = action === "SCMP_ACT_NOTIFY" ? names.find((each) => SENDING.includes(each)) : undefined;
    const field = `linux.seccomp.syscalls[${index}].names`;
    if (name !== undefined) throw new ConfigError(field, `SCMP_ACT_NOTIFY for ${name} needs root rights on the host`);
  }
  return taker.take(fd);
}
