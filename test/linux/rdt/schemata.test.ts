// Lines of schemata: what is written, and what is compared. On a file system: test/root/rdt.test.ts.

import { expect, it } from "vitest";
import { parseResctrl } from "../../../src/linux/rdt/group.ts";
import { mismatch, schemataOf, undoing } from "../../../src/linux/rdt/schemata.ts";

const KERNEL = "    MB:0= 20;1=100\n    L3:0=00f;1=7ff\n";

it("the older fields are one write, and schemata another behind it", () => {
  expect(schemataOf({})).toEqual([]);
  expect(schemataOf({ schemata: [] })).toEqual([]);
  expect(schemataOf({ schemata: ["L3:0=3", "MB:0=10"], memBwSchema: "MB:0=20", l3CacheSchema: "L3:0=f\n" })).toEqual([
    { field: "linux.intelRdt.l3CacheSchema, memBwSchema", lines: ["L3:0=f", "MB:0=20"] },
    { field: "linux.intelRdt.schemata", lines: ["L3:0=3", "MB:0=10"] },
  ]);
});

it("a line for the bandwidth in l3CacheSchema gives way to memBwSchema, and stays without it", () => {
  const l3CacheSchema = "MB:0=50\nL3:0=f";
  expect(schemataOf({ l3CacheSchema, memBwSchema: "MB:0=20" })[0]?.lines).toEqual(["L3:0=f", "MB:0=20"]);
  expect(schemataOf({ l3CacheSchema })[0]?.lines).toEqual(["MB:0=50", "L3:0=f"]);
});

it.each([["L3:0=f"], ["L3: 0 = 00F ; 1=7FF"], ["L3:0=0xf"], ["MB:0=20"], ["MB:1=100;0=020"]])(
  "%s is what the kernel shows",
  (line) => expect(mismatch([line], KERNEL)).toBeUndefined(),
);

it.each([["L3:0=1f"], ["L3:0=f0"], ["L3:2=f"], ["L2:0=f"], ["MB:0=2"], ["MB:0=200"], ["L3CODE:0=f"], ["nonsense"]])(
  "%s is not",
  (line) => expect(mismatch(["MB:1=100", line], KERNEL)).toBe(line),
);

it("a change is undone for the resources that it names, in the form that the kernel reads", () => {
  expect(undoing(["MB:1=50"], KERNEL)).toEqual(["MB:0=20;1=100"]);
  expect(undoing(["L3:0=1", "MB:1=50"], KERNEL)).toEqual(["MB:0=20;1=100", "L3:0=00f;1=7ff"]);
});

it("resctrl is found wherever it is mounted, but not a part of it", () => {
  const mounts = [
    "24 1 0:22 / /sys rw - sysfs sysfs rw",
    "30 24 0:27 /mon_data /mnt/part ro - resctrl resctrl rw",
    "31 24 0:27 / /mnt/with\\040space rw,relatime shared:9 - resctrl resctrl rw,cdp",
  ];
  expect(parseResctrl(mounts.join("\n"))).toBe("/mnt/with space");
  expect(parseResctrl(mounts.slice(0, 2).join("\n"))).toBeUndefined();
});
