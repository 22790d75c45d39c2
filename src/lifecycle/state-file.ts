// state.json: what tsrun remembers of a container from one command to the next. It holds all that start, state, kill,
// delete and list need, so that none of these parses config.json again: that costs more than all else that they do.
// (exec reads the copy of config.json that lies beside it.)
//
// It is replaced, never changed: written to a new file and renamed over the old one, rename(2), so that a reader sees the
// one or the other and needs no lock. It is not synced: after a crash of the machine there is no container either.

import { O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } from "../linux/abi/fcntl.ts";
import type { CgroupRecord } from "../linux/cgroups/cgroup.ts";
import { descriptorStatus } from "../linux/file-status.ts";
import { OpenFile, read, rename, writeText } from "../linux/files.ts";
import type { RdtRecord } from "../linux/rdt/group.ts";
import type { Hook, Namespace } from "../spec/config.gen.ts";
import { messageOf } from "./message.ts";

/** The format's version. A file of another version is refused: it was written by another tsrun. */
const VERSION = 1;

/** Bytes. A state has of config.json, which may have 16 MiB, only a part; but of one that it escapes. */
const LARGEST = 64 * 1024 * 1024;

/** What is remembered of a container. */
export interface State {
  /** Of the specification that the config follows. */
  readonly ociVersion: string;
  readonly id: string;
  /** creating: `create` has not finished; if it no longer runs either, it never will. */
  readonly phase: "creating" | "created";
  /** Of init, in tsrun's pid namespace; 0 while there is none. */
  readonly pid: number;
  /** When init started, in clock ticks since boot: tells it from a later process with the same pid. */
  readonly pidStart: number;
  /** RFC 3339, UTC. */
  readonly created: string;
  /** Absolute paths. */
  readonly bundle: string;
  readonly rootfs: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Without a mount namespace: the mount that was at `rootfs` before the container's, see host-mount.ts. */
  readonly mountBefore?: number;
  /** Who created it: the user id that `list` shows the name of. */
  readonly uid: number;
  /** As in config.json: one with a `path` was joined and is not the container's own. */
  readonly namespaces: readonly Namespace[];
  /** The hooks that later commands run. */
  readonly hooks: {
    readonly startContainer: readonly Hook[];
    readonly poststart: readonly Hook[];
    readonly poststop: readonly Hook[];
  };
  /** Where its cgroups are. */
  readonly cgroups: CgroupRecord;
  /** Whether tsrun made them: until then they may be another container's, and what is in them is not ours to end. */
  readonly cgroupsMade: boolean;
  /** What of resctrl it is in, where the config has linux.intelRdt. */
  readonly rdt?: RdtRecord;
  /** Whether the config has a process; without one there is nothing to start. */
  readonly hasProcess: boolean;
  /** Whether the config limits its memory. */
  readonly memoryLimited: boolean;
  /** Whether exec must read the config for more than the process: a filter, a personality, a memory policy, what security modules heed. */
  readonly confined: boolean;
  /** The name of its session keyring, for what runs in it later to join; undefined where it has the caller's. */
  readonly keyring?: string;
  /** The calls that init makes once `start` lets it, each after its config field: for the words of a failure. */
  readonly lastCalls: readonly string[];
}

/** Writes the state to `path`, whole or not at all. One writer at a time: the caller holds the container's lock. */
export function writeState(path: string, state: State): void {
  const next = `${path}.new`;
  writeText(next, JSON.stringify({ version: VERSION, ...state }, finite), 0o600);
  rename(next, path);
}

/** A hook's timeout may be a bigint, which JSON has not; beyond 2^53 seconds the last digits do not matter. */
function finite(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? Number(value) : value;
}

/** Reads the state of a container. Throws ENOENT when there is none, and an Error when it is not one of ours. */
export function readState(path: string, id: string): State {
  using file = new OpenFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
  try {
    return checked(JSON.parse(textOf(file)), id);
  } catch (error) {
    throw new Error(`cannot read ${path}: ${messageOf(error)}`);
  }
}

/** All of it in one read: it is replaced, and never grows. */
function textOf({ fd }: OpenFile): string {
  const { kind, size } = descriptorStatus(fd);
  if (kind !== "file" || size > LARGEST) throw new Error("not the state of a container");
  const bytes = new Uint8Array(size);
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, read(fd, bytes)));
}

/**
 * A file that was damaged or written by another version must not be taken for "no process, no cgroups"; nor another container's
 * for this one's, in a directory that was copied or is a link.
 */
function checked(value: unknown, id: string): State {
  if (typeof value !== "object" || value === null || !("version" in value))
    throw new Error("not the state of a container");
  if (value.version !== VERSION) throw new Error(`version ${value.version}, not ${VERSION}: another tsrun wrote it`);
  const { version: _, ...state } = value;
  for (const [name, type] of Object.entries(NEEDED))
    if (typeof (state as Record<string, unknown>)[name] !== type)
      throw new Error(`not the state of a container: ${name}`);
  const whole = state as State;
  if (whole.id !== id) throw new Error(`it is the state of ${whole.id}`);
  return whole;
}

/** What says which processes and cgroups are the container's. */
const NEEDED: Partial<Record<keyof State, string>> = {
  id: "string",
  phase: "string",
  pid: "number",
  pidStart: "number",
  bundle: "string",
  rootfs: "string",
  namespaces: "object",
  hooks: "object",
  cgroups: "object",
};
