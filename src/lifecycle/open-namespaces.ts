// linux.namespaces as what to make and what to join. What has a path is opened on the host, before anything is entered.

import { O_RDONLY } from "../linux/abi/fcntl.ts";
import { ConfigError } from "../linux/errors.ts";
import { readLink } from "../linux/files.ts";
import { type JoinedNamespace, NAMESPACE_FILES, type Namespaces, type NamespaceType } from "../linux/namespaces.ts";
import type { Linux } from "../spec/config.gen.ts";
import type { Descriptors } from "./descriptors.ts";
import { messageOf } from "./message.ts";

/** Opens the namespaces that have a path, for the agent. */
export function openNamespaces(linux: Linux | undefined, descriptors: Descriptors): Namespaces {
  const created = new Set<NamespaceType>();
  const joined: JoinedNamespace[] = [];
  for (const [index, { type, path }] of (linux?.namespaces ?? []).entries()) {
    if (path === undefined || path === "") created.add(type);
    else joined.push(open(type, path, index, descriptors));
  }
  return { created, joined };
}

function open(type: NamespaceType, path: string, index: number, descriptors: Descriptors): JoinedNamespace {
  try {
    const fd = descriptors.open(path, O_RDONLY);
    const own = readLink(`/proc/self/ns/${NAMESPACE_FILES[type]}`);
    return { type, path, index, fd, isTheHosts: readLink(`/proc/self/fd/${fd}`) === own };
  } catch (error) {
    throw new ConfigError(`linux.namespaces[${index}] (${type})`, messageOf(error));
  }
}
