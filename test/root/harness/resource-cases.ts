// linux.resources, one row a setting: what is configured, and which text the kernel shows in which file then. The same
// rows for every kind of host and driver. A row without files for a version says that the field is ignored there, as by runc;
// where the kernel lacks a file (or its controller), the field must be refused by name: resource-check.ts.

import { existsSync, readdirSync } from "node:fs";
import { cgroupVersion } from "./cgroup-files.ts";
import type { Json } from "./config.ts";
import type { LoopDevice } from "./loop.ts";
import { bySystemd } from "./runtime.ts";

type Files = Readonly<Record<string, string>>;

export interface ResourceCase {
  readonly name: string;
  /** Which field an error is to name. */
  readonly field: string;
  readonly resources: Json;
  /** Why Debian's runc, 1.1, does otherwise. */
  readonly runc?: string;
  /** Refused also where the kernel has the files. */
  readonly refused?: boolean;
  /** Nothing is to be refused, not even where the kernel lacks the files. */
  readonly ignored?: boolean;
  readonly v1?: Files;
  readonly v2?: Files;
  /** Where the kernel lacks those, what it is to show instead of refusing. */
  readonly v2Otherwise?: Files;
}

const MB = 1 << 20;

/** This machine's RDMA device. */
const RDMA = existsSync("/sys/class/infiniband") ? readdirSync("/sys/class/infiniband")[0] : undefined;

export const RESOURCE_CASES: readonly ResourceCase[] = [
  {
    name: "memory limit",
    field: "memory.limit",
    resources: { memory: { limit: 64 * MB } },
    v1: { "memory.limit_in_bytes": `${64 * MB}` },
    v2: { "memory.max": `${64 * MB}` },
  },
  {
    name: "no memory limit (-1)",
    field: "memory.limit",
    resources: { memory: { limit: -1 } },
    v1: { "memory.limit_in_bytes": "9223372036854771712" },
    v2: { "memory.max": "max" },
  },
  {
    name: "memory limit and swap",
    field: "memory.",
    resources: { memory: { limit: 64 * MB, swap: 128 * MB } },
    v1: { "memory.limit_in_bytes": `${64 * MB}`, "memory.memsw.limit_in_bytes": `${128 * MB}` },
    v2: { "memory.max": `${64 * MB}`, "memory.swap.max": `${64 * MB}` },
  },
  {
    name: "memory reservation",
    field: "memory.reservation",
    resources: { memory: { reservation: 32 * MB } },
    v1: { "memory.soft_limit_in_bytes": `${32 * MB}` },
    v2: { "memory.low": `${32 * MB}` },
  },
  {
    name: "swappiness and no OOM killer",
    field: "memory.",
    resources: { memory: { swappiness: 7, disableOOMKiller: true } },
    v1: { "memory.swappiness": "7", "memory.oom_control": "oom_kill_disable 1\nunder_oom 0\noom_kill 0" },
  },
  {
    name: "kernel memory, which kernels have no more",
    field: "memory.kernel",
    runc: "warns on standard error",
    ignored: true,
    resources: { memory: { kernel: 32 * MB, kernelTCP: 32 * MB, useHierarchy: true } },
    v1: { "memory.use_hierarchy": "1", "memory.kmem.tcp.limit_in_bytes": "9223372036854771712" },
  },
  {
    name: "a memory limit that is checked against what is in use",
    field: "memory.limit",
    resources: { memory: { limit: 64 * MB, checkBeforeUpdate: true } },
    v1: { "memory.limit_in_bytes": `${64 * MB}` },
    v2: { "memory.max": `${64 * MB}` },
  },
  {
    name: "cpu shares",
    field: "cpu.shares",
    resources: { cpu: { shares: 512 } },
    v1: { "cpu.shares": "512" },
    v2: { "cpu.weight": "59" },
  },
  {
    name: "cpu quota, period and burst",
    field: "cpu.",
    runc: "is older than burst",
    resources: { cpu: { quota: 20_000, period: 50_000, burst: 10_000 } },
    v1: { "cpu.cfs_quota_us": "20000", "cpu.cfs_period_us": "50000", "cpu.cfs_burst_us": "10000" },
    v2: { "cpu.max": "20000 50000", "cpu.max.burst": "10000" },
  },
  {
    name: "cpu idle",
    field: "cpu.idle",
    runc: "is older than idle",
    resources: { cpu: { idle: 1 } },
    v1: { "cpu.idle": "1" },
    v2: { "cpu.idle": "1" },
  },
  {
    name: "real-time share",
    field: "cpu.realtime",
    // A slice has no real-time budget that its scopes could have a part of.
    refused: bySystemd && cgroupVersion === "v1",
    resources: { cpu: { realtimePeriod: 500_000, realtimeRuntime: 5000 } },
    v1: { "cpu.rt_period_us": "500000", "cpu.rt_runtime_us": "5000" },
  },
  {
    name: "cpuset",
    field: "cpu.",
    resources: { cpu: { cpus: "0", mems: "0" } },
    v1: { "cpuset.cpus": "0", "cpuset.mems": "0" },
    v2: { "cpuset.cpus": "0", "cpuset.mems": "0" },
  },
  {
    name: "processes",
    field: "pids.limit",
    resources: { pids: { limit: 17 } },
    v1: { "pids.max": "17" },
    v2: { "pids.max": "17" },
  },
  {
    name: "no limit of processes (-1)",
    field: "pids.limit",
    resources: { pids: { limit: -1 } },
    v1: { "pids.max": "max" },
    v2: { "pids.max": "max" },
  },
  {
    name: "block weight, by BFQ",
    field: "blockIO.weight",
    resources: { blockIO: { weight: 500 } },
    v1: { "blkio.bfq.weight": "500" },
    v2: { "io.bfq.weight": "default 500" },
    v2Otherwise: { "io.weight": "default 4950" },
  },
  {
    name: "block leaf weight",
    field: "blockIO.leafWeight",
    resources: { blockIO: { leafWeight: 500 } },
    v1: { "blkio.leaf_weight": "500" },
  },
  {
    name: "huge pages",
    field: "hugepageLimits[0]",
    resources: { hugepageLimits: [{ pageSize: "2MB", limit: 4 * MB }] },
    v1: { "hugetlb.2MB.limit_in_bytes": `${4 * MB}`, "hugetlb.2MB.rsvd.limit_in_bytes": `${4 * MB}` },
    v2: { "hugetlb.2MB.max": `${4 * MB}`, "hugetlb.2MB.rsvd.max": `${4 * MB}` },
    runc: "1.1 sets none for what is reserved",
  },
  {
    name: "huge pages of a size that no machine has",
    field: "hugepageLimits[0]",
    resources: { hugepageLimits: [{ pageSize: "3MB", limit: 0 }] },
    v1: { "hugetlb.3MB.limit_in_bytes": "0" },
    v2: { "hugetlb.3MB.max": "0" },
  },
  {
    name: "network class",
    field: "network.classID",
    resources: { network: { classID: 1048577 } },
    v1: { "net_cls.classid": "1048577" },
  },
  {
    name: "network priorities",
    field: "network.priorities[0]",
    resources: { network: { priorities: [{ name: "lo", priority: 3 }] } },
    v1: { "net_prio.ifpriomap": "lo 3" },
  },
  {
    name: "RDMA",
    field: `rdma["${RDMA ?? "none"}"]`,
    resources: { rdma: { [RDMA ?? "none"]: { hcaHandles: 2 } } },
    refused: RDMA === undefined,
    v1: { "rdma.max": `${RDMA} hca_handle=2 hca_object=max` },
    v2: { "rdma.max": `${RDMA} hca_handle=2 hca_object=max` },
  },
  {
    name: "files of version 2",
    field: "unified",
    resources: { unified: { "hugetlb.2MB.max": `${6 * MB}`, "cgroup.max.depth": "3" } },
    v1: { "unified.is-not-there": "" },
    v2: { "hugetlb.2MB.max": `${6 * MB}`, "cgroup.max.depth": "3" },
  },
  {
    name: "memory by the files of version 2",
    field: "unified",
    resources: { unified: { "memory.high": `${32 * MB}`, "memory.low": `${8 * MB}` } },
    v1: { "unified.is-not-there": "" },
    v2: { "memory.high": `${32 * MB}`, "memory.low": `${8 * MB}` },
  },
  {
    name: "a file of version 2 that no kernel has",
    field: 'unified["hugetlb.nonsense"]',
    resources: { unified: { "hugetlb.nonsense": "1" } },
    v1: { "unified.is-not-there": "" },
    v2: { "hugetlb.nonsense": "1" },
  },
];

/** The rows about a block device, which is the test's own. */
export const DEVICE_CASES: readonly ((device: LoopDevice) => ResourceCase)[] = [
  ({ major, minor }) => ({
    name: "block throttles",
    field: "blockIO.throttleReadBpsDevice[0]",
    resources: {
      blockIO: {
        throttleReadBpsDevice: [{ major, minor, rate: MB }],
        throttleWriteBpsDevice: [{ major, minor, rate: 2 * MB }],
        throttleReadIOPSDevice: [{ major, minor, rate: 300 }],
        throttleWriteIOPSDevice: [{ major, minor, rate: 400 }],
      },
    },
    v1: {
      "blkio.throttle.read_bps_device": `${major}:${minor} ${MB}`,
      "blkio.throttle.write_bps_device": `${major}:${minor} ${2 * MB}`,
      "blkio.throttle.read_iops_device": `${major}:${minor} 300`,
      "blkio.throttle.write_iops_device": `${major}:${minor} 400`,
    },
    v2: { "io.max": `${major}:${minor} rbps=${MB} wbps=${2 * MB} riops=300 wiops=400` },
  }),
  ({ major, minor }) => ({
    name: "block weight of a device",
    field: "blockIO.weightDevice[0]",
    resources: { blockIO: { weightDevice: [{ major, minor, weight: 200 }] } },
    v1: { "blkio.bfq.weight_device": `default 100\n${major}:${minor} 200` },
    v2: { "io.bfq.weight": `default 100\n${major}:${minor} 200` },
    v2Otherwise: {},
  }),
];
