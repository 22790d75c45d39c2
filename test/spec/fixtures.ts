// Configs that the tests of this room share: what `runc spec` and an engine such as Docker write, and one with every field
// that the schemas know, for mutations to start from.

import type { Config, Mount, SeccompRule } from "../../src/spec/config.gen.ts";
import { SpecError } from "../../src/spec/errors.ts";
import { exampleConfig } from "../../src/spec/example.ts";

/** The smallest config with which a container can be started. */
export function minimalConfig(): Config {
  return { ociVersion: "1.3.0", root: { path: "rootfs" }, process: { cwd: "/", args: ["sh"] } };
}

/** One of every namespace, new. */
export const ALL_NAMESPACES = ["pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time"] as const;

/** A config in which every field of the specification that concerns Linux is set, validly. */
export function fullConfig(): Config {
  const mapping = { containerID: 0, hostID: 100000, size: 65536 };
  const hook = { path: "/bin/true", args: ["true"], env: ["A=b"], timeout: 5 };
  const rate = { major: 8, minor: 0, rate: 1048576 };
  return {
    ociVersion: "1.3.0",
    root: { path: "rootfs", readonly: true },
    process: {
      terminal: true,
      consoleSize: { height: 24, width: 80 },
      cwd: "/",
      env: ["PATH=/bin", "EMPTY="],
      args: ["sh", "-c", "true"],
      user: { uid: 1, gid: 2, umask: 18, additionalGids: [3] },
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 1024, hard: 4096 }],
      capabilities: {
        bounding: ["CAP_KILL"],
        effective: ["CAP_KILL"],
        inheritable: ["CAP_KILL"],
        permitted: ["CAP_KILL"],
        ambient: ["CAP_KILL"],
      },
      noNewPrivileges: true,
      oomScoreAdj: 100,
      apparmorProfile: "profile",
      selinuxLabel: "system_u:system_r:svirt_lxc_net_t:s0",
      scheduler: {
        policy: "SCHED_OTHER",
        nice: 5,
        priority: 0,
        flags: ["SCHED_FLAG_RESET_ON_FORK"],
        runtime: 0,
        deadline: 0,
        period: 0,
      },
      ioPriority: { class: "IOPRIO_CLASS_BE", priority: 4 },
      execCPUAffinity: { initial: "0-3,7", final: "1" },
    },
    hostname: "host",
    domainname: "domain",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      {
        destination: "/data",
        type: "none",
        source: "data",
        options: ["rbind", "ridmap"],
        uidMappings: [mapping],
        gidMappings: [mapping],
      },
    ],
    hooks: {
      prestart: [hook],
      createRuntime: [hook],
      createContainer: [hook],
      startContainer: [hook],
      poststart: [hook],
      poststop: [hook],
    },
    annotations: { "org.example": "value" },
    linux: {
      namespaces: ALL_NAMESPACES.map((type) => (type === "network" ? { type, path: "/run/netns/a" } : { type })),
      uidMappings: [mapping],
      gidMappings: [mapping],
      timeOffsets: { monotonic: { secs: -5, nanosecs: 1 }, boottime: { secs: 5, nanosecs: 999_999_999 } },
      devices: [{ type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o666, uid: 0, gid: 0 }],
      netDevices: { eth0: { name: "container_eth0" } },
      cgroupsPath: "/a/b",
      resources: {
        devices: [{ allow: false, type: "a", major: -1, minor: -1, access: "rwm" }],
        memory: {
          limit: 536870912,
          reservation: 1024,
          swap: 536870912,
          kernel: -1,
          kernelTCP: -1,
          swappiness: 60,
          disableOOMKiller: false,
          useHierarchy: true,
          checkBeforeUpdate: true,
        },
        cpu: {
          shares: 1024,
          quota: 100000,
          burst: 1000,
          period: 100000,
          realtimeRuntime: 1,
          realtimePeriod: 2,
          cpus: "0-1",
          mems: "0",
          idle: 0,
        },
        pids: { limit: 100 },
        blockIO: {
          weight: 100,
          leafWeight: 100,
          weightDevice: [{ major: 8, minor: 0, weight: 500, leafWeight: 300 }],
          throttleReadBpsDevice: [rate],
          throttleWriteBpsDevice: [rate],
          throttleReadIOPSDevice: [rate],
          throttleWriteIOPSDevice: [rate],
        },
        hugepageLimits: [{ pageSize: "2MB", limit: 4194304 }],
        network: { classID: 1048577, priorities: [{ name: "eth0", priority: 500 }] },
        rdma: { mlx5_1: { hcaHandles: 3, hcaObjects: 10000 } },
        unified: { "memory.high": "1G" },
      },
      rootfsPropagation: "slave",
      seccomp: {
        defaultAction: "SCMP_ACT_ERRNO",
        defaultErrnoRet: 38,
        architectures: ["SCMP_ARCH_X86_64"],
        flags: ["SECCOMP_FILTER_FLAG_LOG"],
        listenerPath: "/run/listener.sock",
        listenerMetadata: "opaque",
        syscalls: [
          {
            names: ["clone"],
            action: "SCMP_ACT_TRACE",
            errnoRet: 1,
            args: [{ index: 0, value: 2114060288, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
          },
        ],
      },
      sysctl: { "net.core.somaxconn": "256" },
      maskedPaths: ["/proc/kcore"],
      readonlyPaths: ["/proc/sys"],
      mountLabel: "system_u:object_r:svirt_sandbox_file_t:s0",
      intelRdt: {
        closID: "group",
        schemata: ["L3:0=f"],
        l3CacheSchema: "L3:0=f",
        memBwSchema: "MB:0=20",
        enableMonitoring: true,
      },
      memoryPolicy: { mode: "MPOL_BIND", nodes: "0-1,3", flags: ["MPOL_F_STATIC_NODES"] },
      personality: { domain: "LINUX32", flags: [] },
    },
  };
}

/** What Docker writes for a plain container: the size of a real config, with its long seccomp profile. */
export function dockerConfig(allowed = 360): Config {
  const config = exampleConfig({ cgroup2: true });
  const names = (count: number) => Array.from({ length: count }, (_, index) => `syscall_${index}`);
  const rules: SeccompRule[] = [
    { names: names(allowed), action: "SCMP_ACT_ALLOW" },
    ...[0, 8, 131072, 131080, 4294967295].map(
      (value): SeccompRule => ({
        names: ["personality"],
        action: "SCMP_ACT_ALLOW",
        args: [{ index: 0, value, op: "SCMP_CMP_EQ" }],
      }),
    ),
    { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 },
  ];
  const binds = ["resolv.conf", "hostname", "hosts"].map(
    (name): Mount => ({
      destination: `/etc/${name}`,
      type: "bind",
      source: `/var/lib/docker/containers/${"0123456789abcdef".repeat(4)}/${name}`,
      options: ["rbind", "rprivate"],
    }),
  );
  return {
    ...config,
    mounts: [...(config.mounts ?? []), ...binds],
    linux: {
      ...config.linux,
      seccomp: { defaultAction: "SCMP_ACT_ERRNO", defaultErrnoRet: 1, syscalls: rules },
      sysctl: { "net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647" },
    },
  };
}

/** JSON text in which a bigint is the integer that it is. JSON.rawJSON is not in TypeScript's library yet. */
export function toText(value: unknown): string {
  const { rawJSON } = JSON as typeof JSON & { rawJSON(text: string): unknown };
  return JSON.stringify(value, (_key, item) => (typeof item === "bigint" ? rawJSON(`${item}`) : item));
}

/** The error that `run` throws; an error of the test when it throws none, or another kind. */
export function specErrorOf(run: () => unknown): SpecError {
  try {
    run();
  } catch (error) {
    if (error instanceof SpecError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

/** The pointers of all that `run` refuses. */
export function pointersOf(run: () => unknown): string[] {
  return specErrorOf(run).issues.map((issue) => issue.pointer);
}
