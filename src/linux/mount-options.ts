// The options of a mount, sorted into what the kernel takes them as: attributes of the mount (mount_setattr(2)), flags of
// the superblock, propagation, and data for the file system. runtime-spec config.md#linux-mount-options.

import {
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_RELATIME,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from "./abi/mount.ts";

/** Attributes to set and to clear, as mount_setattr(2) wants them: a change of atime clears all of MOUNT_ATTR__ATIME. */
export interface Attributes {
  set: number;
  clear: number;
}

/** One change of propagation: MS_SHARED, MS_SLAVE, MS_PRIVATE or MS_UNBINDABLE. */
export interface Propagation {
  readonly type: number;
  readonly recursive: boolean;
}

/** The options of a mount. */
export interface MountOptions {
  readonly bind: "no" | "bind" | "rbind";
  readonly remount: boolean;
  readonly copyUp: boolean;
  /** Of the mount alone. */
  readonly attributes: Attributes;
  /** Of the mount and all below it (`rro` and its kin). */
  readonly recursive: Attributes;
  readonly propagation: readonly Propagation[];
  /** Flags of the superblock by the names that fsconfig(2) knows: sync, dirsync, lazytime, mand. */
  readonly superblock: readonly string[];
  /** Everything else, for the file system, in order. */
  readonly data: readonly string[];
  readonly idmap: "no" | "idmap" | "ridmap";
  /** The maps that the option itself brings, in crun's words: idmap.ts. */
  readonly idMaps: string | undefined;
}

type Change = "set" | "clear";

/** Options that change an attribute; each has a twin with `r` in front that is recursive. */
const ATTRIBUTES: Readonly<Record<string, readonly [Change, number]>> = {
  ro: ["set", MOUNT_ATTR_RDONLY],
  rw: ["clear", MOUNT_ATTR_RDONLY],
  nosuid: ["set", MOUNT_ATTR_NOSUID],
  suid: ["clear", MOUNT_ATTR_NOSUID],
  nodev: ["set", MOUNT_ATTR_NODEV],
  dev: ["clear", MOUNT_ATTR_NODEV],
  noexec: ["set", MOUNT_ATTR_NOEXEC],
  exec: ["clear", MOUNT_ATTR_NOEXEC],
  nodiratime: ["set", MOUNT_ATTR_NODIRATIME],
  diratime: ["clear", MOUNT_ATTR_NODIRATIME],
  nosymfollow: ["set", MOUNT_ATTR_NOSYMFOLLOW],
  symfollow: ["clear", MOUNT_ATTR_NOSYMFOLLOW],
};

/** Options that choose one of the kinds of atime; relatime is the kernel's default. */
const ATIME: Readonly<Record<string, number>> = {
  noatime: MOUNT_ATTR_NOATIME,
  atime: MOUNT_ATTR_RELATIME,
  relatime: MOUNT_ATTR_RELATIME,
  norelatime: MOUNT_ATTR_STRICTATIME,
  strictatime: MOUNT_ATTR_STRICTATIME,
  nostrictatime: MOUNT_ATTR_RELATIME,
};

const PROPAGATION: Readonly<Record<string, number>> = {
  shared: MS_SHARED,
  slave: MS_SLAVE,
  private: MS_PRIVATE,
  unbindable: MS_UNBINDABLE,
};

/** Options of the superblock; a value of undefined undoes the one named `no…`, or does what is so anyway. */
const SUPERBLOCK: Readonly<Record<string, string | undefined>> = {
  sync: "sync",
  async: undefined,
  dirsync: "dirsync",
  lazytime: "lazytime",
  nolazytime: undefined,
  mand: "mand",
  nomand: undefined,
  iversion: "iversion",
  noiversion: undefined,
  silent: undefined,
  loud: undefined,
  defaults: undefined,
};

/** The options that tsrun gives a meaning of its own to, for `features` and warnings. */
export function mountOptionNames(): string[] {
  return [
    ...["bind", "rbind", "remount", "tmpcopyup", "idmap", "ridmap"],
    ...Object.keys(SUPERBLOCK),
    ...[ATTRIBUTES, ATIME].flatMap((table) => Object.keys(table).flatMap((name) => [name, `r${name}`])),
    ...Object.keys(PROPAGATION).flatMap((name) => [name, `r${name}`]),
  ].toSorted();
}

/** Sorts options. Later ones win over earlier ones that they contradict. */
export function parseMountOptions(options: readonly string[]): MountOptions {
  const parsed = {
    bind: "no" as MountOptions["bind"],
    remount: false,
    copyUp: false,
    attributes: { set: 0, clear: 0 },
    recursive: { set: 0, clear: 0 },
    propagation: [] as Propagation[],
    superblock: [] as string[],
    data: [] as string[],
    idmap: "no" as MountOptions["idmap"],
    idMaps: undefined as MountOptions["idMaps"],
  };
  // An empty one is what callers make of an empty list; the peers pass over it.
  for (const option of options.filter((word) => word !== "")) {
    if (option === "bind" || option === "rbind") parsed.bind = option;
    else if (option === "remount") parsed.remount = true;
    else if (option === "tmpcopyup") parsed.copyUp = true;
    else if (option === "idmap" || option === "ridmap") parsed.idmap = option;
    else if (option.startsWith("idmap=")) [parsed.idmap, parsed.idMaps] = ["idmap", option.slice(6)];
    else if (option.startsWith("ridmap=")) [parsed.idmap, parsed.idMaps] = ["ridmap", option.slice(7)];
    else if (applyAttribute(parsed.attributes, option)) continue;
    else if (option.startsWith("r") && applyAttribute(parsed.recursive, option.slice(1))) continue;
    else if (Object.hasOwn(PROPAGATION, option)) parsed.propagation.push(propagationOf(option));
    else if (option.startsWith("r") && Object.hasOwn(PROPAGATION, option.slice(1)))
      parsed.propagation.push(propagationOf(option));
    else if (Object.hasOwn(SUPERBLOCK, option)) applySuperblock(parsed.superblock, option);
    else parsed.data.push(option);
  }
  return parsed;
}

/** `shared`, `rslave`, … as a change of propagation. */
export function propagationOf(name: string): Propagation {
  const recursive = !Object.hasOwn(PROPAGATION, name);
  return { type: PROPAGATION[recursive ? name.slice(1) : name] ?? 0, recursive };
}

function applyAttribute(attributes: Attributes, option: string): boolean {
  if (Object.hasOwn(ATIME, option)) {
    attributes.set = (attributes.set & ~MOUNT_ATTR__ATIME) | (ATIME[option] ?? 0);
    attributes.clear |= MOUNT_ATTR__ATIME;
    return true;
  }
  const change = Object.hasOwn(ATTRIBUTES, option) ? ATTRIBUTES[option] : undefined;
  if (change === undefined) return false;
  const [how, bit] = change;
  const other = how === "set" ? "clear" : "set";
  attributes[how] |= bit;
  attributes[other] &= ~bit;
  return true;
}

function applySuperblock(flags: string[], option: string): void {
  const flag = SUPERBLOCK[option];
  const undone = option.replace(/^no/, "").replace(/^async$/, "sync");
  const kept = flags.filter((known) => known !== undone);
  flags.splice(0, flags.length, ...kept, ...(flag === undefined ? [] : [flag]));
}
