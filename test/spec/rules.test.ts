import { expect, test } from "vitest";
import type { Config, Linux, Mount, Process } from "../../src/spec/config.gen.ts";
import { parseConfig, parseProcess, parseResources } from "../../src/spec/load.ts";
import {
  ALL_NAMESPACES,
  dockerConfig,
  fullConfig,
  minimalConfig,
  pointersOf,
  specErrorOf,
  toText,
} from "./fixtures.ts";

const check = (config: unknown) => () => parseConfig(toText(config));

const config = (more: Partial<Config>): Config => ({ ...minimalConfig(), ...more });
const withProcess = (more: Partial<Process>) => config({ process: { cwd: "/", args: ["sh"], ...more } });
const namespaces: Linux["namespaces"] = ALL_NAMESPACES.map((type) => ({ type }));
const maps = [{ containerID: 0, hostID: 1000, size: 10 }];
/** With every namespace, and the id maps that the user namespace needs. */
const withLinux = (more: Partial<Linux>) =>
  config({ linux: { namespaces, uidMappings: maps, gidMappings: maps, ...more } });
const withoutNamespaces = (more: Linux) => config({ linux: more });
const withMount = (mount: Partial<Mount>) => config({ mounts: [{ destination: "/a", type: "tmpfs", ...mount }] });
const scheduler = (more: object) => withProcess({ scheduler: { policy: "SCHED_OTHER", ...more } });
const deadline = { policy: "SCHED_DEADLINE", runtime: 10, deadline: 20, period: 30 };

const GOOD: readonly [name: string, config: Config][] = [
  ["the minimal one", minimalConfig()],
  ["one without process", { ociVersion: "1.0.0", root: { path: "rootfs" } }],
  ["the full one", fullConfig()],
  ["Docker's", dockerConfig()],
  ["an empty linux object", withoutNamespaces({})],
  ["an older and a later minor version", config({ ociVersion: "1.99.0-rc.1+build.5" })],
  [
    "mounts at the same destination",
    config({
      mounts: [
        { destination: "/a", type: "tmpfs" },
        { destination: "/a", type: "proc" },
      ],
    }),
  ],
  ["a relative mount destination", withMount({ destination: "a" })],
  ["LXCFS's files below /proc", withMount({ destination: "/proc//meminfo", type: "bind", source: "/x" })],
  [
    "a bind mount on /proc, which the kernel judges",
    withMount({ destination: "/proc/", type: "none", source: "/x", options: ["rbind"] }),
  ],
  ["a path that only begins like /proc", withMount({ destination: "/process" })],
  ["a remount without a source", withMount({ type: "none", options: ["bind", "remount", "ro"] })],
  [
    "an idmapped mount with the user namespace's maps",
    { ...withLinux({}), mounts: [{ destination: "/a", source: "/x", options: ["bind", "idmap"] }] },
  ],
  ["an environment entry with an empty value", withProcess({ env: ["A=", "B==", "A=1"] })],
  ["a huge console without a terminal", withProcess({ consoleSize: { height: 18446744073709551615n, width: 1e6 } })],
  [
    "no limit at all",
    withProcess({ rlimits: [{ type: "RLIMIT_CORE", soft: 18446744073709551615n, hard: 18446744073709551615n }] }),
  ],
  ["SCHED_FIFO with a priority", scheduler({ policy: "SCHED_FIFO", priority: 99 })],
  ["SCHED_DEADLINE with its three times", scheduler(deadline)],
  ["an unknown capability", withProcess({ capabilities: { bounding: ["CAP_NONSENSE", "nonsense"] } })],
  [
    "a joined uts namespace and a hostname",
    { ...config({ hostname: "a" }), linux: { namespaces: [{ type: "uts", path: "/proc/1/ns/uts" }] } },
  ],
  ["an empty hostname, which is none", config({ hostname: "" })],
  [
    "a joined user namespace without maps",
    withoutNamespaces({ namespaces: [{ type: "user", path: "/proc/1/ns/user" }] }),
  ],
  ["a pipe without numbers", withLinux({ devices: [{ type: "p", path: "/dev/pipe" }] })],
  [
    "a file mode with type bits, as engines send",
    withLinux({ devices: [{ type: "c", path: "/dev/x", major: 1, minor: 2, fileMode: 0o20666 }] }),
  ],
  [
    "sysctls of the container's namespaces",
    withLinux({
      sysctl: {
        "net.ipv4.ip_forward": "1",
        "net/ipv4/conf/eno2.100/rp_filter": "1",
        "net.ipv4.conf.eno2/100.rp_filter": "1",
        "kernel.shmmax": "1",
        "fs.mqueue.msg_max": "1",
        "user.max_user_namespaces": "1",
        "kernel.domainname": "a",
      },
    }),
  ],
  [
    "a notifying rule with a listener",
    withLinux({
      seccomp: {
        defaultAction: "SCMP_ACT_ALLOW",
        listenerPath: "/l",
        listenerMetadata: "m",
        syscalls: [{ names: ["mount"], action: "SCMP_ACT_NOTIFY" }],
      },
    }),
  ],
  ["unlimited swap without a memory limit", withLinux({ resources: { memory: { swap: -1 } } })],
  ["a burst under an unlimited quota", withLinux({ resources: { cpu: { quota: -1, burst: 10 } } })],
  ["a negative pids limit", withLinux({ resources: { pids: { limit: -1 } } })],
  ["the root class of service", withLinux({ intelRdt: { closID: "/" } })],
  ["net devices by template", withLinux({ netDevices: { a: { name: "eth%d" }, b: { name: "eth%d" } } })],
];

test.each(GOOD)("%s is accepted", (_name, good) => {
  expect(check(good)()).toEqual(good);
});

const seccomp = (more: object) => withLinux({ seccomp: { defaultAction: "SCMP_ACT_ALLOW", ...more } });
const rule = (more: object) => seccomp({ syscalls: [{ names: ["mount"], action: "SCMP_ACT_ERRNO", ...more }] });

const BAD: readonly [name: string, config: Config, ...pointers: string[]][] = [
  ["a version that is no SemVer", config({ ociVersion: "1.0" }), "/ociVersion"],
  ["a version with a leading zero", config({ ociVersion: "1.01.0" }), "/ociVersion"],
  ["a version of what is a number only to JavaScript", config({ ociVersion: "1.Infinity.0" }), "/ociVersion"],
  ["a version with an exponent", config({ ociVersion: "1.1e3.0" }), "/ociVersion"],
  ["a version with a sign and a space", config({ ociVersion: "1.-0. 1" }), "/ociVersion"],
  ["a later major version", config({ ociVersion: "2.0.0" }), "/ociVersion"],
  ["an empty root path", config({ root: { path: "" } }), "/root/path"],
  ["an empty annotation key", config({ annotations: { "": "x" } }), "/annotations/"],
  ["a relative cwd", withProcess({ cwd: "a" }), "/process/cwd"],
  ["environment entries without a name", withProcess({ env: ["A=1", "B", "=C"] }), "/process/env/1", "/process/env/2"],
  [
    "duplicate rlimits",
    withProcess({
      rlimits: [
        { type: "RLIMIT_CPU", soft: 1, hard: 1 },
        { type: "RLIMIT_CPU", soft: 1, hard: 1 },
      ],
    }),
    "/process/rlimits/1",
  ],
  [
    "a soft limit above the hard one",
    withProcess({ rlimits: [{ type: "RLIMIT_CPU", soft: 18446744073709551615n, hard: 18446744073709551614n }] }),
    "/process/rlimits/0/soft",
  ],
  [
    "a terminal larger than the kernel can say",
    withProcess({ terminal: true, consoleSize: { height: 65536, width: 65535 } }),
    "/process/consoleSize/height",
  ],
  ["a nice value for SCHED_FIFO", scheduler({ policy: "SCHED_FIFO", nice: 1, priority: 1 }), "/process/scheduler/nice"],
  ["a nice value out of range", scheduler({ nice: 20 }), "/process/scheduler/nice"],
  ["SCHED_RR without a priority", scheduler({ policy: "SCHED_RR" }), "/process/scheduler/priority"],
  ["a priority for SCHED_OTHER", scheduler({ priority: 1 }), "/process/scheduler/priority"],
  [
    "deadline times for SCHED_OTHER",
    scheduler({ runtime: 1, deadline: 1, period: 1 }),
    "/process/scheduler/runtime",
    "/process/scheduler/deadline",
    "/process/scheduler/period",
  ],
  ["SCHED_DEADLINE without a runtime", scheduler({ ...deadline, runtime: 0 }), "/process/scheduler/runtime"],
  ["a deadline below the runtime", scheduler({ ...deadline, deadline: 9 }), "/process/scheduler/deadline"],
  ["a period below the deadline", scheduler({ ...deadline, period: 19 }), "/process/scheduler/period"],
  [
    "users that are none",
    withProcess({ user: { uid: 4294967295, gid: 4294967295, additionalGids: [1, 4294967295] } }),
    "/process/user/uid",
    "/process/user/gid",
    "/process/user/additionalGids/1",
  ],
  [
    "CPU lists that are none",
    withProcess({ execCPUAffinity: { initial: "3-1", final: "1,,2" } }),
    "/process/execCPUAffinity/initial",
    "/process/execCPUAffinity/final",
  ],
  [
    "duplicate namespaces",
    withoutNamespaces({ namespaces: [{ type: "pid" }, { type: "ipc" }, { type: "pid", path: "/x" }] }),
    "/linux/namespaces/2",
  ],
  [
    "a relative namespace path",
    withoutNamespaces({ namespaces: [{ type: "pid", path: "x" }] }),
    "/linux/namespaces/0/path",
  ],
  [
    "an empty namespace path",
    withoutNamespaces({ namespaces: [{ type: "pid", path: "" }] }),
    "/linux/namespaces/0/path",
  ],
  ["a hostname and domainname on the host", config({ hostname: "a", domainname: "b" }), "/hostname", "/domainname"],
  [
    "id maps without a user namespace",
    withoutNamespaces({ uidMappings: maps, gidMappings: maps }),
    "/linux/uidMappings",
    "/linux/gidMappings",
  ],
  [
    "a new user namespace without id maps",
    withoutNamespaces({ namespaces: [{ type: "user" }] }),
    "/linux/uidMappings",
    "/linux/gidMappings",
  ],
  [
    "an id map of no ids",
    withLinux({ uidMappings: [{ containerID: 0, hostID: 0, size: 0 }] }),
    "/linux/uidMappings/0/size",
  ],
  [
    "an id map beyond the last id",
    withLinux({ gidMappings: [{ containerID: 1, hostID: 0, size: 4294967295 }] }),
    "/linux/gidMappings/0",
    "/linux/gidMappings",
  ],
  [
    "an id map without root",
    withLinux({ uidMappings: [{ containerID: 1, hostID: 1000, size: 9 }] }),
    "/linux/uidMappings",
  ],
  [
    "ids of the process that are not mapped",
    { ...withProcess({ user: { uid: 1000, gid: 1001, additionalGids: [5, 1002] } }), linux: withLinux({}).linux ?? {} },
    "/process/user/uid",
    "/process/user/gid",
    "/process/user/additionalGids/1",
  ],
  [
    "an owner of a fifo who is not mapped; of a device, which is the host's, he may be anybody",
    withLinux({
      devices: [
        { type: "c", path: "/dev/a", major: 1, minor: 3, uid: 1000, gid: 1000 },
        { type: "p", path: "/dev/b", uid: 1000, gid: 1000 },
      ],
    }),
    "/linux/devices/1/uid",
    "/linux/devices/1/gid",
  ],
  [
    "an owner of a mount's files who is not mapped",
    { ...withLinux({}), mounts: [{ destination: "/a", type: "tmpfs", options: ["size=1m", "uid=5", "gid=1000"] }] },
    "/mounts/0/options/2",
  ],
  [
    "overlapping ids in the container",
    withLinux({ uidMappings: [...maps, { containerID: 9, hostID: 5000, size: 1 }] }),
    "/linux/uidMappings/1",
  ],
  [
    "overlapping ids on the host",
    withLinux({ uidMappings: [...maps, { containerID: 50, hostID: 995, size: 6 }] }),
    "/linux/uidMappings/1",
  ],
  [
    "too many id mappings",
    withLinux({ uidMappings: Array.from({ length: 341 }, (_, i) => ({ containerID: i, hostID: i, size: 1 })) }),
    "/linux/uidMappings",
  ],
  [
    "time offsets without a time namespace",
    withoutNamespaces({ timeOffsets: { boottime: { secs: 1 } } }),
    "/linux/timeOffsets",
  ],
  [
    "time offsets for a joined namespace",
    withoutNamespaces({ namespaces: [{ type: "time", path: "/x" }], timeOffsets: { boottime: {} } }),
    "/linux/timeOffsets",
  ],
  [
    "a clock without offset, and a second too many",
    withLinux({ timeOffsets: { monotonic: { nanosecs: 1_000_000_000 }, ...{ realtime: {} } } }),
    "/linux/timeOffsets/monotonic/nanosecs",
    "/linux/timeOffsets/realtime",
  ],
  [
    "masked and read-only paths of the host",
    withoutNamespaces({ maskedPaths: ["/a"], readonlyPaths: ["/b"] }),
    "/linux/maskedPaths",
    "/linux/readonlyPaths",
  ],
  [
    "relative masked and read-only paths",
    withLinux({ maskedPaths: ["/a", "b"], readonlyPaths: [""] }),
    "/linux/maskedPaths/1",
    "/linux/readonlyPaths/0",
  ],
  ["an empty mount destination", withMount({ destination: "" }), "/mounts/0/destination"],
  ["a mount over the root", withMount({ destination: "/a/.." }), "/mounts/0/destination"],
  ["something else than procfs on /proc", withMount({ destination: "/x/../proc/" }), "/mounts/0/destination"],
  [
    "a mount inside /proc",
    withMount({ destination: "/proc/sys", type: "bind", source: "/x" }),
    "/mounts/0/destination",
  ],
  ["procfs inside /proc", withMount({ destination: "proc/self", type: "proc" }), "/mounts/0/destination"],
  [
    "bind mounts without a source",
    config({
      mounts: [
        { destination: "/a", type: "bind" },
        { destination: "/b", options: ["rbind"], source: "" },
      ],
    }),
    "/mounts/0/source",
    "/mounts/1/source",
  ],
  ["half an id map of a mount", withMount({ uidMappings: maps }), "/mounts/0/gidMappings"],
  ["an idmapped mount without any map", withMount({ options: ["ridmap"] }), "/mounts/0/options"],
  [
    "an overlapping id map of a mount",
    withMount({ uidMappings: [...maps, ...maps], gidMappings: maps }),
    "/mounts/0/uidMappings/1",
  ],
  [
    "a device with a relative path and no numbers",
    withLinux({ devices: [{ type: "b", path: "x" }] }),
    "/linux/devices/0/path",
    "/linux/devices/0/major",
    "/linux/devices/0/minor",
  ],
  [
    "device numbers that would be cut off",
    withLinux({
      devices: [
        { type: "c", path: "/x", major: 4096, minor: 1048576 },
        { type: "u", path: "/x", major: -1, minor: 0 },
      ],
    }),
    "/linux/devices/0/major",
    "/linux/devices/0/minor",
    "/linux/devices/1/major",
  ],
  ["net devices without a network namespace", withoutNamespaces({ netDevices: { eth0: {} } }), "/linux/netDevices"],
  [
    "names that no interface has",
    withLinux({
      netDevices: { "a/b": {}, eth0: { name: "0123456789abcdef" }, "..": { name: "x" }, eth1: { name: "é".repeat(8) } },
    }),
    "/linux/netDevices/a~1b",
    "/linux/netDevices/a~1b/name",
    "/linux/netDevices/eth0/name",
    "/linux/netDevices/..",
    "/linux/netDevices/eth1/name",
  ],
  ["two net devices of one name", withLinux({ netDevices: { a: { name: "b" }, b: {} } }), "/linux/netDevices/b"],
  [
    "sysctls of the host",
    withLinux({ sysctl: { "kernel.core_pattern": "|/x", "vm.swappiness": "1", "kernel.hostname": "a" } }),
    "/linux/sysctl/kernel.core_pattern",
    "/linux/sysctl/vm.swappiness",
    "/linux/sysctl/kernel.hostname",
  ],
  [
    "sysctls of namespaces that are not the container's",
    withoutNamespaces({ sysctl: { "net.a": "1", "kernel.sem": "1", "user.a": "1", "kernel.domainname": "1" } }),
    "/linux/sysctl/net.a",
    "/linux/sysctl/kernel.sem",
    "/linux/sysctl/user.a",
    "/linux/sysctl/kernel.domainname",
  ],
  [
    "sysctls that climb out of their namespace",
    withLinux({
      sysctl: {
        "net/../kernel/core_pattern": "x",
        "net.//.kernel.core_pattern": "x",
        "net..a": "x",
        "net/./a": "x",
        "net.": "x",
        "net.a\0b": "x",
      },
    }),
    "/linux/sysctl/net~1..~1kernel~1core_pattern",
    "/linux/sysctl/net.~1~1.kernel.core_pattern",
    "/linux/sysctl/net..a",
    "/linux/sysctl/net~1.~1a",
    "/linux/sysctl/net.",
    "/linux/sysctl/net.a\0b",
  ],
  [
    "a domainname told twice",
    { ...withLinux({ sysctl: { "kernel.domainname": "a" } }), domainname: "b" },
    "/linux/sysctl/kernel.domainname",
  ],
  [
    "NOTIFY as default action",
    seccomp({ defaultAction: "SCMP_ACT_NOTIFY", listenerPath: "/l" }),
    "/linux/seccomp/defaultAction",
  ],
  ["a default return value for ALLOW", seccomp({ defaultErrnoRet: 1 }), "/linux/seccomp/defaultErrnoRet"],
  ["a return value for ALLOW", rule({ action: "SCMP_ACT_ALLOW", errnoRet: 1 }), "/linux/seccomp/syscalls/0/errnoRet"],
  ["an errno that would be cut to success", rule({ errnoRet: 65536 }), "/linux/seccomp/syscalls/0/errnoRet"],
  [
    "a trace value of more than 16 bits",
    rule({ action: "SCMP_ACT_TRACE", errnoRet: 65536 }),
    "/linux/seccomp/syscalls/0/errnoRet",
  ],
  ["metadata without a listener", seccomp({ listenerMetadata: "m" }), "/linux/seccomp/listenerMetadata"],
  ["a notifying rule without a listener", rule({ action: "SCMP_ACT_NOTIFY" }), "/linux/seccomp/listenerPath"],
  [
    "write under NOTIFY",
    seccomp({ listenerPath: "/l", syscalls: [{ names: ["read", "write"], action: "SCMP_ACT_NOTIFY" }] }),
    "/linux/seccomp/syscalls/0/names/1",
  ],
  [
    "a seventh argument",
    rule({ args: [{ index: 6, value: 0, op: "SCMP_CMP_EQ" }] }),
    "/linux/seccomp/syscalls/0/args/0/index",
  ],
  [
    "memory below unlimited",
    withLinux({ resources: { memory: { limit: -2, reservation: -2, kernel: -2, kernelTCP: -2 } } }),
    "/linux/resources/memory/limit",
    "/linux/resources/memory/reservation",
    "/linux/resources/memory/kernel",
    "/linux/resources/memory/kernelTCP",
  ],
  [
    "swap below the limit that it includes",
    withLinux({ resources: { memory: { limit: 9223372036854775807n, swap: 9223372036854775806n } } }),
    "/linux/resources/memory/swap",
  ],
  ["swap without a memory limit", withLinux({ resources: { memory: { swap: 1024 } } }), "/linux/resources/memory/swap"],
  [
    "limited swap over unlimited memory",
    withLinux({ resources: { memory: { limit: -1, swap: 1024 } } }),
    "/linux/resources/memory/swap",
  ],
  [
    "swappiness above 100",
    withLinux({ resources: { memory: { swappiness: 101 } } }),
    "/linux/resources/memory/swappiness",
  ],
  [
    "a burst above the quota, an idle of 2",
    withLinux({ resources: { cpu: { quota: 10, burst: 11, idle: 2 } } }),
    "/linux/resources/cpu/burst",
    "/linux/resources/cpu/idle",
  ],
  [
    "a device without any weight",
    withLinux({ resources: { blockIO: { weightDevice: [{ major: 1, minor: 2 }] } } }),
    "/linux/resources/blockIO/weightDevice/0",
  ],
  [
    "a device rule below -1",
    withLinux({ resources: { devices: [{ allow: true, major: -2 }] } }),
    "/linux/resources/devices/0/major",
  ],
  [
    "an RDMA limit of nothing, and of no device",
    withLinux({ resources: { rdma: { a: {}, "b c": { hcaHandles: 1 } } } }),
    "/linux/resources/rdma/a",
    "/linux/resources/rdma/b c",
  ],
  [
    "unified keys that are no files of the cgroup",
    withLinux({ resources: { unified: { memory: "1", "../a.b": "1", ".x": "1", "a.b\0": "1", "": "1" } } }),
    "/linux/resources/unified/memory",
    "/linux/resources/unified/..~1a.b",
    "/linux/resources/unified/.x",
    "/linux/resources/unified/a.b\0",
    "/linux/resources/unified/",
  ],
  ["a cgroups path that climbs", withLinux({ cgroupsPath: "/a/../../b" }), "/linux/cgroupsPath"],
  [
    "a closID that climbs, and a schema of two lines",
    withLinux({ intelRdt: { closID: "..", schemata: ["a", "b\nc"] } }),
    "/linux/intelRdt/closID",
    "/linux/intelRdt/schemata/1",
  ],
  ["a closID with a slash", withLinux({ intelRdt: { closID: "a/b" } }), "/linux/intelRdt/closID"],
  [
    "a memory policy without its nodes",
    withLinux({ memoryPolicy: { mode: "MPOL_BIND" } }),
    "/linux/memoryPolicy/nodes",
  ],
  [
    "nodes for a policy that has none",
    withLinux({ memoryPolicy: { mode: "MPOL_LOCAL", nodes: "0" } }),
    "/linux/memoryPolicy/nodes",
  ],
  [
    "nodes that are no list, flags that exclude each other",
    withLinux({
      memoryPolicy: { mode: "MPOL_PREFERRED", nodes: "x", flags: ["MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"] },
    }),
    "/linux/memoryPolicy/nodes",
    "/linux/memoryPolicy/flags",
  ],
  [
    "a relative hook path",
    config({ hooks: { createContainer: [{ path: "/a" }, { path: "b" }] } }),
    "/hooks/createContainer/1/path",
  ],
];

test.each(BAD)("%s is refused where it stands", (_name, bad, ...pointers) => {
  expect(pointersOf(check(bad))).toEqual(pointers);
});

test("what a schema finds does not hide what the rules find elsewhere", () => {
  const bad = {
    ...config({ hostname: "a" }),
    process: { cwd: 5 },
    mounts: [{ destination: "/proc/sys", type: "proc" }],
  };
  expect(pointersOf(check(bad))).toEqual(["/process/args", "/process/cwd", "/hostname", "/mounts/0/destination"]);
});

test("the rules never look at what the schema refused", () => {
  const bad = { ...config({ hostname: "a" }), linux: "nothing" };
  expect(pointersOf(check(bad))).toEqual(["/linux"]);
});

test("unknown properties are no business of the rules", () => {
  const console_ = { height: 1, width: 1, depth: 1e9 };
  const good = withProcess({ terminal: true, consoleSize: console_, capabilities: JSON.parse('{"other":5}') });
  expect(check(good)).not.toThrow();
});

test("a process file has pointers of its own", () => {
  expect(pointersOf(() => parseProcess('{"cwd":"a","args":["sh"],"env":["A"]}'))).toEqual(["/cwd", "/env/0"]);
  expect(specErrorOf(() => parseProcess('{"cwd":"/","args":[]}')).message).toBe(
    "process.json: /args: must have at least 1 item, not an empty array",
  );
});

test("a change of resources may name swap alone, the limit being there already", () => {
  expect(parseResources('{"memory":{"swap":1024}}')).toEqual({ memory: { swap: 1024 } });
  expect(pointersOf(() => parseResources('{"memory":{"limit":2048,"swap":1024},"pids":{}}'))).toEqual(["/pids/limit"]);
  expect(pointersOf(() => parseResources('{"memory":{"limit":2048,"swap":1024}}'))).toEqual(["/memory/swap"]);
});
