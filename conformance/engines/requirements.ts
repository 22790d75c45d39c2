// What operations of engines need of the kernel beside the engine, and the reason for the table where it is not there.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Missing } from "../../test/root/harness/needs.ts";
import { SYSTEMD_SOCKET } from "../../test/root/harness/runtime.ts";

/** Needs a cgroup controller, of either version. */
export function controller(name: string): Missing {
  const unified = "/sys/fs/cgroup/cgroup.controllers";
  const known = existsSync(unified)
    ? readFileSync(unified, "utf8").trim().split(" ").includes(name)
    : existsSync(`/sys/fs/cgroup/${name}`);
  return known ? undefined : `this kernel has no cgroup controller ${name}`;
}

/** Needs cgroups of version 1, for what version 2 has done away with. */
export function dividedCgroups(what: string): Missing {
  return existsSync("/sys/fs/cgroup/memory") ? undefined : `cgroup v2 has no ${what}`;
}

/** Needs the kernel to count what is swapped: by the file that a cgroup has then. */
export function swapLimits(): Missing {
  const files = ["memory/memory.memsw.limit_in_bytes", "init.scope/memory.swap.max"];
  return files.some((file) => existsSync(join("/sys/fs/cgroup", file))) ? undefined : "this kernel does not limit swap";
}

/** The path of a block device, if there is one. */
export function blockDevice(): string | undefined {
  const paths = readdirSync("/sys/block").map((name) => join("/dev", name));
  return paths.find((path) => existsSync(path));
}

/** Needs a block device whose rate a cgroup can limit. */
export function limitedDevice(): Missing {
  if (blockDevice() === undefined) return "there is no block device here";
  const throttled = existsSync("/sys/fs/cgroup/blkio/blkio.throttle.read_bps_device");
  return throttled || controller("io") === undefined
    ? undefined
    : "this kernel does not limit the rate of block devices";
}

/** Needs all capabilities: some engines ask for all that the kernel knows. */
export function allCapabilities(): Missing {
  const last = Number(readFileSync("/proc/sys/kernel/cap_last_cap", "utf8"));
  const bounding = /^CapBnd:\t(\S+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  const all = BigInt(`0x${bounding}`) === (1n << BigInt(last + 1)) - 1n;
  return all ? undefined : `this machine's root does not have all capabilities (its bounding set is ${bounding})`;
}

/** Needs mounts at / to be shared: where they are private, engines refuse that a container's follow them. */
export function rootIsShared(): Missing {
  const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const root = lines.find((line) => line.split(" ")[4] === "/");
  return root?.includes(" shared:") ? undefined : "the root mount is not shared here";
}

/** Needs systemd, for what. */
export function systemd(purpose: string): Missing {
  return existsSync(SYSTEMD_SOCKET) ? undefined : `systemd, which ${purpose}, does not run here`;
}

/** Needs cgroups of version 2, because of what is said of version 1. */
export function unifiedCgroups(reason: string): Missing {
  return existsSync("/sys/fs/cgroup/cgroup.controllers") ? undefined : `cgroup v1: ${reason}`;
}

/** Needs the project's guest, which is thrown away with what is left in the usual folders. */
export function inGuest(): Missing {
  return existsSync("/usr/local/sbin/vm-agent") ? undefined : "only in a guest: it uses the machine's own folders";
}

/** Needs network address translation, tried in a network namespace that ends with it. */
export function nat(): Missing {
  const rules = [
    "iptables -t nat -A POSTROUTING -s 10.1.0.0/16 -j MASQUERADE",
    "iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j ACCEPT",
  ];
  return tried(rules.join(" && ")) ? undefined : "this kernel has no NAT for iptables";
}

/** Needs network address translation by nftables, as netavark sets it up. */
export function natByNftables(): Missing {
  const chain = "'{ type nat hook postrouting priority 0; }'";
  const script = `PATH=$PATH:/usr/sbin; nft add table ip t && nft add chain ip t c ${chain} && nft add rule ip t c masquerade`;
  const { status, stderr } = spawnSync("unshare", ["--net", "sh", "-c", script], { encoding: "utf8" });
  return status === 0 ? undefined : `no NAT by nftables: ${stderr.split("\n")[0]}`;
}

/** Needs IPVS, which spreads connections over servers, and the packet filter's match of what it has taken. */
export function ipvs(): Missing {
  const script = "iptables -t nat -A POSTROUTING -m ipvs --ipvs -j ACCEPT && test -e /proc/net/ip_vs";
  return tried(script) ? undefined : "this kernel has no IPVS for iptables";
}

/** Needs a bridge and pairs of network devices. */
export function bridge(): Missing {
  const made = tried(
    "ip link add name b type bridge && ip link add name v type veth peer name w && ip link set v master b",
  );
  return made ? undefined : "this kernel has no bridge or no veth";
}

/** What a command says of its flags; nothing where it is not installed. */
export function helpOf(program: string, ...command: string[]): string {
  const { stdout } = spawnSync(program, [...command, "--help"], { encoding: "utf8" });
  return stdout ?? "";
}

function tried(script: string): boolean {
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  return spawnSync("unshare", ["--net", "sh", "-c", script], { env, stdio: "ignore" }).status === 0;
}
