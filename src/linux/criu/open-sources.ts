// Sources of bind mounts that a container with a user namespace can be given. The task that CRIU restores binds them by itself,
// as the container's root, by their paths, and each mount alone. So there are two obstacles:
//
//    a directory above that is closed to it    as Podman has it with a container's own files: it does not reach the source
//    a mount below                             may not be taken off: in a user namespace what it covers is not bound alone
//
// Such sources are bound beforehand, in the mount namespace of CRIU's alone, below the container's directory; and since that is
// closed to the container's root, too, a file system of the restore's own covers it from the first directory on that is. All
// are gone with CRIU, however that ends. On disk nothing changes.
//
// Of a covered one that is the whole mount, without what is below it: where a mount of the container's is to be a slave of the
// host's, CRIU copies that from the mount that its source lies in, which must show the root of each that is alike (root.ts). Of
// a closed one it is no more than the source: others could do by it what they cannot on the host. It serves, then, for itself
// alone.

import { AT_FDCWD, O_PATH } from "../abi/fcntl.ts";
import { S_IFREG } from "../abi/stat.ts";
import { cloneTree, close, mkdirat, moveMount, openat, syscall } from "../calls.ts";
import { statusOf } from "../file-status.ts";
import { dirname } from "../paths.ts";
import type { Plan, Result } from "../plan.ts";
import type { ExternalMount } from "./messages.ts";
import { MountsInside } from "./mounts-inside.ts";
import { planScratch } from "./scratch.ts";

const SEARCH_BY_OTHERS = 0o001;

/** Paths without links. */
export interface OpenSources {
  readonly mounts: readonly ExternalMount[];
  /** Where they are bound. */
  readonly directory: string;
  /** A mount in the directory that is to stay. */
  readonly kept: string;
}

/** In what becomes CRIU, once nothing that is covered is opened by its path any more. Says where the sources are then. */
export function planOpenSources(plan: Plan, { mounts, directory, kept }: OpenSources): readonly ExternalMount[] {
  const bound = whatToBind(mounts);
  if (bound.size === 0) return mounts;
  const trees = [...bound.values()].map((path) => plan.at("mounts").add(cloneTree(AT_FDCWD, path)));
  const root = plan.at("root.path").add(cloneTree(AT_FDCWD, kept));
  const umask = plan.at("mounts").add(syscall("umask", 0));
  planDirectory(plan, directory);
  planMount(plan, root, kept, true);
  const places = new Map<string, string>();
  for (const [i, [source, path]] of [...bound].entries()) {
    const [tree, place] = [trees[i], `${directory}/${i}`];
    if (tree !== undefined) planMount(plan, tree, place, statusOf(path)?.kind === "directory");
    places.set(source, place + source.slice(path === "/" ? 0 : path.length));
  }
  plan.add(syscall("umask", umask));
  return mounts.map(({ key, val }) => ({ key, val: places.get(val) ?? val }));
}

/** By the sources that need it, what is bound of each: itself, or all of the mount that it lies in. */
function whatToBind(mounts: readonly ExternalMount[]): Map<string, string> {
  using own = new MountsInside(process.pid);
  const bound = new Map<string, string>();
  for (const { val } of mounts)
    if (firstClosed(dirname(val)) !== undefined) bound.set(val, val);
    else if (own.hasBelow(val)) bound.set(val, own.placeOf(val));
  return bound;
}

/** The first directory on the way to one, and this among them, that not everybody may search. */
function firstClosed(directory: string): string | undefined {
  const above = dirname(directory);
  const closedAbove = above === directory ? undefined : firstClosed(above);
  if (closedAbove !== undefined) return closedAbove;
  return ((statusOf(directory)?.mode ?? SEARCH_BY_OTHERS) & SEARCH_BY_OTHERS) === 0 ? directory : undefined;
}

/** An empty one in the place of another, which everybody may search. */
function planDirectory(plan: Plan, directory: string): void {
  const covered = firstClosed(directory) ?? directory;
  planScratch(plan, covered);
  const ways: string[] = [];
  for (let way = directory; way !== covered; way = dirname(way)) ways.unshift(way);
  for (const way of ways) plan.add(mkdirat(AT_FDCWD, way, 0o711));
}

function planMount(plan: Plan, tree: Result, at: string, isDirectory: boolean): void {
  plan.add(isDirectory ? mkdirat(AT_FDCWD, at, 0o700) : syscall("mknodat", AT_FDCWD, at, S_IFREG | 0o600, 0));
  const target = plan.add(openat(AT_FDCWD, at, O_PATH));
  plan.add(moveMount(tree, target));
  plan.add(close(target));
  plan.add(close(tree));
}
