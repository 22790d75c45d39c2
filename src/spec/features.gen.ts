// Made by `npm run generate` from schemas/features.schema.json. Do not edit.
export type NamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";
export type SeccompAction =
  | "SCMP_ACT_ALLOW"
  | "SCMP_ACT_ERRNO"
  | "SCMP_ACT_KILL"
  | "SCMP_ACT_KILL_PROCESS"
  | "SCMP_ACT_KILL_THREAD"
  | "SCMP_ACT_LOG"
  | "SCMP_ACT_NOTIFY"
  | "SCMP_ACT_TRACE"
  | "SCMP_ACT_TRAP";
export type SeccompOperator =
  "SCMP_CMP_EQ" | "SCMP_CMP_GE" | "SCMP_CMP_GT" | "SCMP_CMP_LE" | "SCMP_CMP_LT" | "SCMP_CMP_MASKED_EQ" | "SCMP_CMP_NE";
export type SeccompArch =
  | "SCMP_ARCH_AARCH64"
  | "SCMP_ARCH_ARM"
  | "SCMP_ARCH_LOONGARCH64"
  | "SCMP_ARCH_M68K"
  | "SCMP_ARCH_MIPS"
  | "SCMP_ARCH_MIPS64"
  | "SCMP_ARCH_MIPS64N32"
  | "SCMP_ARCH_MIPSEL"
  | "SCMP_ARCH_MIPSEL64"
  | "SCMP_ARCH_MIPSEL64N32"
  | "SCMP_ARCH_PARISC"
  | "SCMP_ARCH_PARISC64"
  | "SCMP_ARCH_PPC"
  | "SCMP_ARCH_PPC64"
  | "SCMP_ARCH_PPC64LE"
  | "SCMP_ARCH_RISCV64"
  | "SCMP_ARCH_S390"
  | "SCMP_ARCH_S390X"
  | "SCMP_ARCH_SH"
  | "SCMP_ARCH_SHEB"
  | "SCMP_ARCH_X32"
  | "SCMP_ARCH_X86"
  | "SCMP_ARCH_X86_64";
export type SeccompFlag =
  | "SECCOMP_FILTER_FLAG_LOG"
  | "SECCOMP_FILTER_FLAG_SPEC_ALLOW"
  | "SECCOMP_FILTER_FLAG_TSYNC"
  | "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV";

/**
 * What a runtime can do, whatever the host can (features.md, features-linux.md).
 */
export interface Features {
  ociVersionMin: string;
  ociVersionMax: string;
  hooks?: string[];
  mountOptions?: string[];
  linux?: LinuxFeatures;
  annotations?: {
    [k: string]: string;
  };
  /**
   * Whole keys, or prefixes that end in a dot.
   */
  potentiallyUnsafeConfigAnnotations?: string[];
}
export interface LinuxFeatures {
  namespaces?: NamespaceType[];
  capabilities?: string[];
  cgroup?: {
    v1?: boolean;
    v2?: boolean;
    systemd?: boolean;
    systemdUser?: boolean;
    rdma?: boolean;
  };
  seccomp?: SeccompFeatures;
  apparmor?: Enabled;
  selinux?: Enabled;
  intelRdt?: {
    enabled?: boolean;
    schemata?: boolean;
    enableMonitoring?: boolean;
  };
  memoryPolicy?: {
    modes?: string[];
    flags?: string[];
  };
  mountExtensions?: {
    idmap?: Enabled;
  };
  netDevices?: Enabled;
}
export interface SeccompFeatures {
  enabled?: boolean;
  actions?: SeccompAction[];
  operators?: SeccompOperator[];
  archs?: SeccompArch[];
  knownFlags?: SeccompFlag[];
  supportedFlags?: SeccompFlag[];
}
export interface Enabled {
  enabled?: boolean;
}
