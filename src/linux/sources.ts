// The root file system and the sources of bind mounts, on the host, as far as init must take hold of them before it loses touch with it:
//
//    opened   before it is root of a user namespace, who may not enter the host's closed directories; until then the kernel
//             knows it as the root that it was
//    copied   before the host's mounts become slaves of what they are outside: a copy stays a peer of its original, and what
//             the container mounts below it is seen by the host. That is how volumes are mounted for others to use.
//             runtime-spec config-linux.md#rootfs-mount-propagation; mount_namespaces(7)

import type { Mount } from "../spec/config.gen.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, O_PATH } from "./abi/fcntl.ts";
import { MS_SHARED } from "./abi/mount.ts";
import { cloneTree, openat } from "./calls.ts";
import { type MountOptions, parseMountOptions, propagationOf } from "./mount-options.ts";
import { hasNamespace } from "./namespaces.ts";
import { resolveFrom } from "./paths.ts";
import type { Call, Result } from "./plan.ts";
import type { RootIngredients } from "./rootfs.ts";

/** What init holds. */
export interface Sources {
  /** By path. */
  readonly opened: ReadonlyMap<string, Result>;
  /** By index in config.mounts. */
  readonly copied: ReadonlyMap<number, Result>;
}

/** Where nothing needs to be held. */
export const NO_SOURCES: Sources = { opened: new Map(), copied: new Map() };

/** Takes hold of sources, if there is a need to. */
export function planSources(from: Omit<RootIngredients, "sources">): Sources {
  const { config, namespaces } = from;
  const opens = hasNamespace(namespaces, "user");
  const wanted = config.linux?.rootfsPropagation;
  const copies = wanted !== undefined && propagationOf(wanted).type === MS_SHARED && hasNamespace(namespaces, "mount");
  if (!opens && !copies) return NO_SOURCES;
  const opened = new Map<string, Result>();
  from.plan.at("root.path");
  if (opens) planOpen(from, opened, from.rootfs);
  const copied = new Map<number, Result>();
  for (const [i, mount] of (config.mounts ?? []).entries()) {
    const options = parseMountOptions(mount.options ?? []);
    if (mount.source === undefined || options.remount || !isBind(mount, options) || from.idmapped.has(i)) continue;
    from.plan.at(`mounts[${i}] (${mount.destination})`);
    const source = resolveFrom(from.bundle, mount.source);
    if (opens) planOpen(from, opened, source);
    if (copies && staysShared(options)) copied.set(i, from.plan.add(copyOf({ opened }, source, options)));
  }
  from.plan.at("linux.maskedPaths");
  if (opens && (config.linux?.maskedPaths ?? []).length > 0) planOpen(from, opened, from.bundle); // planMaskedPaths covers it
  return { opened, copied };
}

/** By its options, says the specification; by its type too, say callers. */
export function isBind({ type }: Mount, { bind }: MountOptions): boolean {
  return bind !== "no" || type === "bind";
}

/** Copies the mount at a source, with rbind those below it too. */
export function copyOf({ opened }: Pick<Sources, "opened">, source: string, { bind }: MountOptions): Call {
  const recursive = bind === "rbind" ? AT_RECURSIVE : 0;
  const held = opened.get(source);
  return held === undefined ? cloneTree(AT_FDCWD, source, recursive) : cloneTree(held, "", AT_EMPTY_PATH | recursive);
}

function planOpen({ plan }: Omit<RootIngredients, "sources">, opened: Map<string, Result>, path: string): void {
  if (!opened.has(path)) opened.set(path, plan.add(openat(AT_FDCWD, path, O_PATH)));
}

/** Unless its own options end that. */
export function staysShared({ propagation }: MountOptions): boolean {
  return propagation.every(({ type }) => type === MS_SHARED);
}
