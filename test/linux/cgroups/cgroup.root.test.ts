import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Cgroup } from "../../../src/linux/cgroups/cgroup.ts";
import { type CgroupRequest, createCgroup } from "../../../src/linux/cgroups/create.ts";
import { type CgroupHost, cgroupHost } from "../../../src/linux/cgroups/host.ts";
import type { LinuxResources } from "../../../src/spec/config.gen.ts";
import { joined, leftovers, sweep, uniqueName, v1Host } from "./fixture.ts";

const DENY_ALL = { allow: false, access: "rwm" };
const runnable = v1Host() !== undefined;

describe.skipIf(!runnable)("a container's cgroup on cgroup v1", () => {
  const host = cgroupHost();
  let name: string;
  let cgroup: Cgroup | undefined;

  beforeEach(() => {
    name = uniqueName();
    cgroup = undefined;
  });
  afterEach(() => sweep(name));

  function create(request: Partial<CgroupRequest> = {}, on: CgroupHost = host): Cgroup {
    cgroup = createCgroup(on, { id: "box", cgroupsPath: `/${name}`, ...request });
    return cgroup;
  }
  function read(controller: string, file: string): string {
    return readFileSync(join(cgroup?.directory(controller) ?? "/none", file), "utf8").trim();
  }

  it("is in every hierarchy, and gone from every one after remove, which may be called twice", () => {
    create();
    expect(leftovers(name)).toHaveLength(host.hierarchies.length);
    cgroup?.remove();
    expect(leftovers(name)).toEqual([]);
    cgroup?.remove();
  });

  it("makes missing parents, and leaves them to whoever shares them", () => {
    create({ cgroupsPath: `/${name}/a/b` });
    cgroup?.remove();
    for (const path of leftovers(name)) expect(existsSync(`${path}/a`)).toBe(true);
    expect(leftovers(name)).toHaveLength(host.hierarchies.length);
  });

  it("has the limits that the config asks for", () => {
    create({
      resources: {
        memory: { limit: 64 << 20, swap: 64 << 20, reservation: 32 << 20, swappiness: 0 },
        cpu: { shares: 512, quota: 50_000, period: 200_000, burst: 1000, cpus: "0", mems: "0" },
        pids: { limit: 7 },
      },
    });
    expect(read("memory", "memory.limit_in_bytes")).toBe(`${64 << 20}`);
    expect(read("memory", "memory.memsw.limit_in_bytes")).toBe(`${64 << 20}`);
    expect(read("memory", "memory.soft_limit_in_bytes")).toBe(`${32 << 20}`);
    expect(read("memory", "memory.swappiness")).toBe("0");
    expect(read("cpu", "cpu.shares")).toBe("512");
    expect(read("cpu", "cpu.cfs_quota_us")).toBe("50000");
    expect(read("cpu", "cpu.cfs_period_us")).toBe("200000");
    expect(read("cpu", "cpu.cfs_burst_us")).toBe("1000");
    expect(read("cpuset", "cpuset.cpus")).toBe("0");
    expect(read("pids", "pids.max")).toBe("7");
  });

  it("gets limits that depend on each other into place whichever way they grow", () => {
    create({ resources: { memory: { limit: 32 << 20, swap: 64 << 20 } } });
    cgroup?.apply({ memory: { limit: 128 << 20, swap: 128 << 20 } });
    expect(read("memory", "memory.limit_in_bytes")).toBe(`${128 << 20}`);
    cgroup?.apply({ memory: { limit: 16 << 20, swap: 16 << 20 } });
    expect(read("memory", "memory.memsw.limit_in_bytes")).toBe(`${16 << 20}`);
    cgroup?.apply({ cpu: { quota: 10_000, period: 100_000 } });
    cgroup?.apply({ cpu: { quota: 30_000, period: 50_000, burst: 20_000 } });
    expect(read("cpu", "cpu.cfs_burst_us")).toBe("20000");
    cgroup?.apply({ cpu: { idle: 1 } });
    cgroup?.apply({ cpu: { shares: 100, idle: 0 } });
    expect(read("cpu", "cpu.shares")).toBe("100");
  });

  it("gives a cpuset and its new parents what the parent has", () => {
    create({ cgroupsPath: `/${name}/a/b` });
    const root = readFileSync("/sys/fs/cgroup/cpuset/cpuset.cpus", "utf8").trim();
    expect(read("cpuset", "cpuset.cpus")).toBe(root);
    expect(read("cpuset", "../cpuset.cpus")).toBe(root);
    expect(read("cpuset", "cpuset.mems")).not.toBe("");
  });

  it("gives new parents of a cpuset what they lack before the config's own processors are set", () => {
    create({ cgroupsPath: `/${name}/a/b`, resources: { cpu: { cpus: "0" } } });
    expect(read("cpuset", "cpuset.cpus")).toBe("0");
    expect(read("cpuset", "cpuset.mems")).not.toBe("");
  });

  it("allows the devices of every container and those of the config, and nothing else", () => {
    create({ resources: { devices: [DENY_ALL, { allow: true, type: "b", major: 7, minor: 0, access: "r" }] } });
    const list = read("devices", "devices.list").split("\n");
    expect(list.toSorted()).toEqual(
      [
        "b 7:0 r",
        "c *:* m",
        "b *:* m",
        "c 1:3 rwm",
        "c 1:5 rwm",
        "c 1:7 rwm",
        "c 1:8 rwm",
        "c 1:9 rwm",
        "c 5:0 rwm",
        "c 5:2 rwm",
        "c 10:200 rwm",
        "c 136:* rwm",
      ].toSorted(),
    );
  });

  it("restricts devices also when the config has no rules", async () => {
    using join = create().open();
    const child = await joined(join.tasks, "cat /dev/null && ! dd if=/dev/kmsg count=0 2>&-");
    expect(await new Promise((resolve) => child.once("exit", resolve))).toBe(0);
  });

  it("allows all devices where the config does", () => {
    create({ resources: { devices: [{ allow: true, access: "rwm" }] } });
    expect(read("devices", "devices.list")).toBe("a *:* rwm");
  });

  it("is joined through the descriptors by a process that writes 0, and tells its processes", async () => {
    using join = create().open();
    const child = await joined(join.tasks);
    const own = readFileSync(`/proc/${child.pid}/cgroup`, "utf8").trim().split("\n");
    for (const line of own.filter((each) => !each.startsWith("0::"))) expect(line).toMatch(new RegExp(`:/${name}$`));
    expect(cgroup?.pids()).toContain(child.pid);
  });

  it("opens the v2 directory of a hybrid host for CLONE_INTO_CGROUP", () => {
    using join = create().open();
    const unified = host.hierarchies.find((each) => each.name === "");
    const opened = join.directory === undefined ? undefined : readlinkSync(`/proc/self/fd/${join.directory}`);
    expect(opened).toBe(unified && `${unified.mount}/${name}`);
  });

  it("closes the descriptors when they are disposed of", () => {
    const before = readdirSync("/proc/self/fd").length;
    create().open()[Symbol.dispose]();
    expect(readdirSync("/proc/self/fd")).toHaveLength(before);
  });

  it("ends and removes processes in sub-cgroups too, frozen or not, also as read back from a record", async () => {
    using join = create().open();
    const child = await joined(join.tasks, "sleep 1000 & sleep 1000");
    const sub = `${cgroup?.directory("devices")}/sub`;
    mkdirSync(sub);
    writeFileSync(`${sub}/cgroup.procs`, String(child.pid));
    writeFileSync(`${cgroup?.directory("freezer")}/freezer.state`, "FROZEN");
    const again = Cgroup.fromRecord(JSON.parse(JSON.stringify(cgroup?.record())));
    expect(again.frozen()).toBe(true);
    expect(again.pids()).toHaveLength(2);
    const gone = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
    again.killAll();
    again.remove();
    expect(await gone).toBe("SIGKILL");
    expect(leftovers(name)).toEqual([]);
  });

  it("ends processes that run away from it by forking and exiting", async () => {
    using join = create({ resources: { pids: { limit: 5000 } } }).open();
    await joined(join.tasks, "f() { f & }; f; f; f; f; sleep 1000");
    await expect.poll(() => cgroup?.pids().length).toBeGreaterThan(1);
    cgroup?.killAll();
    cgroup?.remove();
    expect(leftovers(name)).toEqual([]);
  });

  it("says which processes keep it from being removed, and removes the other hierarchies", async () => {
    create();
    using join = (cgroup as Cgroup).open();
    const child = await joined(join.tasks.slice(0, 1));
    expect(() => cgroup?.remove()).toThrow(new RegExp(`with processes ${child.pid} \\(.*\\): EBUSY`));
    expect(leftovers(name)).toHaveLength(1);
  });

  it("is refused when it is in use, and left as it was", async () => {
    using join = create().open();
    const child = await joined(join.tasks);
    expect(() => createCgroup(host, { id: "box", cgroupsPath: `/${name}` })).toThrow(
      "container's cgroup is not empty: 1 process(es) found",
    );
    expect(child.exitCode).toBeNull();
    expect(leftovers(name)).toHaveLength(host.hierarchies.length);
  });

  it("is refused when it is frozen", () => {
    create();
    writeFileSync(`${cgroup?.directory("freezer")}/freezer.state`, "FROZEN");
    expect(() => createCgroup(host, { id: "box", cgroupsPath: `/${name}` })).toThrow("unexpectedly frozen");
  });

  it.each<[string, LinuxResources, string]>([
    ["a value that the kernel refuses", { cpu: { quota: 1 } }, `linux.resources.cpu.quota: write`],
    ["a cpu that is not there", { cpu: { cpus: "4000" } }, "linux.resources.cpu.cpus: write"],
    ["files that only cgroup v2 has", { unified: { "memory.high": "1" } }, "linux.resources.unified"],
    [
      "a device rule that cannot be kept",
      {
        devices: [
          { allow: true, type: "c" },
          { allow: false, type: "c", major: 9 },
        ],
      },
      "linux.resources.devices[1]",
    ],
  ])("leaves nothing, parents included, after %s", (_, resources, message) => {
    expect(() => create({ cgroupsPath: `/${name}/a/b`, resources })).toThrow(message);
    expect(leftovers(name)).toEqual([]);
  });

  it("names field, file, value and errno of a write that the kernel refuses", () => {
    expect(() => create({ resources: { cpu: { quota: 1 } } })).toThrow(
      `linux.resources.cpu.quota: write /sys/fs/cgroup/cpu/${name}/cpu.cfs_quota_us "1": EINVAL (Invalid argument)`,
    );
  });

  it.skipIf(!existsSync("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"))(
    "says that a parent has no real-time share to give when the kernel refuses one",
    () => {
      const resources = { cpu: { realtimeRuntime: 5000 } };
      expect(() => create({ cgroupsPath: `/${name}/box`, resources })).toThrow(
        `EINVAL (Invalid argument): /sys/fs/cgroup/cpu/${name} has 0 for itself and all below`,
      );
    },
  );

  it("fails a limit of a controller that is not mounted instead of dropping it", () => {
    const without = { ...host, hierarchies: host.hierarchies.filter((each) => each.name !== "pids") };
    expect(() => create({ resources: { pids: { limit: 1 } } }, without)).toThrow("cannot set pids limit");
    expect(leftovers(name)).toEqual([]);
  });

  it("fails without the devices controller, which is what keeps the host's disks away", () => {
    const without = { ...host, hierarchies: host.hierarchies.filter((each) => each.name !== "devices") };
    expect(() => create({}, without)).toThrow("cannot restrict devices");
    expect(leftovers(name)).toEqual([]);
  });
});
