// What one more process of a container joins: the namespaces that its init has of its own or was put in, by init's pidfd, and
// its session keyring, by name. setns(2), session-keyring(7).

import type { Keyring } from "../linux/identity.ts";
import { NAMESPACE_FLAGS } from "../linux/namespaces.ts";
import type { State } from "./state-file.ts";

/**
 * The CLONE_NEW* flags of a container's namespaces; those of the host's that it shares are left out, and so is that of cgroups,
 * which the process joins by itself, by a descriptor of cgroupNamespaceOf.
 */
export function namespaceFlags({ namespaces }: State): number {
  return namespaces.reduce((flags, { type }) => (type === "cgroup" ? flags : flags + NAMESPACE_FLAGS[type]), 0);
}

/** The container's cgroup namespace; undefined where it shares the host's. */
export function cgroupNamespaceOf({ namespaces, pid }: State): string | undefined {
  return namespaces.some(({ type }) => type === "cgroup") ? `/proc/${pid}/ns/cgroup` : undefined;
}

/** The keyring that is joined; undefined where the container has none of its own. `isNew`: by its first process. */
export function keyringOf({ keyring: name }: State, isNew = false): Keyring | undefined {
  return name === undefined ? undefined : { name, isNew };
}

/** Whether the root comes with the namespaces. Without a mount namespace a process would find itself in the host's. */
export function bringsRoot({ namespaces }: State): boolean {
  return namespaces.some(({ type }) => type === "mount");
}

/** Whether a process that joins changes its user namespace. */
export function hasUserNamespace({ namespaces }: State): boolean {
  return namespaces.some(({ type }) => type === "user");
}

/** The root directory of init. */
export function rootOf({ pid }: State): string {
  return `/proc/${pid}/root`;
}
