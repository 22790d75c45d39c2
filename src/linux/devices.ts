// Device nodes and links in /dev: the ones that every container has, and linux.devices. runtime-spec
// config-linux.md#devices, #default-devices; mknod(2), null(4), full(4), tty(4), pts(4).
//
// /dev is opened without following links, before anything is made in it: an image that ships /dev as a link must not make
// tsrun work elsewhere (CVE-2026-41579). What is there already keeps its owner: it may be a file of a volume's.
// In a user namespace, the container's own or tsrun's, mknod is refused, so the host's node is bound instead.

import type { Device } from "../spec/config.gen.ts";
import { AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW, O_DIRECTORY, O_PATH, RESOLVE_NO_SYMLINKS } from "./abi/fcntl.ts";
import {
  makedev,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  STATX_BASIC_STATS,
  STATX_MODE,
  STATX_RDEV_MAJOR,
  STATX_RDEV_MINOR,
  STATX_SIZE,
} from "./abi/stat.ts";
import { cloneTree, close, mkdirat, moveMount, openat2, syscall } from "./calls.ts";
import { ConfigError } from "./errors.ts";
import { hasNamespace } from "./namespaces.ts";
import { namesIn } from "./paths.ts";
import { type Late, Out } from "./plan.ts";
import type { RootBuilder } from "./rootfs.ts";

const FILE_TYPES = { c: S_IFCHR, u: S_IFCHR, b: S_IFBLK, p: S_IFIFO } as const;

function character(path: string, major: number, minor: number): Device {
  return { type: "c", path, major, minor, fileMode: 0o666, uid: 0, gid: 0 };
}

/** The nodes that the spec wants in every container. */
export const DEFAULT_DEVICES: readonly Device[] = [
  character("/dev/null", 1, 3),
  character("/dev/zero", 1, 5),
  character("/dev/full", 1, 7),
  character("/dev/random", 1, 8),
  character("/dev/urandom", 1, 9),
  character("/dev/tty", 5, 0),
];

const LINKS: readonly (readonly [name: string, target: string])[] = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
];

/** Makes devices and links, unless the config mounts a /dev of its own choice over all of it. */
export function planDevices(to: RootBuilder): void {
  if (bindsDev(to)) return;
  const configured = to.config.linux?.devices ?? [];
  const paths = new Set(configured.map((device) => normalize(device.path)));
  const bound = hasNamespace(to.namespaces, "user") || to.host.inUserNamespace();
  to.plan.at("linux.devices (default)");
  to.plan.tolerate("EEXIST", mkdirat(to.inRoot.root, "dev", 0o755));
  const dev = to.plan.add(openat2(to.inRoot.root, "dev", O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS));
  for (const device of DEFAULT_DEVICES) if (!paths.has(device.path)) planDevice(to, dev, device, bound, undefined);
  for (const [i, device] of configured.entries()) {
    // A pts device belongs to its devpts: /dev/ptmx is a link there.
    if (normalize(device.path) !== "/dev/ptmx")
      planDevice(to, dev, device, bound, `linux.devices[${i}] (${device.path})`);
  }
  planLinks(to, dev);
  to.plan.add(close(dev));
}

function bindsDev({ config }: RootBuilder): boolean {
  return (config.mounts ?? []).some(
    ({ destination, type, options }) =>
      normalize(destination) === "/dev" &&
      (type === "bind" || (options ?? []).some((option) => option === "bind" || option === "rbind")),
  );
}

function normalize(path: string): string {
  return `/${namesIn(path).join("/")}`;
}

/** One node; `field` is set for those that the config asks for, which must be what was asked for. */
function planDevice(to: RootBuilder, dev: Late, device: Device, bound: boolean, field: string | undefined): void {
  to.plan.at(field ?? "linux.devices (default)");
  inParent(to, dev, device.path, (parent, name) => {
    if (bound && device.type !== "p") planBoundDevice(to, parent, name, device);
    else planNode(to, parent, name, device, field);
  });
}

/** Calls on the directory of a path, which is `dev` for most. */
function inParent(to: RootBuilder, dev: Late, path: string, calls: (parent: Late, name: string) => void): void {
  const [top, name, ...more] = namesIn(path);
  if (top === "dev" && name !== undefined && more.length === 0) calls(dev, name);
  else to.inRoot.inParent(to.plan, path, calls);
}

function planNode(to: RootBuilder, parent: Late, name: string, device: Device, field: string | undefined): void {
  const { plan } = to;
  const type = FILE_TYPES[device.type];
  const mode = (device.fileMode ?? 0o666) & 0o7777;
  const number = device.type === "p" ? 0 : makedev(Number(device.major ?? 0), Number(device.minor ?? 0));
  const make = syscall("mknodat", parent, name, type | mode, number);
  const give = (): void => {
    plan.add(syscall("fchownat", parent, name, device.uid ?? 0, device.gid ?? 0, AT_SYMLINK_NOFOLLOW));
  };
  if (field === undefined) plan.unless("EEXIST", make, give);
  else plan.branch("EEXIST", make, give, () => planCheck(to, parent, name, device, field));
}

/** Something is there already: the spec wants an error if it is something else. */
function planCheck(to: RootBuilder, parent: Late, name: string, device: Device, field: string): void {
  const statx = new Out(STATX_SIZE);
  to.plan.add(syscall("statx", parent, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, statx));
  to.checks.push((answers) => {
    const view = new DataView(answers.bytes(statx).slice().buffer);
    const type = view.getUint16(STATX_MODE, true) & S_IFMT;
    if (type === 0) return; // The call was skipped: nothing was there.
    const major = view.getUint32(STATX_RDEV_MAJOR, true);
    const minor = view.getUint32(STATX_RDEV_MINOR, true);
    const same = major === Number(device.major ?? 0) && minor === Number(device.minor ?? 0);
    if (type !== FILE_TYPES[device.type] || (device.type !== "p" && !same))
      throw new ConfigError(field, "something else is at this path already");
  });
}

function planBoundDevice({ plan }: RootBuilder, parent: Late, name: string, device: Device): void {
  const node = plan.add(cloneTree(AT_FDCWD, normalize(device.path)));
  plan.tolerate("EEXIST", syscall("mknodat", parent, name, S_IFREG | 0o644, 0));
  const target = plan.add(openat2(parent, name, O_PATH, RESOLVE_NO_SYMLINKS));
  plan.add(moveMount(node, target));
  plan.add(close(target));
  plan.add(close(node));
}

function planLinks(to: RootBuilder, dev: Late): void {
  const { plan, host } = to;
  plan.at("linux.devices (links)");
  const links = host.exists("/proc/kcore") ? [...LINKS, ["core", "/proc/kcore"] as const] : LINKS;
  for (const [name, target] of links) plan.tolerate("EEXIST", syscall("symlinkat", target, dev, name));
  planPtmx(to, dev);
}

/** The container's own terminals: whatever /dev/ptmx was in the image, it is a link to those. */
function planPtmx(to: RootBuilder, dev: Late): void {
  const { plan } = to;
  const link = syscall("symlinkat", "pts/ptmx", dev, "ptmx");
  plan.orElse("EEXIST", link, () => {
    plan.orElse("EISDIR", syscall("unlinkat", dev, "ptmx", 0), () =>
      plan.add(syscall("unlinkat", dev, "ptmx", AT_REMOVEDIR)),
    );
    plan.add(link);
  });
}
