// Hooks: programs of the caller's that run at six points of a container's life. runtime-spec
// config.md#posix-platform-hooks, runtime.md#lifecycle. Each is told the state of the container on stdin, in one line, and
// is waited for; the first one that fails ends the operation (poststop: is a warning).
//
// A hook runs in the namespaces of tsrun (runHooks) or in the container's (runHooksInside). What a failed one wrote is
// part of the error, in runc's words, which callers know.

import { errnoText } from "../linux/abi/errno.ts";
import { signalName } from "../linux/abi/signal.ts";
import type { Agent } from "../linux/agent/agent.ts";
import { type Ended, StandardPipes } from "../linux/converse.ts";
import { SyscallError } from "../linux/kernel.ts";
import { stopIgnoringChildren } from "../linux/sigchld.ts";
import type { Hook, Hooks } from "../spec/config.gen.ts";
import { type Inside, type Streams, startHook, startHookInside } from "./hook-process.ts";
import { messageOf } from "./message.ts";
import { printable } from "./output.ts";

/** The points at which hooks run, by their names in the config. */
export type HookKind = keyof Hooks;

/** What hooks are told: the state of the specification (runtime.md#state). */
export interface HookState {
  readonly ociVersion: string;
  readonly id: string;
  readonly status: "creating" | "created" | "running" | "stopped";
  /** Of init, as seen by the hook; left out once there is none. */
  readonly pid?: number;
  /** Absolute. */
  readonly bundle: string;
  /** Absolute path of the root file system: not in the specification, but hooks of crun's expect it. */
  readonly root?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** A hook that could not be started, failed, or took too long. */
export class HookError extends Error {
  override readonly name = "HookError";
  readonly kind: HookKind;
  /** Its place in the list. */
  readonly index: number;

  constructor(kind: HookKind, index: number, reason: string) {
    super(`error running ${kind} hook #${index}: ${reason}`);
    this.kind = kind;
    this.index = index;
  }
}

/** What to do about a hook that failed, instead of throwing. The hooks behind it run. */
export type OnFailure = (error: HookError) => void;

/**
 * Runs hooks in tsrun's namespaces and working directory, one after the other.
 * @throws HookError of the first one that fails, unless `onFailure` is given.
 */
export function runHooks(kind: HookKind, hooks: readonly Hook[], state: HookState, onFailure?: OnFailure): void {
  runAll(kind, hooks, state, startHook, onFailure);
}

/** Runs hooks in a container, one after the other. @throws HookError of the first one that fails. */
export function runHooksInside(kind: HookKind, hooks: readonly Hook[], state: HookState, inside: Inside): void {
  runAll(kind, hooks, state, (hook, streams) => startHookInside(hook, streams, inside));
}

type Start = (hook: Hook, streams: Streams) => Agent;

function runAll(kind: HookKind, hooks: readonly Hook[], state: HookState, start: Start, onFailure?: OnFailure): void {
  stopIgnoringChildren(); // or a hook that failed could not be told from one that did not
  const input = new TextEncoder().encode(JSON.stringify(state));
  for (const [index, hook] of hooks.entries()) {
    const reason = run(hook, input, start);
    if (reason === undefined) continue;
    const error = new HookError(kind, index, reason);
    if (onFailure === undefined) throw error;
    onFailure(error);
  }
}

/** Runs a hook. Why it failed, or undefined. */
function run(hook: Hook, input: Uint8Array, start: Start): string | undefined {
  // Counted from here: to start is part of the hook's time.
  const deadline = hook.timeout === undefined ? undefined : performance.now() + Number(hook.timeout) * 1000;
  try {
    using pipes = new StandardPipes();
    using child = start(hook, pipes.theirs);
    return failure(hook, pipes.converse(child.pid, input, deadline));
  } catch (error) {
    return startFailure(hook, error);
  }
}

function failure({ timeout }: Hook, { status, timedOut, stdout, stderr }: Ended): string | undefined {
  if (timedOut) return `hook ran past specified timeout of ${Number(timeout).toFixed(1)}s`;
  if (status === 0) return undefined;
  return `${ending(status)}, stdout: ${printable(stdout.trimEnd())}, stderr: ${printable(stderr.trimEnd())}`;
}

/** wait4(2)'s status in words. */
function ending(status: number): string {
  const CORE_DUMPED = 0x80;
  const signal = status & 0x7f;
  if (signal === 0) return `exit status ${status >> 8}`;
  return `signal: ${signalName(signal)}${(status & CORE_DUMPED) === 0 ? "" : " (core dumped)"}`;
}

function startFailure({ path }: Hook, error: unknown): string {
  if (!(error instanceof SyscallError) || error.call.name !== "execve") return `${path}: ${messageOf(error)}`;
  const text = errnoText(error.errno);
  return `fork/exec ${path}: ${text.charAt(0).toLowerCase()}${text.slice(1)}`;
}
