// linux.sysctl: kernel parameters of the container's namespaces, written through a procfs that tsrun mounted itself, below
// which nothing else can be mounted or linked to (CVE-2025-52881). runtime-spec config-linux.md#sysctl; proc_sys(5).

import { O_WRONLY, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV } from "./abi/fcntl.ts";
import { close, openat2, syscall } from "./calls.ts";
import { ConfigError } from "./errors.ts";
import type { Namespaces, NamespaceType } from "./namespaces.ts";
import { planProc, type RootBuilder } from "./rootfs.ts";

const RESOLVE = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

/** Writes every parameter, in the order of the config. */
export function planSysctl(to: RootBuilder): void {
  const entries = Object.entries(to.config.linux?.sysctl ?? {});
  if (entries.length === 0) return;
  to.plan.at("linux.sysctl");
  const proc = planProc(to);
  for (const [key, value] of entries) {
    const field = `linux.sysctl["${key}"]`;
    checkNamespaceIsNotTheHosts(field, key, to.namespaces);
    to.plan.at(field);
    const file = to.plan.add(openat2(proc, `sys/${sysctlPath(key)}`, O_WRONLY, RESOLVE));
    const bytes = new TextEncoder().encode(value);
    to.plan.add(syscall("write", file, bytes, bytes.length));
    to.plan.add(close(file));
  }
}

/**
 * The path of a parameter below /proc/sys. Both separators are in use (sysctl(8)): whichever comes first separates, the
 * other is part of a name, as in `net/ipv4/conf/eth0.100/rp_filter` and `net.ipv4.conf.eth0/100.rp_filter`.
 */
export function sysctlPath(key: string): string {
  const first = key.search(/[./]/);
  if (key[first] !== ".") return key;
  return key.replace(/[./]/g, (separator) => (separator === "." ? "/" : "."));
}

/** What is joined may be the host's own. The parameters of other namespaces are refused by the rules for configs. */
function checkNamespaceIsNotTheHosts(field: string, key: string, { joined }: Namespaces): void {
  const path = sysctlPath(key);
  const type = PREFIXES.find(([prefix]) => path.startsWith(prefix))?.[1] ?? "ipc";
  if (joined.find((namespace) => namespace.type === type)?.isTheHosts)
    throw new ConfigError(field, `the ${type} namespace is the host's`);
}

const PREFIXES: readonly (readonly [prefix: string, type: NamespaceType])[] = [
  ["net/", "network"],
  ["user/", "user"],
  ["kernel/domainname", "uts"],
];
