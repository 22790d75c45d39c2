// linux.namespaces as what to make and what to join. What has a path is opened on the host, before anything is entered.

import { ConfigError } from "../linux/errors.ts";
import type { JoinedNamespace, Namespaces, NamespaceType } from "../linux/namespaces.ts";
import type { Linux } from "../spec/config.gen.ts";
import type { Descriptors } from "./descriptors.ts";
import { messageOf } from "./message.ts";

/** Opens the namespaces that have a path, for the agent. */
export function openNamespaces(linux: Linux | undefined, descriptors: Descriptors): Namespaces {
  const created = new Set<NamespaceType>();
  const joined: JoinedNamespace[] = [];
  for (const [index, { type, path }] of (linux?.namespaces ?? []).entries()) {
    if (path === undefined || path === "") created.add(type);
    else joined.push({ type, path, index, fd: open(path, `linux.namespaces[${index}] (${type})`, descriptors) });
  }
  return { created, joined };
}

function open(path: string, field: string, descriptors: Descriptors): number {
  try {
    return descriptors.open(path, "r");
  } catch (error) {
    throw new ConfigError(field, messageOf(error));
  }
}
