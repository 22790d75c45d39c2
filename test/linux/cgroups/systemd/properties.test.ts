// What systemd is told: units of cgroupsPath, limits, devices and annotations as properties. That systemd understands it is
// in test/root/systemd.test.ts.

import { describe, expect, test } from "vitest";
import { deviceFilter } from "../../../../src/linux/cgroups/device-rules.ts";
import { planResources } from "../../../../src/linux/cgroups/resources.ts";
import { annotatedProperties } from "../../../../src/linux/cgroups/systemd/annotations.ts";
import { deviceProperties } from "../../../../src/linux/cgroups/systemd/device-properties.ts";
import { changedProperties, resourceProperties } from "../../../../src/linux/cgroups/systemd/resource-properties.ts";
import { unitOf, unitPath } from "../../../../src/linux/cgroups/systemd/unit.ts";
import { unitProperties } from "../../../../src/linux/cgroups/systemd/unit-properties.ts";
import type { Property } from "../../../../src/linux/cgroups/systemd/variant.ts";
import type { LinuxResources } from "../../../../src/spec/config.gen.ts";

const INFINITY = 2n ** 64n - 1n;

function values(properties: readonly Property[]): Record<string, unknown> {
  return Object.fromEntries(properties.map(({ name, value }) => [name, value]));
}

function told(resources: LinuxResources, version: "v1" | "v2" = "v2"): Record<string, unknown> {
  return values(resourceProperties(planResources(resources, version), version));
}

describe("a unit", () => {
  const GOOD: readonly (readonly [cgroupsPath: string | undefined, path: string])[] = [
    [undefined, "/system.slice/tsrun-x.scope"],
    ["", "/system.slice/tsrun-x.scope"],
    [":docker:abc", "/system.slice/docker-abc.scope"],
    ["machine.slice:libpod:abc", "/machine.slice/libpod-abc.scope"],
    ["a-b-c.slice:p:n", "/a.slice/a-b.slice/a-b-c.slice/p-n.scope"],
    ["-.slice:p:n", "/p-n.scope"],
    ["a.slice::n", "/a.slice/n.scope"],
    ["a.slice:p:b-c.slice", "/b.slice/b-c.slice"],
    [":p:a+b", "/system.slice/p-a\\x2bb.scope"],
  ];
  for (const [cgroupsPath, path] of GOOD) {
    test(`of cgroupsPath ${cgroupsPath} is ${path}`, () => {
      expect(unitPath(unitOf(cgroupsPath, "x", "system"))).toBe(path);
    });
  }

  test("of a user's own systemd is in user.slice", () => {
    expect(unitPath(unitOf("", "x", "user"))).toBe("/user.slice/tsrun-x.scope");
  });

  for (const wrong of [
    "/a/b",
    "a:b",
    "a:b:c:d",
    "::",
    "a:b:",
    "a:b:c",
    "-a.slice:b:c",
    "a--b.slice:b:c",
    "a/b.slice:b:c",
  ]) {
    test(`is not what ${wrong} names`, () => {
      expect(() => unitOf(wrong, "x", "system")).toThrow(/^linux\.cgroupsPath: /);
    });
  }

  test("has its process, its place and its accounting", () => {
    expect(values(unitProperties(unitOf("s.slice:p:n", "x", "system"), "x", "v2", 7))).toEqual({
      Description: "tsrun container x",
      Slice: "s.slice",
      Delegate: true,
      PIDs: [7],
      MemoryAccounting: true,
      CPUAccounting: true,
      IOAccounting: true,
      TasksAccounting: true,
      DefaultDependencies: false,
    });
  });

  test("that is a slice has no process that systemd knows of", () => {
    const properties = values(unitProperties(unitOf("s.slice:p:n.slice", "x", "system"), "x", "v1", 7));
    expect(properties).toMatchObject({ Wants: ["s.slice"], BlockIOAccounting: true });
    expect(properties).not.toHaveProperty("PIDs");
    expect(properties).not.toHaveProperty("Delegate");
  });
});

describe("limits", () => {
  test("of cgroup v2", () => {
    const resources: LinuxResources = {
      memory: { limit: 1000, swap: 1500, reservation: 500 },
      cpu: { shares: 512, quota: 20_000, period: 50_000, cpus: "0-3,9", mems: "1" },
      pids: { limit: 7 },
      blockIO: { weight: 500 },
    };
    expect(told(resources)).toEqual({
      MemoryMax: 1000n,
      MemorySwapMax: 500n,
      MemoryLow: 500n,
      CPUWeight: 59n,
      CPUQuotaPerSecUSec: 400_000n,
      CPUQuotaPeriodUSec: 50_000n,
      AllowedCPUs: [0x0f, 0x02],
      AllowedMemoryNodes: [0x02],
      TasksMax: 7n,
      IOWeight: 4950n,
    });
  });

  test("of cgroup v1", () => {
    const resources: LinuxResources = {
      memory: { limit: 1000, swap: 1500 },
      cpu: { shares: 512, quota: 20_000 },
      pids: { limit: 0 },
      blockIO: { weight: 500 },
    };
    expect(told(resources, "v1")).toEqual({
      MemoryLimit: 1000n,
      CPUShares: 512n,
      CPUQuotaPerSecUSec: 200_000n,
      CPUQuotaPeriodUSec: 100_000n,
      TasksMax: 1n,
      BlockIOWeight: 500n,
    });
  });

  test("that are none are infinite", () => {
    expect(told({ memory: { limit: -1 }, cpu: { quota: -1 }, pids: { limit: -1 } })).toEqual({
      MemoryMax: INFINITY,
      MemorySwapMax: INFINITY,
      CPUQuotaPerSecUSec: INFINITY,
      CPUQuotaPeriodUSec: 100_000n,
      TasksMax: INFINITY,
    });
  });

  test("that nobody sets are not told", () => expect(told({ memory: {}, cpu: {} })).toEqual({}));

  test("of the unified files are the same properties, and the last word", () => {
    const unified = {
      "memory.max": "2000",
      "memory.high": "max",
      "memory.min": "1",
      "memory.oom.group": "1",
      "cpu.max": "max 20000",
      "cpuset.cpus": "",
      "io.weight": "default 200",
      "io.max": "8:0 rbps=1",
      "hugetlb.2MB.max": "0",
    };
    expect(told({ memory: { limit: 1000 }, unified })).toEqual({
      MemoryMax: 2000n,
      MemoryHigh: INFINITY,
      MemoryMin: 1n,
      OOMPolicy: "kill",
      CPUQuotaPerSecUSec: INFINITY,
      CPUQuotaPeriodUSec: 20_000n,
      AllowedCPUs: [],
      IOWeight: 200n,
    });
  });

  const SHARES: readonly (readonly [quota: number, period: number, perSecond: bigint])[] = [
    [12_345, 50_000, 250_000n],
    [1000, 100_000, 10_000n],
    [1001, 100_000, 20_000n],
    [200_000, 100_000, 2_000_000n],
    [1, 3, 340_000n],
  ];
  for (const [quota, period, perSecond] of SHARES) {
    test(`of ${quota}/${period} processors are whole percents, rounded up`, () => {
      expect(told({ cpu: { quota, period } })).toMatchObject({ CPUQuotaPerSecUSec: perSecond });
    });
  }

  test("idle is weight 0, and not idle the weight that is given, or none", () => {
    expect(told({ cpu: { idle: 1, shares: 512 } })).toEqual({ CPUWeight: 0n });
    expect(told({ cpu: { idle: 0, shares: 512 } })).toEqual({ CPUWeight: 59n });
    expect(told({ cpu: { idle: 0 } })).toEqual({ CPUWeight: INFINITY });
  });

  test("for more processors than there can be are the kernel's to refuse", () => {
    expect((told({ unified: { "cpuset.cpus": "0-99999999999" } }).AllowedCPUs as number[]).length).toBeLessThan(10_000);
    expect(told({ unified: { "cpuset.cpus": "all" } })).toEqual({});
  });

  test("that change on v1 keep the other half of a quota, and oom.group cannot", () => {
    const change = (resources: LinuxResources, version: "v1" | "v2", file?: string, text?: string) =>
      values(
        changedProperties(planResources(resources, version), version, (name) => (name === file ? text : undefined)),
      );
    expect(change({ cpu: { quota: 5000 } }, "v1", "cpu.cfs_period_us", "50000")).toMatchObject({
      CPUQuotaPerSecUSec: 100_000n,
      CPUQuotaPeriodUSec: 50_000n,
    });
    expect(change({ cpu: { period: 50_000 } }, "v1", "cpu.cfs_quota_us", "5000")).toMatchObject({
      CPUQuotaPerSecUSec: 100_000n,
    });
    expect(change({ unified: { "memory.oom.group": "1" } }, "v2")).toEqual({});
  });
});

describe("device rules", () => {
  const filter = (...rules: NonNullable<LinuxResources["devices"]>) => deviceProperties(deviceFilter(rules));
  const deny = { allow: false, access: "rwm" };

  test("are a list, emptied before the policy is set", () => {
    const properties = filter(deny, { allow: true, type: "b", major: 8, minor: 1, access: "r" });
    expect(properties.map(({ name, value }) => [name, name === "DevicePolicy" ? value : (value as []).length])).toEqual(
      [
        ["DeviceAllow", 0],
        ["DevicePolicy", "strict"],
        ["DeviceAllow", 12],
      ],
    );
    const [, , list] = properties;
    for (const entry of [
      ["char-*", "m"],
      ["char-136", "rwm"],
      ["/dev/char/1:3", "rwm"],
      ["/dev/block/8:1", "r"],
    ])
      expect(list?.value).toContainEqual(entry);
  });

  test("that a unit cannot have are left to tsrun's own filter", () => {
    const auto = [{ name: "DevicePolicy", signature: "s", value: "auto" }];
    expect(filter({ allow: true, access: "rwm" })).toEqual(auto);
    expect(filter(deny, { allow: true, type: "c", minor: 7, access: "r" })).toEqual(auto);
  });
});

describe("annotations", () => {
  const PREFIX = "org.systemd.property.";

  test("are properties, and those of others are not", () => {
    const annotations = { [`${PREFIX}KillSignal`]: "15", [`${PREFIX}TimeoutStopUSec`]: "uint64 9", other: "x" };
    expect(annotatedProperties(annotations)).toEqual([
      { name: "KillSignal", signature: "i", value: 15n },
      { name: "TimeoutStopUSec", signature: "t", value: 9n },
    ]);
  });

  test("with times in seconds are in microseconds", () => {
    expect(annotatedProperties({ [`${PREFIX}TimeoutStopSec`]: "2", [`${PREFIX}RuntimeMaxSec`]: "0.5" })).toEqual([
      { name: "TimeoutStopUSec", signature: "t", value: 2_000_000n },
      { name: "RuntimeMaxUSec", signature: "t", value: 500_000n },
    ]);
  });

  const WRONG = { X2: "1", ab: "1", "Kill.Signal": "1", StopSec: "'a'", OtherSec: "-1", Thing: "" };
  for (const [name, text] of Object.entries(WRONG)) {
    test(`${name}=${text} is refused by name`, () => {
      expect(() => annotatedProperties({ [PREFIX + name]: text })).toThrow(`annotations["${PREFIX}${name}"]: `);
    });
  }
});
