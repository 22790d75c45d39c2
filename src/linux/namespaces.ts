// Namespaces: which are made, which are joined, in what order. namespaces(7), clone(2), setns(2), time_namespaces(7);
// runtime-spec config-linux.md#namespaces.
//
// The agent joins what has a path, then clones init with the new ones in one clone3. Some are made elsewhere:
//   - time: unshared by the agent, since its offsets must be written before a process enters it. An ordinary user has the
//     right only in a user namespace: there init unshares it, and enters it;
//   - cgroup: unshared by init, since its root is the cgroup that the process is in at that moment, and joined by it, too;
//   - ipc with a user namespace: unshared by init once that is root there, since who makes it owns its mqueue(7).

import type { Linux } from "../spec/config.gen.ts";
import { AT_FDCWD, O_RDONLY, O_WRONLY } from "./abi/fcntl.ts";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "./abi/sched.ts";
import { close, openat, syscall } from "./calls.ts";
import type { Plan } from "./plan.ts";

/** By the spec's names. */
export const NAMESPACE_FLAGS = {
  mount: CLONE_NEWNS,
  cgroup: CLONE_NEWCGROUP,
  uts: CLONE_NEWUTS,
  ipc: CLONE_NEWIPC,
  pid: CLONE_NEWPID,
  network: CLONE_NEWNET,
  time: CLONE_NEWTIME,
  user: CLONE_NEWUSER,
} as const;

/** The names in /proc/PID/ns. */
export const NAMESPACE_FILES = {
  mount: "mnt",
  cgroup: "cgroup",
  uts: "uts",
  ipc: "ipc",
  pid: "pid",
  network: "net",
  time: "time",
  user: "user",
} as const;

export type NamespaceType = keyof typeof NAMESPACE_FLAGS;

/** A namespace to join: the descriptor is one of tsrun's that the agent inherits. */
export interface JoinedNamespace {
  readonly type: NamespaceType;
  readonly path: string;
  readonly fd: number;
  /** Whether it is the one that tsrun is in itself. */
  readonly isTheHosts: boolean;
  /** Index in linux.namespaces. */
  readonly index: number;
}

/** The namespaces of a container. */
export interface Namespaces {
  readonly created: ReadonlySet<NamespaceType>;
  readonly joined: readonly JoinedNamespace[];
}

/** Whether the container has a namespace of its own or of a pod's, as opposed to the host's. */
export function hasNamespace(namespaces: Namespaces, type: NamespaceType): boolean {
  return namespaces.created.has(type) || namespaces.joined.some((joined) => joined.type === type);
}

/** The flags of the clone that makes init. */
export function cloneFlags(namespaces: Namespaces): number {
  const elsewhere = ["time", "cgroup", hasNamespace(namespaces, "user") ? "ipc" : ""];
  let flags = 0;
  for (const type of namespaces.created) if (!elsewhere.includes(type)) flags += NAMESPACE_FLAGS[type];
  return flags;
}

/**
 * Joins what is to be joined, but for a cgroup namespace. A joined user namespace comes last: its owner's rights over the others are root's already,
 * while the rights over what root owns are gone once inside. An ordinary user has rights only inside, so for one it comes first.
 */
export function planJoins(plan: Plan, { joined }: Namespaces, unprivileged: boolean): void {
  const inAgent = joined.filter(({ type }) => type !== "cgroup");
  const rank = ({ type }: JoinedNamespace): number => (type !== "user" ? 0 : unprivileged ? -1 : 1);
  const order = inAgent.toSorted((a, b) => rank(a) - rank(b));
  for (const { type, fd, index, path } of order) {
    plan.at(`linux.namespaces[${index}] (${type} ${path})`).add(syscall("setns", fd, NAMESPACE_FLAGS[type]));
    plan.add(close(fd));
  }
}

/** In init: joins the cgroup namespace that has a path. */
export function planCgroupJoin(plan: Plan, { joined }: Namespaces): void {
  const found = joined.find(({ type }) => type === "cgroup");
  if (found === undefined) return;
  plan.at(`linux.namespaces[${found.index}] (cgroup ${found.path})`);
  planJoinCgroups(plan, found.fd);
}

/**
 * Joins a cgroup namespace. Not in the agent: where cgroup2 is mounted with nsdelegate, as systemd does, who is in one may
 * not clone into a cgroup from outside of it, and the agent is outside (ENOENT). cgroups(7), "cgroup v2 delegation".
 */
export function planJoinCgroups(plan: Plan, fd: number): void {
  plan.add(syscall("setns", fd, CLONE_NEWCGROUP));
  plan.add(close(fd));
}

/** Makes the time namespace that children of the caller get, and sets its offsets. */
export function planTimeNamespace(plan: Plan, { created }: Namespaces, offsets: Linux["timeOffsets"]): void {
  if (!created.has("time")) return;
  plan.at("linux.namespaces (time)").add(syscall("unshare", CLONE_NEWTIME));
  const lines = Object.entries(offsets ?? {}).map(([clock, o]) => `${clock} ${o?.secs ?? 0} ${o?.nanosecs ?? 0}\n`);
  if (lines.length === 0) return;
  plan.at("linux.timeOffsets");
  const fd = plan.add(openat(AT_FDCWD, "/proc/self/timens_offsets", O_WRONLY));
  const text = new TextEncoder().encode(lines.join(""));
  plan.add(syscall("write", fd, text, text.length));
  plan.add(close(fd)); // init inherits what is open here
}

/** In init: makes the time namespace and enters it, which a process of one thread may. setns(2), "Time namespaces". */
export function planOwnTimeNamespace(plan: Plan, namespaces: Namespaces, offsets: Linux["timeOffsets"]): void {
  if (!namespaces.created.has("time")) return;
  planTimeNamespace(plan, namespaces, offsets);
  plan.at("linux.namespaces (time)");
  const fd = plan.add(openat(AT_FDCWD, "/proc/self/ns/time_for_children", O_RDONLY));
  plan.add(syscall("setns", fd, CLONE_NEWTIME));
  plan.add(close(fd));
}
