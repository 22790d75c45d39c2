// The bundles that are measured: a minimal one, configured as `runc spec` writes it (terminal off), and one configured as
// Docker 20.10 does for `docker run` (docker.json: taken from a real dockerd; seccomp filter, capabilities, masked paths,
// bound /etc files; without its own network hook, and with sources inside the bundle).

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeRootfs } from "../test/root/harness/rootfs.ts";

type Json = { [key: string]: unknown };

/** The kinds of configuration that are measured. */
export const KINDS = ["minimal", "docker"] as const;
export type Kind = (typeof KINDS)[number];

const FEW = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];
const NONE = ["nosuid", "noexec", "nodev"];

const MINIMAL: Json = {
  ociVersion: "1.0.2",
  process: {
    terminal: false,
    user: { uid: 0, gid: 0 },
    args: ["true"],
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
    cwd: "/",
    capabilities: { bounding: FEW, effective: FEW, permitted: FEW },
    rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
    noNewPrivileges: true,
  },
  root: { path: "rootfs", readonly: true },
  hostname: "bench",
  mounts: [
    { destination: "/proc", type: "proc", source: "proc" },
    {
      destination: "/dev",
      type: "tmpfs",
      source: "tmpfs",
      options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
    },
    {
      destination: "/dev/pts",
      type: "devpts",
      source: "devpts",
      options: ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
    },
    { destination: "/dev/shm", type: "tmpfs", source: "shm", options: [...NONE, "mode=1777", "size=65536k"] },
    { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: NONE },
    { destination: "/sys", type: "sysfs", source: "sysfs", options: [...NONE, "ro"] },
    { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: [...NONE, "relatime", "ro"] },
  ],
  linux: {
    resources: { devices: [{ allow: false, access: "rwm" }] },
    namespaces: ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type })),
    maskedPaths: [
      ...["/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list"],
      ...["/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"],
    ],
    readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
  },
};

/** What a bundle runs, and within how much memory. */
export interface Wish {
  readonly kind: Kind;
  readonly args: readonly string[];
  /** Bytes; no limit when undefined. */
  readonly memory?: number;
  readonly cgroupsPath: string;
}

/** Makes a bundle, or configures one that is there anew; returns its directory. */
export function makeBundle(directory: string, wish: Wish): string {
  const rootfs = join(directory, "rootfs");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "config.json"), JSON.stringify(configure(wish), null, 2));
  return exists(rootfs) ? directory : fill(directory, rootfs);
}

function fill(directory: string, rootfs: string): string {
  makeRootfs(rootfs);
  mkdirSync(join(directory, "etc"));
  for (const name of ["resolv.conf", "hostname", "hosts"]) writeFileSync(join(directory, "etc", name), "");
  return directory;
}

function configure({ kind, args, memory, cgroupsPath }: Wish): Json {
  const config = kind === "minimal" ? structuredClone(MINIMAL) : dockers();
  Object.assign(config.process as Json, { args });
  const linux = config.linux as Json;
  linux.cgroupsPath = cgroupsPath;
  if (memory !== undefined) linux.resources = { ...(linux.resources as Json), memory: { limit: memory } };
  return config;
}

function dockers(): Json {
  return JSON.parse(readFileSync(fileURLToPath(new URL("docker.json", import.meta.url)), "utf8")) as Json;
}

function exists(path: string): boolean {
  try {
    readFileSync(join(path, "etc/passwd"));
    return true;
  } catch {
    return false;
  }
}
