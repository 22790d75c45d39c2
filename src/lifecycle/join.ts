// Which namespaces one more process of a container joins: those that its init has of its own or was put in, by init's pidfd.
// setns(2).

import { NAMESPACE_FLAGS } from "../linux/namespaces.ts";
import type { State } from "./state-file.ts";

/** The CLONE_NEW* flags of a container's namespaces; those of the host's that it shares are left out. */
export function namespaceFlags({ namespaces }: State): number {
  return namespaces.reduce((flags, { type }) => flags + NAMESPACE_FLAGS[type], 0);
}
