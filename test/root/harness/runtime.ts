// The OCI runtime under test, and how to call it.
//
// RUNTIME names it: a path, or `runc` or `crun` to hold a test against a peer; without it, dist/tsrun. Every call is a
// whole process, as an engine makes it. Callers read `start`, `kill` and `delete` through pipes and wait for their end,
// so these helpers do too: a runtime that leaves a process behind with the pipe open hangs here, as it would there.
// `create` and the detached commands hand their own descriptors to the container: these get files instead.

import { closeSync, openSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { execa, type Options } from "execa";
import { scaled } from "../../../conformance/engines/patience.ts";

/** The repository's root directory. */
export const repository = fileURLToPath(new URL("../../..", import.meta.url));

/** The program under test, as given. */
export const runtimePath = process.env.RUNTIME || join(repository, "dist/tsrun");

export type RuntimeKind = "tsrun" | "runc" | "crun";

/** Which runtime it is, that which a wrapper runs (as-user.sh, on-cgroup-v2.sh) too: a few tests are of what only tsrun does. */
export const runtimeKind: RuntimeKind = kindOf(process.env.AS_USER ?? process.env.ON_CGROUP_V2 ?? runtimePath);

function kindOf(path: string): RuntimeKind {
  const name = basename(path);
  return name === "runc" || name === "crun" ? name : "tsrun";
}

/** Where a systemd that runs listens. */
export const SYSTEMD_SOCKET = "/run/systemd/private";

/** Whether systemd makes the cgroups: systemd.test.ts says so, before this is loaded. */
export const bySystemd = process.env.CGROUP_DRIVER === "systemd";

/**
 * The words that a call of the runtime begins with. Debian's crun 1.8 refuses a hybrid cgroup hierarchy with an empty
 * cgroup2: it runs in a mount namespace of its own in which that is not mounted.
 */
export function commandWords(path: string = runtimePath): readonly [string, ...string[]] {
  const driver = bySystemd ? ["--systemd-cgroup"] : [];
  if (kindOf(path) !== "crun") return [path, ...driver];
  const hide = "umount /sys/fs/cgroup/unified 2>/dev/null; exec";
  return ["unshare", "-m", "sh", "-c", `${hide} "$0" "$@"`, path, ...driver];
}

/** How a call ended. `code` is undefined when a signal ended it. */
export interface Result {
  readonly code: number | undefined;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CallOptions {
  readonly cwd?: string;
  /** Added to the environment, or with `bare` all of it. */
  readonly env?: Readonly<Record<string, string>>;
  readonly bare?: boolean;
  readonly input?: string;
  /** A command that runs the runtime, as `nsenter --net=…`. */
  readonly under?: readonly string[];
  /** Descriptors of this process that become 3, 4, … of the runtime. */
  readonly descriptors?: readonly number[];
  /** Milliseconds after which the runtime is killed and the call fails. */
  readonly timeout?: number;
}

/** Calls the runtime with pipes and waits for its end and for the end of its output. */
export async function call(args: readonly string[], options: CallOptions = {}): Promise<Result> {
  return settled(begin(args, options));
}

/** Starts the runtime with pipes and returns at once. */
export function begin(args: readonly string[], options: CallOptions = {}): Running {
  if (options.descriptors !== undefined)
    return launch(args, options, { stdio: ["ignore", "pipe", "pipe", ...options.descriptors.map(handedOn)] });
  return launch(args, options, options.input === undefined ? { stdin: "ignore" } : { input: options.input });
}

/** A call that goes on. */
export type Running = ReturnType<typeof launch>;

/**
 * A descriptor of ours for execa to hand on. Its types know the numbers up to 9 only, its code knows all.
 */
export function handedOn(fd: number): 3 {
  return fd as 3;
}

/** Waits for a call made with `begin`. */
export async function settled(running: Running): Promise<Result> {
  const ended = await running;
  if (ended.timedOut) throw new Error(`timed out: ${ended.command}\n${String(ended.stderr)}`);
  return {
    code: ended.exitCode,
    signal: ended.signal,
    stdout: String(ended.stdout ?? ""),
    stderr: String(ended.stderr ?? ""),
  };
}

/**
 * Calls the runtime with its output going to files `stem`.out and `stem`.err, which the container goes on using.
 * The result holds what was in the files when the runtime ended.
 */
export async function callDetached(args: readonly string[], stem: string, options: CallOptions = {}): Promise<Result> {
  const out = openSync(`${stem}.out`, "a");
  const err = openSync(`${stem}.err`, "a");
  try {
    const ended = await settled(
      launch(args, options, {
        stdio: ["ignore", handedOn(out), handedOn(err), ...(options.descriptors ?? []).map(handedOn)],
      }),
    );
    return { ...ended, stdout: readFileSync(`${stem}.out`, "utf8"), stderr: readFileSync(`${stem}.err`, "utf8") };
  } finally {
    closeSync(out);
    closeSync(err);
  }
}

function launch(args: readonly string[], options: CallOptions, streams: Options) {
  const [program, ...words] = [...(options.under ?? []), ...commandWords()] as [string, ...string[]];
  return execa(program, [...words, ...args], {
    reject: false,
    stripFinalNewline: false,
    timeout: options.timeout ?? scaled(30_000),
    killSignal: "SIGKILL",
    extendEnv: !options.bare,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...streams,
  });
}
