import { describe, expect, it } from "vitest";
import { completed, undoing } from "../../../src/linux/cgroups/update.ts";
import type { LinuxResources } from "../../../src/spec/config.gen.ts";

const FILES: Record<string, string> = {
  "cpu.max": "50000 100000",
  "memory.max": "67108864",
  "memory.swap.max": "33554432",
};

const CASES: [change: LinuxResources, files: Record<string, string>, whole: LinuxResources][] = [
  [{}, FILES, {}],
  [{ cpu: { quota: 1000 } }, FILES, { cpu: { quota: 1000, period: 100000 } }],
  [{ cpu: { quota: -1 } }, FILES, { cpu: { quota: -1, period: 100000 } }],
  [{ cpu: { period: 2000 } }, FILES, { cpu: { period: 2000, quota: 50000 } }],
  [{ cpu: { period: 2000 } }, { "cpu.max": "max 100000" }, { cpu: { period: 2000 } }],
  [{ cpu: { period: 2000, quota: 0 } }, FILES, { cpu: { period: 2000, quota: 50000 } }],
  [{ cpu: { period: 2000, quota: 1000 } }, FILES, { cpu: { period: 2000, quota: 1000 } }],
  [{ cpu: { shares: 5 } }, FILES, { cpu: { shares: 5 } }],
  [{ memory: { limit: 50331648 } }, FILES, { memory: { limit: 50331648, swap: 100663296 } }],
  [{ memory: { limit: -1 } }, FILES, { memory: { limit: -1 } }],
  [{ memory: { swap: 100663296 } }, FILES, { memory: { swap: 100663296, limit: 67108864 } }],
  [{ memory: { swap: 5 } }, { "memory.max": "max" }, { memory: { swap: 5, limit: -1 } }],
  [{ memory: { limit: 5 } }, { "memory.max": "7", "memory.swap.max": "max" }, { memory: { limit: 5 } }],
  [{ memory: { reservation: 5 } }, FILES, { memory: { reservation: 5 } }],
];

describe("a change on v2, with what it leaves open", () => {
  it.each(CASES)("%j", (change, files, whole) => {
    expect(completed(change, (file) => files[file])).toEqual(whole);
  });
});

describe("what sets a file back", () => {
  it.each([
    ["pids.max", "7", "max", ["max"]],
    ["memory.oom_control", "1", "oom_kill_disable 0\nunder_oom 0\noom_kill 3", ["0"]],
    ["cpuset.cpus", "0", "", ["\n"]],
    ["cpu.max", "5 10", "max 100000", ["max 100000"]],
    ["blkio.throttle.read_bps_device", "8:0 5", "", ["8:0 0"]],
    ["blkio.throttle.read_bps_device", "8:0 5", "8:0 3\n8:16 4", ["8:0 3", "8:16 4"]],
    [
      "io.max",
      "8:0 rbps=5",
      "8:16 rbps=1 wbps=max",
      ["8:16 rbps=1 wbps=max", "8:0 rbps=max wbps=max riops=max wiops=max"],
    ],
    ["io.weight", "8:0 5", "default 100", ["default 100", "8:0 default"]],
    ["rdma.max", "mlx5 hca_handle=1", "mlx5 hca_handle=max hca_object=max", ["mlx5 hca_handle=max hca_object=max"]],
  ])("%s after %j over %j", (file, value, text, lines) => {
    expect(undoing({ file, value }, text)).toEqual(lines);
  });
});
