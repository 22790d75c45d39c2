// The namespaces that CRIU has restored a process in. They are those of the images, whatever the config says: of a container that had
// none of a type the process is in CRIU's, which is tsrun's and the host's.

import { SafetyViolation } from "../errors.ts";
import { readLink } from "../files.ts";
import { hasNamespace, NAMESPACE_FILES, type Namespaces, type NamespaceType } from "../namespaces.ts";

/**
 * Refuses a process that is in a namespace of tsrun's own and was to be in another. `later`: one that it is not to be in yet.
 * @throws SafetyViolation
 */
export function checkRestoredNamespaces(pid: number, namespaces: Namespaces, later?: NamespaceType): void {
  for (const [type, file] of Object.entries(NAMESPACE_FILES) as [NamespaceType, string][]) {
    if (type === later || !hasNamespace(namespaces, type)) continue;
    if (namespaces.joined.some((to) => to.type === type && to.isTheHosts)) continue;
    if (readLink(`/proc/${pid}/ns/${file}`) !== readLink(`/proc/self/ns/${file}`)) continue;
    throw new SafetyViolation("linux.namespaces", `CRIU has restored the process in the host's ${type} namespace`);
  }
}
