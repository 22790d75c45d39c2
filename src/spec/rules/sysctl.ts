// config-linux.md: Sysctl. Only what belongs to a namespace of the container's own may be set: everything else in /proc/sys
// is the host's. Whether a joined namespace is the host's after all, src/linux finds out.

import type { Config, NamespaceType } from "../config.gen.ts";
import type { Report } from "../rules.ts";
import { hasNamespace } from "./namespaces.ts";

const IPC: ReadonlySet<string> = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shm_rmid_forced",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
]);

export function sysctlRules(config: Config, report: Report): void {
  for (const key of Object.keys(config.linux?.sysctl ?? {})) {
    const problem = problemOf(canonical(key), config);
    if (problem !== undefined) report(["linux", "sysctl", key], problem);
  }
}

/**
 * The dotted form of a key, with "/" where a name has a dot. sysctl(8): the separator is the first of "." and "/" that
 * occurs; when that is "/", dots belong to the names ("net/ipv4/conf/eno2.100/rp_filter").
 */
function canonical(key: string): string {
  const separator = /[./]/.exec(key)?.[0];
  return separator === "/" ? key.replaceAll(/[./]/g, (character) => (character === "/" ? "." : "/")) : key;
}

function problemOf(name: string, config: Config): string | undefined {
  // In the dotted form a "/" stands for a dot: "net.//.kernel" would lead out of net.
  const parts = name.split(".").map((part) => part.replaceAll("/", "."));
  if (parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0"))) {
    return "is not the name of a kernel parameter";
  }
  if (name === "kernel.hostname") return "is set by /hostname";
  if (name === "kernel.domainname" && config.domainname) return "is set by /domainname already";
  const type = namespaceOf(name);
  if (type === undefined) return "belongs to no namespace: it would be set on the host";
  return hasNamespace(config, type) ? undefined : `needs a ${type} namespace in /linux/namespaces`;
}

function namespaceOf(name: string): NamespaceType | undefined {
  if (name.startsWith("net.")) return "network";
  if (name.startsWith("user.")) return "user";
  if (name.startsWith("fs.mqueue.") || IPC.has(name)) return "ipc";
  return name === "kernel.domainname" ? "uts" : undefined;
}
