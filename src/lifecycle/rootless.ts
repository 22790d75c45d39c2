// What a container of an ordinary user needs of its config.

import { ConfigError } from "../linux/errors.ts";
import { hasNamespace, type Namespaces } from "../linux/namespaces.ts";
import { inUserNamespace } from "../linux/user-namespace.ts";
import type { Config } from "../spec/config.gen.ts";
import type { Globals } from "./command.ts";
import { isOwnAlone } from "./id-maps.ts";
import { isOrdinaryUser } from "./users.ts";

/** Refuses what cannot be, before anything is made. The first words are runc's. @throws ConfigError */
export function checkRootless({ process, linux }: Config, namespaces: Namespaces): void {
  if (!isOrdinaryUser()) return;
  if (!hasNamespace(namespaces, "user"))
    throw new ConfigError("linux.namespaces", "rootless container requires user namespaces: add one, or run as root");
  const groups = process?.user?.additionalGids ?? [];
  if (groups.length > 0 && namespaces.created.has("user") && isOwnAlone("gid", linux?.gidMappings ?? []))
    throw new ConfigError("process.user.additionalGids", GROUPS_DENIED);
}

const GROUPS_DENIED =
  "cannot set any additional groups in a rootless container whose linux.gidMappings have the caller's own alone";

/** Whether permissions for cgroups may be missing. Asked only once one is. */
export function isRootless(asked: Globals["rootless"]): boolean {
  return asked === "auto" ? isOrdinaryUser() || inUserNamespace() : asked;
}
