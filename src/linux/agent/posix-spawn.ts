// Starts a program with chosen descriptors and clean signals: posix_spawn(3). It does not fork the engine (it is
// clone(CLONE_VM | CLONE_VFORK) inside), so it is safe beside the engine's threads and takes no longer for a large heap.
//
// Engines ignore SIGPIPE, ours SIGXFSZ too, and what is ignored or blocked is inherited across execve: a container's
// program would run with it. So every signal is set to its default, and the mask is emptied.

import { library, type Memory, memory, type NativeFunction } from "../libc.ts";

/** What to start. Strings are bytes without their NUL. */
export interface SpawnOptions {
  /** Path of the program, as the child sees it (its descriptors are a copy of ours until it runs). */
  readonly path: string;
  readonly argv: readonly Uint8Array[];
  readonly env: readonly Uint8Array[];
  /**
   * Descriptors of the child: `from` here becomes `to` there, and is open across execve even where both are the same
   * number. Done in order: no `to` may be the `from` of a later pair.
   */
  readonly fds: readonly (readonly [from: number, to: number])[];
}

/** Bytes of glibc's posix_spawnattr_t and posix_spawn_file_actions_t; musl's are no larger. */
const ATTRIBUTES_SIZE = 336;
const FILE_ACTIONS_SIZE = 80;
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
/** Offset of the set of signals to reset in posix_spawnattr_t: <spawn.h>; the mask behind it stays empty. */
const DEFAULT_SIGNALS = 8;
const SIGNAL_BYTES = 8;

type SpawnFunction = "posix_spawn" | "posix_spawn_file_actions_adddup2";
let functions: Readonly<Record<SpawnFunction, NativeFunction>> | undefined;

/** Starts a program. Returns its process id, or -errno. */
export function spawn({ path, argv, env, fds }: SpawnOptions): number {
  functions ??= library("libc.so.6", { posix_spawn: 6, posix_spawn_file_actions_adddup2: 3 });
  refuseOverwrites(fds);
  // All zeros is an initialised set of actions; what adddup2 allocates is left to the end of this short process.
  const actions = memory(FILE_ACTIONS_SIZE);
  for (const [from, to] of fds) {
    const error = functions.posix_spawn_file_actions_adddup2(actions.bytes, from, to);
    if (error !== 0) {
      return -error;
    }
  }
  const pid = new Int32Array(2);
  const error = functions.posix_spawn(
    new Uint8Array(pid.buffer),
    path,
    actions.bytes,
    attributes(),
    stringArray(argv).bytes,
    stringArray(env).bytes,
  );
  return error === 0 ? (pid[0] ?? 0) : -error;
}

function refuseOverwrites(fds: SpawnOptions["fds"]): void {
  const later = new Set<number>();
  for (const [from, to] of fds.toReversed()) {
    if (from !== to && later.has(to))
      throw new RangeError(`Cannot pass descriptors: ${to} is overwritten before it is passed on`);
    later.add(from);
  }
}

function attributes(): Uint8Array {
  const bytes = new Uint8Array(ATTRIBUTES_SIZE);
  bytes[0] = POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK;
  bytes.fill(0xff, DEFAULT_SIGNALS, DEFAULT_SIGNALS + SIGNAL_BYTES);
  return bytes;
}

/** A NULL-terminated array of pointers, and behind it the NUL-terminated strings that they point to. */
function stringArray(strings: readonly Uint8Array[]): Memory {
  const pointersSize = 8 * (strings.length + 1);
  const block = memory(strings.reduce((size, string) => size + string.length + 1, pointersSize));
  const view = new DataView(block.bytes.buffer);
  let at = pointersSize;
  strings.forEach((string, i) => {
    view.setBigUint64(8 * i, BigInt(block.address + at), true);
    block.bytes.set(string, at);
    at += string.length + 1;
  });
  return block;
}
