import { describe, expect, it } from "vitest";
import { ioWeight } from "../../../src/linux/cgroups/block-io.ts";
import { cpuWeight } from "../../../src/linux/cgroups/cpu.ts";
import { swapMax } from "../../../src/linux/cgroups/memory.ts";
import { type CgroupVersion, planResources } from "../../../src/linux/cgroups/resources.ts";
import type { Write } from "../../../src/linux/cgroups/setting.ts";
import type { LinuxResources } from "../../../src/spec/config.gen.ts";

/** A plan as lines "file=value", with what the kernel may answer. */
function plan(version: CgroupVersion, resources: LinuxResources): string[] {
  return planResources(resources, version).map((write) => line(write));
}

function line({ file, value, retryOn, ignore, otherwise }: Write): string {
  const words = [`${file}=${value}`];
  if (retryOn) words.push(`retry ${retryOn}`);
  if (ignore) words.push(`ignore ${ignore}`);
  if (otherwise) words.push(`or ${line(otherwise)}`);
  return words.join(" ");
}

const DISK = { major: 8, minor: 16 };

const CASES: [name: string, resources: LinuxResources, v1: string[], v2: string[]][] = [
  ["nothing", {}, [], []],
  [
    "what engines send for nothing",
    { devices: [], memory: {}, cpu: {}, blockIO: { weight: 0 }, hugepageLimits: [], network: {}, unified: {} },
    [],
    [],
  ],
  [
    "memory",
    { memory: { limit: 64, swap: 100, reservation: 32 } },
    ["memory.limit_in_bytes=64 retry EINVAL", "memory.memsw.limit_in_bytes=100", "memory.soft_limit_in_bytes=32"],
    ["memory.swap.max=36", "memory.max=64", "memory.low=32"],
  ],
  [
    "memory without swap",
    { memory: { limit: 64, swap: 64 } },
    ["memory.limit_in_bytes=64 retry EINVAL", "memory.memsw.limit_in_bytes=64"],
    ["memory.swap.max=0 ignore ENOENT", "memory.max=64"],
  ],
  [
    "memory lifted, and swap with it",
    { memory: { limit: -1 } },
    ["memory.limit_in_bytes=-1 retry EINVAL", "memory.memsw.limit_in_bytes=-1 ignore ENOENT"],
    ["memory.swap.max=max ignore ENOENT", "memory.max=max"],
  ],
  ["memory zero is unset", { memory: { limit: 0, swap: 0, reservation: 0 } }, [], []],
  [
    "numbers beyond a double",
    { memory: { limit: 9223372036854775807n, swap: 9223372036854775807n } },
    ["memory.limit_in_bytes=9223372036854775807 retry EINVAL", "memory.memsw.limit_in_bytes=9223372036854775807"],
    ["memory.swap.max=0 ignore ENOENT", "memory.max=9223372036854775807"],
  ],
  [
    "v1 only memory",
    { memory: { swappiness: 0, disableOOMKiller: true } },
    ["memory.oom_control=1", "memory.swappiness=0"],
    [],
  ],
  ["memory that the kernel no longer has", { memory: { kernel: 1, kernelTCP: 1, useHierarchy: true } }, [], []],
  ["swappiness unset the old way", { memory: { swappiness: 18446744073709551615n } }, [], []],
  [
    "cpu bandwidth",
    { cpu: { quota: 50_000, period: 200_000, burst: 1000 } },
    ["cpu.cfs_burst_us=1000 retry EINVAL", "cpu.cfs_period_us=200000 retry EINVAL", "cpu.cfs_quota_us=50000"],
    ["cpu.max.burst=1000 retry EINVAL", "cpu.max=50000 200000"],
  ],
  ["cpu quota alone", { cpu: { quota: 50_000 } }, ["cpu.cfs_quota_us=50000"], ["cpu.max=50000 100000"]],
  ["cpu quota lifted", { cpu: { quota: -1 } }, ["cpu.cfs_quota_us=-1"], ["cpu.max=max 100000"]],
  ["cpu period alone", { cpu: { period: 20_000 } }, ["cpu.cfs_period_us=20000 retry EINVAL"], ["cpu.max=max 20000"]],
  [
    "cpu shares and idle",
    { cpu: { shares: 512, idle: 1 } },
    ["cpu.shares=512 retry EINVAL", "cpu.idle=1"],
    ["cpu.weight=59 retry EINVAL", "cpu.idle=1"],
  ],
  [
    "v1 only cpu",
    { cpu: { realtimePeriod: 1_000_000, realtimeRuntime: 5000 } },
    ["cpu.rt_period_us=1000000 retry EINVAL", "cpu.rt_runtime_us=5000"],
    [],
  ],
  [
    "cpuset",
    { cpu: { cpus: "0-1", mems: "0" } },
    ["cpuset.cpus=0-1", "cpuset.mems=0"],
    ["cpuset.cpus=0-1", "cpuset.mems=0"],
  ],
  ["pids", { pids: { limit: 100 } }, ["pids.max=100"], ["pids.max=100"]],
  ["pids without limit", { pids: { limit: -1 } }, ["pids.max=max"], ["pids.max=max"]],
  ["pids zero is a limit, but systemd and the kernel need one", { pids: { limit: 0 } }, ["pids.max=1"], ["pids.max=1"]],
  [
    "block weight",
    { blockIO: { weight: 500 } },
    ["blkio.bfq.weight=500 or blkio.weight=500"],
    ["io.bfq.weight=500 or io.weight=4950"],
  ],
  ["block leaf weight", { blockIO: { leafWeight: 300 } }, ["blkio.leaf_weight=300"], []],
  [
    "block weights of devices",
    {
      blockIO: {
        weightDevice: [
          { ...DISK, weight: 100 },
          { ...DISK, weight: 0, leafWeight: 20 },
        ],
      },
    },
    ["blkio.bfq.weight_device=8:16 100 or blkio.weight_device=8:16 100", "blkio.leaf_weight_device=8:16 20"],
    ["io.bfq.weight=8:16 100 or io.weight=8:16 910 ignore ENOENT,EOPNOTSUPP"],
  ],
  [
    "block throttles",
    {
      blockIO: {
        throttleWriteIOPSDevice: [{ ...DISK, rate: 4 }],
        throttleReadIOPSDevice: [{ ...DISK, rate: 3 }],
        throttleWriteBpsDevice: [{ ...DISK, rate: 2 }],
        throttleReadBpsDevice: [
          { ...DISK, rate: 18446744073709551615n },
          { major: 7, minor: 0, rate: 1 },
        ],
      },
    },
    [
      "blkio.throttle.read_bps_device=8:16 18446744073709551615",
      "blkio.throttle.read_bps_device=7:0 1",
      "blkio.throttle.write_bps_device=8:16 2",
      "blkio.throttle.read_iops_device=8:16 3",
      "blkio.throttle.write_iops_device=8:16 4",
    ],
    [
      "io.max=8:16 rbps=18446744073709551615",
      "io.max=7:0 rbps=1",
      "io.max=8:16 wbps=2",
      "io.max=8:16 riops=3",
      "io.max=8:16 wiops=4",
    ],
  ],
  [
    "a block throttle lifted",
    { blockIO: { throttleReadBpsDevice: [{ ...DISK, rate: 0 }] } },
    ["blkio.throttle.read_bps_device=8:16 0"],
    ["io.max=8:16 rbps=max"],
  ],
  [
    "huge pages, of which 0 is a limit",
    {
      hugepageLimits: [
        { pageSize: "2MB", limit: 0 },
        { pageSize: "1GB", limit: 1073741824 },
      ],
    },
    [
      "hugetlb.2MB.limit_in_bytes=0",
      "hugetlb.2MB.rsvd.limit_in_bytes=0 ignore ENOENT",
      "hugetlb.1GB.limit_in_bytes=1073741824",
      "hugetlb.1GB.rsvd.limit_in_bytes=1073741824 ignore ENOENT",
    ],
    [
      "hugetlb.2MB.max=0",
      "hugetlb.2MB.rsvd.max=0 ignore ENOENT",
      "hugetlb.1GB.max=1073741824",
      "hugetlb.1GB.rsvd.max=1073741824 ignore ENOENT",
    ],
  ],
  [
    "network, which v2 has not",
    {
      network: {
        classID: 1048577,
        priorities: [
          { name: "lo", priority: 0 },
          { name: "eth0", priority: 5 },
        ],
      },
    },
    ["net_cls.classid=1048577", "net_prio.ifpriomap=lo 0", "net_prio.ifpriomap=eth0 5"],
    [],
  ],
  [
    "rdma",
    { rdma: { mlx5_0: { hcaHandles: 2, hcaObjects: 0 }, mlx5_1: { hcaObjects: 9 } } },
    ["rdma.max=mlx5_0 hca_handle=2 hca_object=0", "rdma.max=mlx5_1 hca_object=9"],
    ["rdma.max=mlx5_0 hca_handle=2 hca_object=0", "rdma.max=mlx5_1 hca_object=9"],
  ],
];

describe("planResources", () => {
  it.each(CASES)("on v1: %s", (_, resources, v1) => {
    expect(plan("v1", resources)).toEqual(v1);
  });

  it.each(CASES)("on v2: %s", (_, resources, _v1, v2) => {
    expect(plan("v2", resources)).toEqual(v2);
  });

  it.each<[CgroupVersion, LinuxResources, string]>([
    [
      "v1",
      { unified: { "memory.high": "1" } },
      'linux.resources.unified["memory.high"]: these files exist on cgroup v2 only',
    ],
    ["v1", { cpu: { shares: 1 } }, "linux.resources.cpu.shares: the minimum allowed cpu-shares is 2"],
    ["v1", { cpu: { shares: 262_145 } }, "linux.resources.cpu.shares: the maximum allowed cpu-shares is 262144"],
    ["v1", { memory: { swappiness: 101 } }, "linux.resources.memory.swappiness: 101 is not in 0-100"],
    ["v2", { memory: { swap: 1 } }, "linux.resources.memory.swap: cannot limit swap without memory.limit"],
    ["v2", { memory: { limit: 2, swap: 1 } }, "linux.resources.memory.swap: 1 (memory plus swap) is less than"],
  ])("on %s refuses %j instead of dropping it", (version, resources, message) => {
    expect(() => plan(version, resources)).toThrow(message);
  });

  it("writes unified files as they are, line by line, after all others", () => {
    const unified = { "io.max": "8:0 rbps=1\n8:16 rbps=2\n", "cpuset.cpus": "", "cgroup.max.depth": "3" };
    expect(plan("v2", { unified, pids: { limit: 1 } })).toEqual([
      "pids.max=1",
      "io.max=8:0 rbps=1 retry EINVAL",
      "io.max=8:16 rbps=2 retry EINVAL",
      "cpuset.cpus= retry EINVAL",
      "cgroup.max.depth=3 retry EINVAL",
    ]);
  });

  it.each<[CgroupVersion, LinuxResources, field: string, controller: string]>([
    ["v1", { memory: { limit: 64 } }, "memory.limit", "memory"],
    ["v1", { blockIO: { weight: 64 } }, "blockIO.weight", "blkio"],
    ["v1", { blockIO: { weightDevice: [{ ...DISK, weight: 64 }] } }, "blockIO.weightDevice[0]", "blkio"],
    ["v2", { blockIO: { throttleReadBpsDevice: [{ ...DISK, rate: 1 }] } }, "blockIO.throttleReadBpsDevice[0]", "io"],
    ["v2", { hugepageLimits: [{ pageSize: "2MB", limit: 1 }] }, "hugepageLimits[0]", "hugetlb"],
    ["v1", { network: { classID: 1 } }, "network.classID", "net_cls"],
    ["v1", { network: { priorities: [{ name: "lo", priority: 1 }] } }, "network.priorities[0]", "net_prio"],
    ["v2", { rdma: { mlx5_0: { hcaHandles: 1 } } }, 'rdma["mlx5_0"]', "rdma"],
    ["v2", { unified: { "misc.max": "x 1" } }, 'unified["misc.max"]', "misc"],
  ])("on %s names the field and the controller of %j", (version, resources, field, controller) => {
    const [write] = planResources(resources, version);
    expect(write).toMatchObject({ field: `linux.resources.${field}`, controller });
    expect(write?.otherwise ?? write).toMatchObject({ field: `linux.resources.${field}`, controller });
  });
});

describe("ioWeight", () => {
  it.each([
    [1, 1],
    [10, 1],
    [11, 11],
    [100, 910],
    [500, 4950],
    [1000, 10000],
  ])("gives the weight %i the weight %i", (weight, expected) => {
    expect(ioWeight(weight)).toBe(expected);
  });
});

describe("cpuWeight", () => {
  it.each([
    [1, 1],
    [2, 1],
    [3, 2],
    [10, 4],
    [51, 11],
    [100, 17],
    [256, 35],
    [512, 59],
    [1000, 99],
    [1024, 100],
    [2000, 170],
    [2048, 174],
    [4096, 303],
    [10240, 639],
    [102400, 4429],
    [262143, 10000],
    [262144, 10000],
    [999999, 10000],
  ])("gives shares %i the weight %i", (shares, weight) => {
    expect(cpuWeight(shares)).toBe(weight);
  });

  it("never falls and stays in the kernel's range", () => {
    let last = 1;
    for (let shares = 2; shares <= 262_144; shares += 17) {
      const weight = cpuWeight(shares);
      expect(weight).toBeGreaterThanOrEqual(last);
      expect(weight).toBeLessThanOrEqual(10_000);
      last = weight;
    }
  });
});

describe("swapMax", () => {
  it.each([
    [-1, 0, "max"],
    [100, 0, undefined],
    [0, 0, undefined],
    [100, -1, "max"],
    [-1, 500, "500"],
    [100, 100, "0"],
    [100, 250, "150"],
    [2n ** 62n, 2n ** 63n - 1n, "4611686018427387903"],
  ])("of limit %s and memory plus swap %s is %s", (limit, swap, expected) => {
    expect(swapMax(limit, swap)).toBe(expected);
  });
});
