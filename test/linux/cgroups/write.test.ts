// Writes into plain directories: what the kernel here has no files for, and how often a file is opened.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Cgroup } from "../../../src/linux/cgroups/cgroup.ts";
import type { CgroupMode } from "../../../src/linux/cgroups/host.ts";
import type { LinuxResources } from "../../../src/spec/config.gen.ts";

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "tsrun-write-"));
});
afterEach(() => rmSync(top, { recursive: true }));

/** A cgroup with one directory for each hierarchy, and in it the files that the kernel of the case has. */
function cgroup(mode: CgroupMode, hierarchies: string, files: Record<string, string>): Cgroup {
  const paths = new Map(hierarchies.split(" ").map((name) => [name, join(top, `h-${name}`)]));
  for (const path of paths.values()) mkdirSync(path);
  const made = new Cgroup(mode, paths);
  for (const [file, text] of Object.entries(files)) {
    writeFileSync(join(made.directory(file.split(".")[0] ?? "") ?? top, file), text);
  }
  return made;
}

/** What was written: texts one after the other, as these files keep them. */
function written(made: Cgroup, file: string): string {
  return readFileSync(join(made.directory(file.split(".")[0] ?? "") ?? top, file), "utf8");
}

const CASES: [name: string, mode: CgroupMode, files: string, resources: LinuxResources, Record<string, string>][] = [
  ["the old name of a weight", "v1", "blkio.weight", { blockIO: { weight: 100 } }, { "blkio.weight": "100" }],
  ["the weight of BFQ", "v2", "io.bfq.weight io.weight", { blockIO: { weight: 100 } }, { "io.bfq.weight": "100" }],
  ["the weight without BFQ", "v2", "io.weight", { blockIO: { weight: 100 } }, { "io.weight": "910" }],
  [
    "no weight of a device where v2 has none",
    "v2",
    "",
    { blockIO: { weightDevice: [{ major: 8, minor: 0, weight: 10 }] } },
    {},
  ],
  [
    "huge pages without reservations",
    "v1",
    "hugetlb.2MB.limit_in_bytes",
    { hugepageLimits: [{ pageSize: "2MB", limit: 7 }] },
    { "hugetlb.2MB.limit_in_bytes": "7" },
  ],
  [
    "network classes and priorities, also in one hierarchy",
    "v1",
    "net_cls.classid net_prio.ifpriomap",
    { network: { classID: 9, priorities: [{ name: "lo", priority: 3 }] } },
    { "net_cls.classid": "9", "net_prio.ifpriomap": "lo 3" },
  ],
  [
    "all lines into one file that is opened once",
    "v2",
    "io.max",
    {
      blockIO: { throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 }] },
      unified: { "io.max": "8:0 wbps=2\n8:1 wbps=3" },
    },
    { "io.max": "8:0 rbps=1" + "8:0 wbps=2" + "8:1 wbps=3" },
  ],
];

describe("a cgroup", () => {
  it.each(CASES)("gets %s", (_, mode, files, resources, expected) => {
    const names = files.split(" ").filter((name) => name !== "");
    const made = cgroup(
      mode,
      mode === "v2" ? "" : "blkio hugetlb net_cls,net_prio",
      Object.fromEntries(names.map((name) => [name, ""])),
    );
    made.apply(resources);
    for (const [file, text] of Object.entries(expected)) expect(written(made, file)).toBe(text);
    for (const name of names) if (!(name in expected)) expect(written(made, name)).toBe("");
  });

  it.each<[CgroupMode, string, Record<string, string>, LinuxResources, string]>([
    [
      "v1",
      "pids",
      {},
      { network: { classID: 1 } },
      "linux.resources.network.classID: cannot set net_cls limit: container could not join or create cgroup (no hierarchy",
    ],
    ["v1", "rdma", { "rdma.current": "" }, { rdma: { a: { hcaHandles: 1 } } }, 'linux.resources.rdma["a"]: write'],
    [
      "v1",
      "blkio",
      { "blkio.tasks": "" },
      { blockIO: { leafWeight: 10 } },
      "linux.resources.blockIO.leafWeight: write",
    ],
    [
      "v2",
      "",
      { "cgroup.controllers": "cpu io" },
      { unified: { "memory.high": "1" } },
      'h-/memory.high "1": ENOENT (No such file or directory): controller memory is not enabled in',
    ],
    [
      "v2",
      "",
      { "cgroup.controllers": "cpu io" },
      { unified: { "io.nonsense": "1" } },
      "ENOENT (No such file or directory): this kernel has no such setting",
    ],
    [
      "v2",
      "",
      {},
      { blockIO: { weight: 10 } },
      'h-/io.weight "1": ENOENT (No such file or directory): the cgroup is gone',
    ],
    [
      "v2",
      "",
      { "memory.current": "4096\n" },
      { memory: { limit: 4096, checkBeforeUpdate: true } },
      "linux.resources.memory.limit: rejecting memory limit 4096 <= usage 4096",
    ],
    [
      "v2",
      "",
      { "memory.current": "4096\n" },
      { memory: { limit: 1, swap: 2, checkBeforeUpdate: true } },
      "linux.resources.memory.swap: rejecting memory+swap limit 2 <= usage 4096",
    ],
  ])("on %s with %j and %j refuses %j", (mode, hierarchies, files, resources, message) => {
    const made = cgroup(mode, hierarchies, files);
    expect(() => made.apply(resources)).toThrow(message);
  });

  it("takes a limit above what is in use, and one whose use is not to be checked", () => {
    const made = cgroup("v2", "", { "memory.current": "4096\n", "memory.max": "" });
    made.apply({ memory: { limit: 4097, checkBeforeUpdate: true } });
    made.apply({ memory: { limit: 9 } });
    expect(written(made, "memory.max")).toBe("9097");
  });
});
