// linux.sysctl: kernel parameters of the container's namespaces, written through a procfs that tsrun mounted itself, below
// which nothing else can be mounted or linked to (CVE-2025-52881). runtime-spec config-linux.md#sysctl; proc_sys(5).

import { O_WRONLY, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV } from "./abi/fcntl.ts";
import { close, openat2, syscall } from "./calls.ts";
import { ConfigError } from "./errors.ts";
import type { Namespaces } from "./namespaces.ts";
import { planProc, type RootBuilder } from "./rootfs.ts";

const RESOLVE = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;

/** Writes every parameter, in the order of the config. */
export function planSysctl(to: RootBuilder): void {
  const entries = Object.entries(to.config.linux?.sysctl ?? {});
  if (entries.length === 0) return;
  const proc = planProc(to);
  for (const [key, value] of entries) {
    const field = `linux.sysctl["${key}"]`;
    checkNetworkIsNotTheHosts(field, key, to.namespaces);
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

/** A network namespace that is joined may be the host's own. */
function checkNetworkIsNotTheHosts(field: string, key: string, { joined }: Namespaces): void {
  const network = joined.find(({ type }) => type === "network");
  if (network === undefined || !sysctlPath(key).startsWith("net/")) return;
  if (network.isTheHosts) throw new ConfigError(field, "the network namespace is the host's");
}
