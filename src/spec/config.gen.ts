// Made by `npm run generate` from schemas/config.schema.json. Do not edit.
/**
 * getrlimit(2).
 */
export type RlimitType =
  | "RLIMIT_AS"
  | "RLIMIT_CORE"
  | "RLIMIT_CPU"
  | "RLIMIT_DATA"
  | "RLIMIT_FSIZE"
  | "RLIMIT_LOCKS"
  | "RLIMIT_MEMLOCK"
  | "RLIMIT_MSGQUEUE"
  | "RLIMIT_NICE"
  | "RLIMIT_NOFILE"
  | "RLIMIT_NPROC"
  | "RLIMIT_RSS"
  | "RLIMIT_RTPRIO"
  | "RLIMIT_RTTIME"
  | "RLIMIT_SIGPENDING"
  | "RLIMIT_STACK";
export type SchedulerFlag =
  | "SCHED_FLAG_RESET_ON_FORK"
  | "SCHED_FLAG_RECLAIM"
  | "SCHED_FLAG_DL_OVERRUN"
  | "SCHED_FLAG_KEEP_POLICY"
  | "SCHED_FLAG_KEEP_PARAMS"
  | "SCHED_FLAG_UTIL_CLAMP_MIN"
  | "SCHED_FLAG_UTIL_CLAMP_MAX";
export type NamespaceType = "pid" | "network" | "mount" | "ipc" | "uts" | "user" | "cgroup" | "time";
/**
 * mount_namespaces(7). The r forms are not in the specification; runc takes them and Docker sends them.
 */
export type RootfsPropagation =
  "private" | "shared" | "slave" | "unbindable" | "rprivate" | "rshared" | "rslave" | "runbindable";
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
export type SeccompOperator =
  "SCMP_CMP_EQ" | "SCMP_CMP_GE" | "SCMP_CMP_GT" | "SCMP_CMP_LE" | "SCMP_CMP_LT" | "SCMP_CMP_MASKED_EQ" | "SCMP_CMP_NE";

/**
 * config.json of a bundle: the fields that every platform has (config.md), and Linux's.
 */
export interface Config {
  /**
   * SemVer 2.0.0.
   */
  ociVersion: string;
  root: Root;
  process?: Process;
  hostname?: string;
  domainname?: string;
  /**
   * Made in this order; several may have the same destination.
   */
  mounts?: Mount[];
  hooks?: Hooks;
  annotations?: {
    [k: string]: string;
  };
  linux?: Linux;
}
export interface Root {
  /**
   * Absolute, or relative to the bundle.
   */
  path: string;
  readonly?: boolean;
}
export interface Process {
  terminal?: boolean;
  consoleSize?: ConsoleSize;
  cwd: string;
  env?: string[];
  /**
   * @minItems 1
   */
  args: string[];
  user?: User;
  rlimits?: Rlimit[];
  capabilities?: Capabilities;
  noNewPrivileges?: boolean;
  /**
   * proc(5), oom_score_adj.
   */
  oomScoreAdj?: number;
  apparmorProfile?: string;
  selinuxLabel?: string;
  scheduler?: Scheduler;
  ioPriority?: IoPriority;
  execCPUAffinity?: ExecCpuAffinity;
}
/**
 * In characters; without meaning unless the process has a terminal.
 */
export interface ConsoleSize {
  height: number | bigint;
  width: number | bigint;
}
/**
 * Ids as the container's user namespace has them.
 */
export interface User {
  uid?: number;
  gid?: number;
  umask?: number;
  additionalGids?: number[];
}
export interface Rlimit {
  type: RlimitType;
  soft: number | bigint;
  hard: number | bigint;
}
/**
 * Names as in capabilities(7). One that the kernel does not know is warned of, not refused.
 */
export interface Capabilities {
  bounding?: string[];
  effective?: string[];
  inheritable?: string[];
  permitted?: string[];
  ambient?: string[];
}
/**
 * sched(7), sched_setattr(2).
 */
export interface Scheduler {
  policy: "SCHED_OTHER" | "SCHED_FIFO" | "SCHED_RR" | "SCHED_BATCH" | "SCHED_ISO" | "SCHED_IDLE" | "SCHED_DEADLINE";
  nice?: number;
  priority?: number;
  flags?: SchedulerFlag[];
  /**
   * Nanoseconds.
   */
  runtime?: number | bigint;
  /**
   * Nanoseconds.
   */
  deadline?: number | bigint;
  /**
   * Nanoseconds.
   */
  period?: number | bigint;
}
/**
 * ioprio_set(2); 0 is the highest priority of a class, 7 the lowest.
 */
export interface IoPriority {
  class: "IOPRIO_CLASS_RT" | "IOPRIO_CLASS_BE" | "IOPRIO_CLASS_IDLE";
  priority?: number;
}
/**
 * CPU lists as in cpuset(7), for exec only: before the process enters the cgroup, and after.
 */
export interface ExecCpuAffinity {
  initial?: string;
  final?: string;
}
export interface Mount {
  destination: string;
  /**
   * A dummy for bind mounts.
   */
  type?: string;
  /**
   * Of a bind mount: absolute, or relative to the bundle.
   */
  source?: string;
  options?: string[];
  /**
   * From the file system's ids to the mount's.
   */
  uidMappings?: IdMapping[];
  /**
   * From the file system's ids to the mount's.
   */
  gidMappings?: IdMapping[];
}
/**
 * `size` ids from `containerID` on stand for those from `hostID` on.
 */
export interface IdMapping {
  containerID: number;
  hostID: number;
  size: number;
}
export interface Hooks {
  /**
   * Deprecated.
   */
  prestart?: Hook[];
  createRuntime?: Hook[];
  createContainer?: Hook[];
  startContainer?: Hook[];
  poststart?: Hook[];
  poststop?: Hook[];
}
export interface Hook {
  path: string;
  args?: string[];
  env?: string[];
  /**
   * Seconds.
   */
  timeout?: number | bigint;
}
export interface Linux {
  namespaces?: Namespace[];
  uidMappings?: IdMapping[];
  gidMappings?: IdMapping[];
  timeOffsets?: TimeOffsets;
  devices?: Device[];
  /**
   * By name in the runtime's network namespace.
   */
  netDevices?: {
    [k: string]: NetDevice;
  };
  cgroupsPath?: string;
  resources?: LinuxResources;
  rootfsPropagation?: RootfsPropagation;
  seccomp?: Seccomp;
  sysctl?: {
    [k: string]: string;
  };
  maskedPaths?: string[];
  readonlyPaths?: string[];
  mountLabel?: string;
  intelRdt?: IntelRdt;
  memoryPolicy?: MemoryPolicy;
  personality?: Personality;
}
/**
 * New, or the one that `path` leads to. namespaces(7).
 */
export interface Namespace {
  type: NamespaceType;
  path?: string;
}
/**
 * time_namespaces(7).
 */
export interface TimeOffsets {
  monotonic?: TimeOffset;
  boottime?: TimeOffset;
}
export interface TimeOffset {
  secs?: number | bigint;
  nanosecs?: number;
}
/**
 * A node to be made. mknod(2).
 */
export interface Device {
  /**
   * Block, character (c and its synonym u), or named pipe.
   */
  type: "b" | "c" | "u" | "p";
  path: string;
  major?: number | bigint;
  minor?: number | bigint;
  /**
   * Engines send bits of the file type too; only the lowest twelve are permissions.
   */
  fileMode?: number;
  uid?: number;
  gid?: number;
}
export interface NetDevice {
  /**
   * Its name in the container, the same as outside unless given; %d is replaced by the kernel.
   */
  name?: string;
}
export interface LinuxResources {
  /**
   * Applied in this order.
   */
  devices?: DeviceRule[];
  memory?: MemoryLimits;
  cpu?: CpuLimits;
  pids?: PidsLimit;
  blockIO?: BlockIo;
  hugepageLimits?: HugepageLimit[];
  network?: NetworkClass;
  /**
   * By device name.
   */
  rdma?: {
    [k: string]: RdmaLimit;
  };
  /**
   * cgroup v2 files by name, written as they are.
   */
  unified?: {
    [k: string]: string;
  };
}
/**
 * A number that is not given, or -1, means all.
 */
export interface DeviceRule {
  allow: boolean;
  type?: "a" | "b" | "c";
  major?: number | bigint;
  minor?: number | bigint;
  access?: string;
}
/**
 * Bytes; -1 is unlimited.
 */
export interface MemoryLimits {
  limit?: number | bigint;
  reservation?: number | bigint;
  /**
   * Memory and swap together.
   */
  swap?: number | bigint;
  kernel?: number | bigint;
  kernelTCP?: number | bigint;
  /**
   * 0 to 100.
   */
  swappiness?: number | bigint;
  disableOOMKiller?: boolean;
  useHierarchy?: boolean;
  checkBeforeUpdate?: boolean;
}
/**
 * Times are in microseconds.
 */
export interface CpuLimits {
  shares?: number | bigint;
  quota?: number | bigint;
  burst?: number | bigint;
  period?: number | bigint;
  realtimeRuntime?: number | bigint;
  realtimePeriod?: number | bigint;
  cpus?: string;
  mems?: string;
  idle?: number | bigint;
}
export interface PidsLimit {
  limit: number | bigint;
}
export interface BlockIo {
  weight?: number;
  leafWeight?: number;
  weightDevice?: WeightDevice[];
  throttleReadBpsDevice?: ThrottleDevice[];
  throttleWriteBpsDevice?: ThrottleDevice[];
  throttleReadIOPSDevice?: ThrottleDevice[];
  throttleWriteIOPSDevice?: ThrottleDevice[];
}
export interface WeightDevice {
  major: number | bigint;
  minor: number | bigint;
  weight?: number;
  leafWeight?: number;
}
/**
 * Bytes or operations a second.
 */
export interface ThrottleDevice {
  major: number | bigint;
  minor: number | bigint;
  rate: number | bigint;
}
export interface HugepageLimit {
  pageSize: string;
  /**
   * Bytes.
   */
  limit: number | bigint;
}
export interface NetworkClass {
  classID?: number;
  priorities?: InterfacePriority[];
}
export interface InterfacePriority {
  name: string;
  priority: number;
}
export interface RdmaLimit {
  hcaHandles?: number;
  hcaObjects?: number;
}
export interface Seccomp {
  defaultAction: SeccompAction;
  defaultErrnoRet?: number;
  architectures?: SeccompArch[];
  flags?: SeccompFlag[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls?: SeccompRule[];
}
export interface SeccompRule {
  /**
   * @minItems 1
   */
  names: string[];
  action: SeccompAction;
  errnoRet?: number;
  args?: SeccompArg[];
}
export interface SeccompArg {
  index: number;
  value: number | bigint;
  valueTwo?: number | bigint;
  op: SeccompOperator;
}
/**
 * Resource Director Technology, through resctrl.
 */
export interface IntelRdt {
  closID?: string;
  /**
   * Lines, written after the two older fields.
   */
  schemata?: string[];
  l3CacheSchema?: string;
  memBwSchema?: string;
  enableMonitoring?: boolean;
}
/**
 * set_mempolicy(2).
 */
export interface MemoryPolicy {
  mode:
    | "MPOL_DEFAULT"
    | "MPOL_PREFERRED"
    | "MPOL_BIND"
    | "MPOL_INTERLEAVE"
    | "MPOL_LOCAL"
    | "MPOL_PREFERRED_MANY"
    | "MPOL_WEIGHTED_INTERLEAVE";
  nodes?: string;
  flags?: ("MPOL_F_STATIC_NODES" | "MPOL_F_RELATIVE_NODES" | "MPOL_F_NUMA_BALANCING")[];
}
/**
 * personality(2).
 */
export interface Personality {
  domain: "LINUX" | "LINUX32";
  /**
   * None is defined yet.
   */
  flags?: string[];
}
