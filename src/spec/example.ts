// The config.json that the `spec` command writes: a shell on a read-only root file system, isolated in all that costs
// nothing. Its shape is runc's, which people know and edit by script.

import type { Config, Mount, NamespaceType } from "./config.gen.ts";
import { SPEC_VERSION } from "./version.ts";

/** What the example depends on. */
export interface ExampleOptions {
  /** For a caller without privileges: one id mapped, no network namespace, no limits. */
  readonly rootless?: boolean;
  /** The host has only cgroup v2, where a cgroup namespace is of use. */
  readonly cgroup2?: boolean;
  /** Host ids that the container's root stands for, when rootless. */
  readonly uid?: number;
  readonly gid?: number;
}

const CAPABILITIES = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"];

const MOUNTS: readonly Mount[] = [
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
  {
    destination: "/dev/shm",
    type: "tmpfs",
    source: "shm",
    options: ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
  },
  { destination: "/dev/mqueue", type: "mqueue", source: "mqueue", options: ["nosuid", "noexec", "nodev"] },
  { destination: "/sys", type: "sysfs", source: "sysfs", options: ["nosuid", "noexec", "nodev", "ro"] },
  {
    destination: "/sys/fs/cgroup",
    type: "cgroup",
    source: "cgroup",
    options: ["nosuid", "noexec", "nodev", "relatime", "ro"],
  },
];

const MASKED_PATHS = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/sys/firmware",
  "/proc/scsi",
];

const READONLY_PATHS = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/** The example, a fresh object each time. */
export function exampleConfig(options: ExampleOptions = {}): Config {
  const { rootless = false, uid = 0, gid = 0 } = options;
  return {
    ociVersion: SPEC_VERSION,
    process: {
      terminal: true,
      user: { uid: 0, gid: 0 },
      args: ["sh"],
      env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
      cwd: "/",
      capabilities: {
        bounding: [...CAPABILITIES],
        effective: [...CAPABILITIES],
        permitted: [...CAPABILITIES],
      },
      rlimits: [{ type: "RLIMIT_NOFILE", hard: 1024, soft: 1024 }],
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "tsrun",
    mounts: MOUNTS.map((mount) => copyOf(rootless ? rootlessMount(mount) : mount)),
    linux: {
      ...(rootless
        ? {
            uidMappings: [{ containerID: 0, hostID: uid, size: 1 }],
            gidMappings: [{ containerID: 0, hostID: gid, size: 1 }],
          }
        : { resources: { devices: [{ allow: false, access: "rwm" }] } }),
      namespaces: namespaceTypes(options).map((type) => ({ type })),
      maskedPaths: [...MASKED_PATHS],
      readonlyPaths: [...READONLY_PATHS],
    },
  };
}

/** Its text, as the `spec` command writes it. */
export function exampleText(options: ExampleOptions = {}): string {
  return JSON.stringify(exampleConfig(options), null, "\t");
}

function namespaceTypes({ rootless = false, cgroup2 = false }: ExampleOptions): NamespaceType[] {
  return [
    "pid",
    // A new one would have no way out, and an unprivileged caller cannot make one.
    ...(rootless ? [] : (["network"] as const)),
    "ipc",
    "uts",
    "mount",
    ...(rootless ? (["user"] as const) : []),
    ...(cgroup2 ? (["cgroup"] as const) : []),
  ];
}

/** The caller may change what it is given. */
function copyOf(mount: Mount): Mount {
  return mount.options === undefined ? { ...mount } : { ...mount, options: [...mount.options] };
}

/** sysfs cannot be mounted without a network namespace of one's own, and of all groups only 0 is mapped. */
function rootlessMount(mount: Mount): Mount {
  if (mount.destination === "/sys") {
    return {
      destination: "/sys",
      type: "none",
      source: "/sys",
      options: ["rbind", "nosuid", "noexec", "nodev", "ro"],
    };
  }
  const { options, ...rest } = mount;
  return options === undefined ? rest : { ...rest, options: options.filter((option) => !/^[ug]id=/.test(option)) };
}
