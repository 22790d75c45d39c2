// Where our verdict on a config differs from the upstream schemas', on purpose, and why. An entry matches findings, written
// "pointer: message" (ours) or "pointer: keyword" (theirs). test/spec/differential.test.ts fails on a difference that is not
// here, and on an entry that no difference needs.

/** A difference that is wanted. */
export interface Difference {
  readonly finding: RegExp;
  readonly why: string;
}

const text = "the specification's text says so, the schema does not";
const host = "it would be done to the host";

/** We refuse, they accept. */
export const STRICTER: readonly Difference[] = [
  // What a schema could say.
  { finding: /^\/root: is required/, why: `REQUIRED but on Windows: ${text}` },
  { finding: /^\/process\/args: is required/, why: `at least one entry is REQUIRED: ${text}` },
  { finding: /^\/process\/args: must have at least 1 item/, why: `at least one entry is REQUIRED: ${text}` },
  {
    finding: /^\/process\/rlimits\/\d+\/type: must be one of/,
    why: "an error is a MUST for what getrlimit(2) does not know",
  },
  {
    finding: /^\/process\/oomScoreAdj: must be an integer/,
    why: "the value MUST be set, and proc(5) takes -1000 to 1000",
  },
  { finding: /^\/process\/ioPriority\/priority: must be an integer/, why: `0 to 7: ${text}` },
  { finding: /^\/linux\/personality\/domain: is required/, why: `REQUIRED: ${text}` },
  { finding: /^\/linux\/memoryPolicy\/mode: is required/, why: `REQUIRED: ${text}` },
  { finding: /^\/linux\/resources\/blockIO\/throttle\w+\/\d+\/rate: is required/, why: `REQUIRED: ${text}` },
  { finding: /^\/linux\/resources\/devices\/\d+\/type: must be one of/, why: `a, b or c: ${text}` },
  { finding: /^\/linux\/resources\/devices\/\d+\/access: must match/, why: `a composition of r, w and m: ${text}` },
  { finding: /: must not hold a NUL byte/, why: "the kernel would see another string" },
  {
    finding: /: must be an integer .*, not (18446744073709551616|9223372036854775808|-9223372036854775809)$/,
    why: "theirs is read as doubles, and rounded into range",
  },
  {
    finding: /^\/hooks\/\w+\/\d+\/timeout: must be an integer .*, not \d/,
    why: "a Go int, says the binding, has 64 bits",
  },
  // What a schema cannot say: the rules. Each cites its section in src/spec/rules.
  { finding: /^\/ociVersion: /, why: "MUST be SemVer" },
  { finding: /^\/root\/path: must not be empty/, why: "a directory MUST exist at the path" },
  { finding: /^\/annotations\/: /, why: "keys MUST NOT be empty" },
  { finding: /^\/process\/cwd: must be an absolute path/, why: "MUST be absolute" },
  {
    finding: /^\/process\/user\/([ug]id|additionalGids\/\d+): is no id/,
    why: "setresuid(2) would leave the process root",
  },
  { finding: /^\/process\/env\/\d+: must have the form/, why: "environ has NAME=value" },
  { finding: /^\/process\/rlimits\/\d+: is a second/, why: "duplicates MUST be an error" },
  { finding: /^\/process\/rlimits\/\d+\/soft: must not be above/, why: "EINVAL of setrlimit(2)" },
  { finding: /^\/process\/consoleSize\/(height|width): must be at most/, why: "16 bits in ioctl_tty(2)" },
  {
    finding: /^\/process\/scheduler\/\w+: (has no meaning|must )/,
    why: "EINVAL of sched_setattr(2), or ignored by it",
  },
  { finding: /^\/process\/execCPUAffinity\/\w+: must be a list/, why: "the characters of a list are not a list" },
  { finding: /^\/(hostname|domainname): needs a uts namespace/, why: host },
  { finding: /^\/linux\/namespaces\/\d+: is a second/, why: "duplicates MUST be an error" },
  { finding: /^\/linux\/namespaces\/\d+\/path: must be an absolute path/, why: "MUST be absolute" },
  { finding: /^\/linux\/[ug]idMappings: needs a user namespace/, why: "there is nothing that they could map" },
  { finding: /^\/linux\/[ug]idMappings: must map id 0/, why: "the container's root makes all that is in it" },
  { finding: /: \d+ is not mapped in the user namespace/, why: "EINVAL of user_namespaces(7)" },
  { finding: /^\/linux\/[ug]idMappings: is required/, why: "a new user namespace would have no ids" },
  {
    finding: /^\/(linux|mounts\/\d+)\/[ug]idMappings\/\d+(\/size)?: (must|goes|overlaps)/,
    why: "EINVAL of user_namespaces(7)",
  },
  { finding: /^\/linux\/timeOffsets: needs a time namespace/, why: host },
  { finding: /^\/linux\/timeOffsets: cannot change the joined/, why: "EACCES of time_namespaces(7)" },
  { finding: /^\/linux\/timeOffsets\/[^/]*: is no clock/, why: "the keys are clocks, not fields" },
  { finding: /^\/linux\/timeOffsets\/\w+\/nanosecs: must be below/, why: "EINVAL of time_namespaces(7)" },
  { finding: /^\/linux\/(masked|readonly)Paths: needs a mount namespace/, why: host },
  { finding: /^\/linux\/(masked|readonly)Paths\/\d+: must be an absolute path/, why: "MUST be absolute" },
  { finding: /^\/mounts\/\d+\/destination: /, why: "empty, the root itself, or inside /proc" },
  { finding: /^\/mounts\/\d+\/source: is required/, why: "there is nothing to bind" },
  { finding: /^\/mounts\/\d+\/[ug]idMappings: is required/, why: "MUST be specified along with the other" },
  {
    finding: /^\/mounts\/\d+\/options: ask for an idmapped mount/,
    why: "an error is a MUST without maps or user namespace",
  },
  { finding: /^\/linux\/devices\/\d+\/path: must be an absolute path/, why: "a full path" },
  { finding: /^\/linux\/devices\/\d+\/(major|minor): is required/, why: "REQUIRED unless the type is p" },
  { finding: /^\/linux\/devices\/\d+\/(major|minor): must be from/, why: "would be cut off to another device" },
  { finding: /^\/linux\/netDevices: needs a network namespace/, why: "there is nowhere to move them" },
  { finding: /^\/linux\/netDevices\/[^/]*(\/name)?: is not a name/, why: "EINVAL of rtnetlink(7)" },
  { finding: /^\/linux\/netDevices\/[^/]*: would have the same name/, why: "an existing name MUST be an error" },
  { finding: /^\/linux\/sysctl\/[^/]*: /, why: host },
  { finding: /^\/linux\/seccomp\/defaultAction: cannot be/, why: "the runtime itself would wait for the listener" },
  {
    finding: /^\/linux\/seccomp\/(defaultErrnoRet|syscalls\/\d+\/errnoRet): /,
    why: "MUST fail when the action has no errno",
  },
  { finding: /^\/linux\/seccomp\/listenerMetadata: needs/, why: "MUST NOT be set without listenerPath" },
  { finding: /^\/linux\/seccomp\/listenerPath: is required/, why: "nobody would get the notifications" },
  { finding: /^\/linux\/seccomp\/syscalls\/\d+\/args\/\d+\/index: must be below/, why: "syscall(2) has six arguments" },
  { finding: /^\/linux\/resources\/memory\/swap: must not be below/, why: "EINVAL of memory.memsw.limit_in_bytes" },
  { finding: /^\/linux\/resources\/memory\/swap: needs a memory limit/, why: "swap alone has no limit of its own" },
  { finding: /^\/linux\/resources\/memory\/\w+: must be -1/, why: "-1 is the only negative value that is named" },
  { finding: /^\/linux\/resources\/memory\/swappiness: must be from/, why: "from 0 to 100" },
  { finding: /^\/linux\/resources\/cpu\/burst: must not be above/, why: "MUST be no larger than a positive quota" },
  { finding: /^\/linux\/resources\/cpu\/idle: must be/, why: "0 and 1 are named" },
  { finding: /^\/linux\/resources\/blockIO\/weightDevice\/\d+: must have/, why: "one of the two is a MUST" },
  { finding: /^\/linux\/resources\/devices\/\d+\/(major|minor): must be a device/, why: "no device has such a number" },
  { finding: /^\/linux\/resources\/rdma\/[^/]*: /, why: "one of the two is a MUST" },
  { finding: /^\/linux\/resources\/unified\/[^/]*: /, why: "a file of the cgroup, and of no other" },
  { finding: /^\/linux\/cgroupsPath: must not contain/, why: "runtimes MAY refuse values; this one leaves its place" },
  { finding: /^\/linux\/intelRdt\/closID: /, why: "the name of a directory" },
  { finding: /^\/linux\/intelRdt\/schemata\/\d+: must be one line/, why: "an entry is a line" },
  { finding: /^\/linux\/memoryPolicy\/nodes: /, why: "EINVAL of set_mempolicy(2)" },
  { finding: /^\/linux\/memoryPolicy\/flags: /, why: "EINVAL of set_mempolicy(2)" },
  { finding: /^\/hooks\/\w+\/\d+\/path: must be an absolute path/, why: "MUST be absolute" },
];

/** They refuse, we accept. */
export const LAXER: readonly Difference[] = [
  { finding: /^\/(solaris|vm|windows|zos)(\/|:)/, why: "another platform's object is an unknown property here" },
  { finding: /^\/process\/commandLine:/, why: "Windows only: an unknown property here" },
  { finding: /^\/process\/user\/username:/, why: "Windows only: an unknown property here" },
  { finding: /^\/linux\/rootfsPropagation: enum/, why: "runc takes the r forms and Docker sends them" },
  { finding: /^\/linux\/devices\/\d+\/fileMode: maximum/, why: "a uint32 says the text, and engines send type bits" },
];
