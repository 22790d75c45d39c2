// Namespaces that the config has a path for: others are in them, too. A network or pid namespace CRIU leaves out of its images, under
// a name, and restores into the one that a descriptor of that name is of; of the others it dumps what they hold and
// joins by path.

import { ConfigError } from "../errors.ts";
import { readLink } from "../files.ts";
import { type JoinedNamespace, NAMESPACE_FILES, type NamespaceType } from "../namespaces.ts";
import type { CriuOptions } from "./messages.ts";

/** The names that runc gives them, so that its images and tsrun's are alike. */
const NAMES: { readonly [T in NamespaceType]?: string } = { network: "extRootNetNS", pid: "extRootPidNS" };

/** Of those that cannot be joined: CRIU has the container in a user namespace of its own by the time that it would join another. */
const REFUSED: ReadonlySet<NamespaceType> = new Set(["cgroup", "user"]);

/**
 * For a dump: `net[4026532008]:NAME`, by the number of the namespace that the process is in. @throws ConfigError for what a restore
 * could not join
 */
export function namespacesToName(joined: readonly NamespaceType[], pid: number): string[] {
  return joined.flatMap((type) => {
    refuse(type, "linux.namespaces");
    const file = NAMESPACE_FILES[type];
    const name = NAMES[type];
    if (name === undefined) return [];
    const number = readLink(`/proc/${pid}/ns/${file}`).replace(/^.*\[|\]$/g, "");
    return [`${file}[${number}]:${name}`];
  });
}

/** For a restore; the descriptors must be criu's, too. @throws ConfigError for what cannot be joined */
export function namespacesToJoin(
  joined: readonly JoinedNamespace[],
): Required<Pick<CriuOptions, "inherit_fd" | "join_ns">> {
  const inherited = joined.filter(({ type }) => NAMES[type] !== undefined);
  const others = joined.filter(({ type }) => NAMES[type] === undefined);
  for (const { type, index } of others) refuse(type, `linux.namespaces[${index}]`);
  return {
    inherit_fd: inherited.map(({ type, fd }) => ({ key: NAMES[type] ?? "", fd })),
    join_ns: others.map(({ type, path }) => ({ ns: NAMESPACE_FILES[type], ns_file: path })),
  };
}

function refuse(type: NamespaceType, field: string): void {
  if (REFUSED.has(type)) throw new ConfigError(field, `CRIU cannot join a ${type} namespace`);
}
