// The mounts that are not the container's own: CRIU can neither put what they show into an image nor make them again, and wants to be told
// of each. In a dump a mount is given a name, in a restore the name a source.
//
//    bind mounts          by their destinations; those below the source of an rbind, too
//    masked files         by their paths, as crun has them; all are the host's /dev/null
//    devices              by their paths, where nodes could not be made and the host's are bound
//    cgroups              by where they are mounted; with a cgroup namespace, too, they are copies of the host's mounts
//
// Masked directories and read-only paths are of file systems of the container's.

import type { Config } from "../../spec/config.gen.ts";
import type { CgroupDirectory } from "../cgroup-mount.ts";
import { DEFAULT_DEVICES } from "../devices.ts";
import { ConfigError } from "../errors.ts";
import { exists } from "../file-status.ts";
import { readText, realPath } from "../files.ts";
import { asksForIdmap } from "../idmap.ts";
import { parseMountOptions } from "../mount-options.ts";
import { parseMountinfo } from "../mountinfo.ts";
import { clean, resolveFrom } from "../paths.ts";
import { isBind } from "../sources.ts";
import type { ExternalMount } from "./messages.ts";
import type { MountsInside } from "./mounts-inside.ts";

const NULL = "/dev/null";

/** What the container is made from. */
export interface External {
  readonly config: Config;
  /** Absolute path of the bundle. */
  readonly bundle: string;
  /** What a mount of type cgroup shows. */
  readonly cgroups: readonly CgroupDirectory[];
}

/** For a dump of a running container. @throws ConfigError for what a restore could not make again */
export function mountsToName(of: External, inside: Pick<MountsInside, "at">): ExternalMount[] {
  refuseIdmaps(of.config);
  const names = new Map<string, string>();
  const name = (path: string, as: string, isFile = false): void => {
    const mount = inside.at(path);
    // A file that is mounted has a root of that name: what has "/" is a file system of its own.
    if (mount !== undefined && !(isFile && mount.root === "/")) names.set(mount.place, as);
  };
  for (const path of of.config.linux?.maskedPaths ?? []) name(path, clean(path), true);
  for (const path of devicePaths(of.config)) name(path, path, true);
  for (const { name: path } of [...cgroupMounts(of), ...bindMounts(of)]) name(path, path);
  return [...names].map(([key, val]) => ({ key, val }));
}

/** For a restore. @throws ConfigError, FileError for a source that is not there */
export function mountsToSupply(of: External): ExternalMount[] {
  refuseIdmaps(of.config);
  const sources = new Map<string, string>([[NULL, NULL]]); // as runc names all masked files
  for (const path of of.config.linux?.maskedPaths ?? []) sources.set(clean(path), NULL);
  for (const path of devicePaths(of.config)) if (exists(path)) sources.set(path, path);
  for (const { name, source } of [...cgroupMounts(of), ...bindMounts(of)]) sources.set(name, source);
  // CRIU follows no link at its end.
  return [...sources].map(([key, val]) => ({ key, val: exists(val) ? realPath(val) : val }));
}

/** Restored, the mount would show its files as others' than the config says. */
function refuseIdmaps({ mounts = [] }: Config): void {
  for (const [i, mount] of mounts.entries())
    if (asksForIdmap(mount))
      throw new ConfigError(`mounts[${i}] (${mount.destination})`, "CRIU cannot restore an id-mapped mount");
}

function devicePaths({ linux }: Config): string[] {
  return [...DEFAULT_DEVICES, ...(linux?.devices ?? [])].map(({ path }) => clean(path));
}

/** A mount by its name. */
interface Named {
  readonly name: string;
  readonly source: string;
}

function bindMounts({ config, bundle }: External): Named[] {
  return (config.mounts ?? []).flatMap((mount) => {
    const options = parseMountOptions(mount.options ?? []);
    if (options.remount || !isBind(mount, options) || mount.source === undefined) return [];
    const bind = { name: clean(mount.destination), source: resolveFrom(bundle, mount.source) };
    return options.bind === "bind" ? [bind] : [bind, ...mountsBelow(bind)];
  });
}

/** What an rbind brings with it. */
function mountsBelow({ name, source }: Named): Named[] {
  if (!exists(source)) return [];
  const real = realPath(source);
  const below = real === "/" ? real : `${real}/`;
  return parseMountinfo(readText("/proc/self/mountinfo"))
    .filter(({ place }) => place !== "/" && place.startsWith(below))
    .map(({ place }) => ({ name: clean(`${name}/${place.slice(below.length)}`), source: place }));
}

/** As cgroup-mount.ts mounts them. */
function cgroupMounts({ config, cgroups }: External): Named[] {
  const [only] = cgroups;
  const unified = cgroups.length === 1 && only?.name === "";
  return (config.mounts ?? [])
    .filter(({ type }) => type === "cgroup")
    .flatMap(({ destination }) =>
      cgroups
        .filter(({ name }) => unified || name !== "")
        .map(({ name, directory }) => ({
          name: clean(`${destination}/${name.replace("name=", "")}`),
          source: directory,
        })),
    );
}
