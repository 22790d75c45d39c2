// Id-mapped mounts, made where the rights are: by tsrun, on the host. mount_setattr(2) wants CAP_SYS_ADMIN over the file
// system and a mount that nobody has seen yet, so
//
//    before init is born    each source is copied, attached nowhere; init inherits the descriptor and attaches it
//    once it has its maps   the copy, which is the one that init holds, is mapped by a user namespace: the container's, or
//                           one that a process of a moment has for a mount's own maps
//
// What init gets can be changed no more: a mount is mapped once.

import { EINVAL, EPERM } from "../linux/abi/errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, O_RDONLY } from "../linux/abi/fcntl.ts";
import {
  MOUNT_ATTR_IDMAP,
  type MountAttr,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
  mountAttr,
  OPEN_TREE_CLOEXEC,
  OPEN_TREE_CLONE,
} from "../linux/abi/mount.ts";
import { CLONE_NEWUSER } from "../linux/abi/sched.ts";
import { Agent } from "../linux/agent/agent.ts";
import { syscall } from "../linux/calls.ts";
import { ConfigError } from "../linux/errors.ts";
import { close, open, readText, realPath, writeExisting } from "../linux/files.ts";
import { mountAt } from "../linux/host-mount.ts";
import { type IdMaps, type Idmap, idmapOf, translated } from "../linux/idmap.ts";
import { AgentKernel, SyscallError } from "../linux/kernel.ts";
import { call } from "../linux/local.ts";
import { propagationOf } from "../linux/mount-options.ts";
import { parseMountinfo } from "../linux/mountinfo.ts";
import { hasNamespace, type Namespaces } from "../linux/namespaces.ts";
import { resolveFrom } from "../linux/paths.ts";
import { Plan } from "../linux/plan.ts";
import { staysShared } from "../linux/sources.ts";
import type { Config, IdMapping } from "../spec/config.gen.ts";
import { idMap, mapText } from "./id-maps.ts";
import { messageOf } from "./message.ts";

/** A copy that is to be mapped. */
interface Copy extends Idmap {
  readonly field: string;
  readonly source: string;
  readonly fd: number;
}

/** Owns the copies until they are mapped. */
export class IdmappedMounts implements Disposable {
  readonly #copies = new Map<number, Copy>();
  readonly #inUserNamespace: boolean;

  /** Copies what is to be mapped. @throws SyscallError, ConfigError */
  constructor(config: Config, bundle: string, namespaces: Namespaces) {
    this.#inUserNamespace = hasNamespace(namespaces, "user");
    using undo = new DisposableStack();
    undo.defer(() => this[Symbol.dispose]());
    for (const [i, mount] of (config.mounts ?? []).entries()) {
      const field = `mounts[${i}] (${mount.destination})`;
      const idmap = idmapOf(mount, field);
      if (idmap === undefined) continue;
      if (process.geteuid?.() !== 0) throw new ConfigError(field, "only root can id-map the host's mounts");
      const source = resolveFrom(bundle, mount.source ?? "");
      const recursive = idmap.options.bind === "rbind" ? AT_RECURSIVE : 0;
      const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive;
      const fd = call(field, "open_tree", AT_FDCWD, source, flags);
      this.#copies.set(i, { ...idmap, field, source, fd });
      const propagation = this.#propagation(config, namespaces, idmap);
      if (propagation !== undefined) setAttributes(field, fd, { propagation }, AT_RECURSIVE);
    }
    undo.move();
  }

  /** Descriptors by index in config.mounts; init has them by the same numbers. */
  get descriptors(): ReadonlyMap<number, number> {
    return new Map([...this.#copies].map(([index, { fd }]) => [index, fd]));
  }

  /** Maps the copies for a container whose init, which has its id maps by now, is `pid`, and lets them go. */
  map(pid: number): void {
    if (this.#copies.size === 0) return;
    using namespaces = new UserNamespaces(pid, this.#inUserNamespace);
    for (const copy of this.#copies.values()) mapCopy(copy, namespaces.of(copy.maps, copy.field));
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    for (const { fd } of this.#copies.values()) close(fd);
    this.#copies.clear();
  }

  /** As init would have it of a source that it copies itself (rootfs.ts, sources.ts): what tsrun copies is a peer of the host's. */
  #propagation({ linux }: Config, namespaces: Namespaces, { options }: Idmap): number | undefined {
    if (!hasNamespace(namespaces, "mount")) return undefined;
    const wanted = linux?.rootfsPropagation === undefined ? MS_SLAVE : propagationOf(linux.rootfsPropagation).type;
    if (wanted === MS_SHARED && staysShared(options) && !this.#inUserNamespace) return undefined;
    return wanted === MS_PRIVATE ? MS_PRIVATE : MS_SLAVE;
  }
}

function setAttributes(field: string, fd: number, attributes: MountAttr, flags: number): void {
  const bytes = mountAttr(attributes);
  call(field, "mount_setattr", fd, "", AT_EMPTY_PATH | flags, bytes, bytes.length);
}

function mapCopy({ field, source, fd, options }: Copy, usernsFd: number): void {
  const recursive = options.idmap === "ridmap";
  try {
    setAttributes(field, fd, { set: MOUNT_ATTR_IDMAP, usernsFd }, recursive ? AT_RECURSIVE : 0);
  } catch (error) {
    throw explained(error, field, source, recursive && options.bind === "rbind");
  }
}

/** The kernel has one word for each of many reasons. */
function explained(error: unknown, field: string, source: string, recursive: boolean): unknown {
  if (!(error instanceof SyscallError)) return error;
  const types = [...fileSystems(source, recursive)].join(", ");
  if (error.errno === EINVAL)
    return new ConfigError(field, `cannot be id-mapped: not supported by ${types} on this kernel (${source})`);
  if (error.errno === EPERM)
    return new ConfigError(
      field,
      `cannot be id-mapped: ${source} (${types}) is so already, or its file system is not of a user namespace of tsrun's`,
    );
  return error;
}

/** The types of the file systems at a path, and below it. */
function fileSystems(path: string, recursive: boolean): Set<string> {
  const id = mountAt(path);
  const below = `${realPath(path)}/`.replace("//", "/");
  const mounts = parseMountinfo(readText("/proc/self/mountinfo"));
  const found = mounts.filter((mount) => mount.id === id || (recursive && mount.place.startsWith(below)));
  return new Set(found.map(({ type }) => type));
}

/** User namespaces by the maps that they have, each made once. */
class UserNamespaces implements Disposable {
  readonly #opened = new Map<string, number>();
  readonly #pid: number;
  readonly #uids: readonly IdMapping[];
  readonly #gids: readonly IdMapping[];

  /** `pid`: init, which is in a user namespace of the container's or not. */
  constructor(pid: number, inUserNamespace: boolean) {
    this.#pid = pid;
    this.#uids = inUserNamespace ? idMap(pid, "uid_map") : [];
    this.#gids = inUserNamespace ? idMap(pid, "gid_map") : [];
  }

  /** The descriptor of one with these maps; without maps it is the container's. */
  of(maps: IdMaps | undefined, field: string): number {
    const own = textOf(this.#uids, this.#gids);
    const uids = maps === undefined ? this.#uids : translated(maps.uids, this.#uids, field);
    const gids = maps === undefined ? this.#gids : translated(maps.gids, this.#gids, field);
    const key = textOf(uids, gids);
    // Engines repeat the container's for each mount.
    const fd = this.#opened.get(key) ?? (key === own ? this.#container(field) : makeUserNamespace(uids, gids, field));
    this.#opened.set(key, fd);
    return fd;
  }

  #container(field: string): number {
    // A map of tsrun's own would map nothing. The rules of the config refuse this first.
    if (this.#uids.length === 0)
      throw new ConfigError(field, "an id map needs maps, or a user namespace that has them");
    return open(`/proc/${this.#pid}/ns/user`, O_RDONLY);
  }

  [Symbol.dispose](): void {
    for (const fd of this.#opened.values()) close(fd);
  }
}

function textOf(uids: readonly IdMapping[], gids: readonly IdMapping[]): string {
  return `${mapText(uids)};${mapText(gids)}`;
}

/** A new user namespace with these maps. It lives on by its descriptor; the process that it is made with does not. */
function makeUserNamespace(uids: readonly IdMapping[], gids: readonly IdMapping[], field: string): number {
  using holder = Agent.spawn({ argv0: "tsrun:idmap" });
  const plan = new Plan();
  plan.at(field).add(syscall("unshare", CLONE_NEWUSER));
  new AgentKernel(holder).run(plan);
  const write = (file: string, map: readonly IdMapping[]): void => {
    const lines = map.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`);
    writeExisting(`/proc/${holder.pid}/${file}`, lines.join(""));
  };
  try {
    write("uid_map", uids);
    write("gid_map", gids);
  } catch (error) {
    throw new ConfigError(field, `the kernel does not take its id maps: ${messageOf(error)}`);
  }
  return open(`/proc/${holder.pid}/ns/user`, O_RDONLY);
}
