// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are pieces of source files.

// The list of attacks: what is known by which number, how it is tried here, what keeps it off, and how that guard is taken
// away so that the test fails. `node_modules/.bin/node test/root/attacks/mutate.ts` takes each away and looks that it does;
// test/attacks.test.ts looks that every guard and every test is still where this says.

/** A change to a source file: `find` occurs in it once. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Guard {
  readonly id: string;
  readonly tried: string;
  /** What keeps it off, and where. */
  readonly guard: string;
  /** The file of the test, and a text of its name. */
  readonly test: readonly [file: string, name: string];
  readonly edits: readonly Edit[];
}

const A = "test/root/attacks";
const edit = (file: string, find: string, replace: string): Edit => ({ file, find, replace });

export const GUARDS: readonly Guard[] = [
  {
    id: "CVE-2014-9357 CVE-2018-15664 CVE-2019-18837 CVE-2021-30465 CVE-2024-45310 CVE-2025-24965",
    tried:
      "names in a shared volume are exchanged with links to the host while mounts, files, devices and cwd are made",
    guard: "openInRoot: openat2 RESOLVE_IN_ROOT, used once, by descriptor from then on",
    test: [`${A}/races.test.ts`, "the destination of a bind-mounted file"],
    // Paths are made relative: a test of this must not work on the machine's own /proc and /dev.
    edits: [
      edit(
        "src/linux/calls.ts",
        'const how = openHow(flags | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve);\n  return { name: "openat2", args: [root, path, how, how.length] };',
        'const how = openHow(flags | O_CLOEXEC, 0, RESOLVE_NO_MAGICLINKS | resolve);\n  return { name: "openat2", args: [root, path.replace(/^\\/+/, "") || ".", how, how.length] };',
      ),
    ],
  },
  {
    id: "CVE-2016-9962",
    tried:
      "a neighbour in a pod (same user and capabilities) reads, writes, traces and robs an init that waits for start",
    guard: "launch: PR_SET_DUMPABLE 0 before any namespace is joined, and again when the user has changed",
    test: [`${A}/joining.test.ts`, "gives nothing away to root with the same"],
    edits: [
      edit(
        "src/linux/programs.ts",
        'if (!isOpenToOwner(to)) plan.add(syscall("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0));',
        "isOpenToOwner(to);",
      ),
      edit("src/linux/programs.ts", "  else planClosed(plan);\n", ""),
    ],
  },
  {
    id: "CVE-2016-9962 (with CAP_SYS_PTRACE)",
    tried: "a process that may trace all it sees weighs what the process that comes in may do and has open",
    guard: "exec: an envoy outside of the pid namespace gives up root's rights, then clones the process",
    test: [`${A}/joining.test.ts`, "has no more rights than the container's"],
    edits: [edit("src/lifecycle/exec.ts", "(joined & CLONE_NEWPID) === 0 || ", "(joined & CLONE_NEWPID) >= 0 || ")],
  },
  {
    id: "CVE-2016-9962 (with CAP_SYS_PTRACE, and a listener)",
    tried: "the same, where the filter asks a listener, and is loaded by who is still root",
    guard:
      "asksEarly: no envoy only where the listener is asked about what an envoy calls; it is told when the process is there",
    test: [`${A}/joining.test.ts`, "where its filter asks a listener"],
    edits: [edit("src/lifecycle/succession.ts", "asksAbout(seccomp, ENVOYS_CALLS)", "ENVOYS_CALLS.size > 0")],
  },
  {
    id: "CVE-2016-9962 (with CAP_SYS_PTRACE, in a pod)",
    tried: "a neighbour in a pid namespace, who may trace all he sees, weighs the init that is made there",
    guard: "pidsOfHeir: an envoy outside of the pid namespace makes everything, then clones init",
    test: [`${A}/joining.test.ts`, "and its socket and fifos, when it is seen"],
    edits: [
      edit(
        "src/lifecycle/succession.ts",
        "if (obstacle === undefined) return pids;",
        "if (obstacle === undefined) return;",
      ),
    ],
  },
  {
    id: "an envoy's procfs",
    tried: "a container in a pod looks for the host's processes in its /proc, which somebody outside has mounted",
    guard: "planProcfsOf: the procfs is of the pod's pid namespace",
    test: ["test/root/pods.test.ts", "has a procfs that shows the pod, to all in it: hidepid"],
    edits: [edit("src/linux/mounts.ts", 'if (type === "proc") planProcfsOf(to.plan, fs, to.pids);', "")],
  },
  {
    id: "an envoy's procfs, by mount(2)",
    tried: "the same with an option that only mount(2) knows",
    guard: "planClassicMount: the same",
    test: ["test/root/pods.test.ts", "has a procfs that shows the pod, to all in it: iversion"],
    edits: [edit("src/linux/mounts.ts", 'if (type === "proc") data.push(...procfsOptions(to.pids));', "")],
  },
  {
    id: "an agent that is stopped, exec",
    tried: "a loop in the container sends SIGSTOP to whatever comes in",
    guard: "silence.ts: stopped before its program ran is an error",
    test: [`${A}/joining.test.ts`, "is given up, and the caller told why"],
    edits: [edit("src/linux/agent/silence.ts", 'if (state === "T" || state === "t")', 'if (state === "none")')],
  },
  {
    id: "an agent that is held",
    tried: "who has CAP_SYS_PTRACE seizes whatever comes in, and interrupts it",
    guard: "silence.ts: stopped by its tracer is stopped",
    test: [`${A}/joining.test.ts`, "is given up where it is held"],
    edits: [edit("src/linux/agent/silence.ts", 'if (state === "T" || state === "t")', 'if (state === "T")')],
  },
  {
    id: "an agent that is held, and ended",
    tried: "the same: its tracer takes no notice of its end, and so nobody else may",
    guard: "endAndReap: no wait for it to be reaped",
    test: [`${A}/joining.test.ts`, "is given up where it is held"],
    edits: [
      edit(
        "src/linux/agent/reap.ts",
        'syscall(syscallNumber("wait4"), waitedFor, 0, WNOHANG, 0);',
        'syscall(syscallNumber("wait4"), waitedFor, 0, 0, 0);',
      ),
    ],
  },
  {
    id: "a process whose end is kept",
    tried:
      "a container traces what exec runs, and takes no notice of its end: exec waits for ever (runc's and crun's do)",
    guard: "waitFor: what procfs says of one that has ended",
    test: [`${A}/joining.test.ts`, "though its tracer takes no notice"],
    edits: [
      edit(
        "src/linux/agent/reap.ts",
        "const traced = ended ? processFields(pid)?.(EXIT_CODE) : undefined;",
        "const traced = undefined;",
      ),
    ],
  },
  {
    id: "an agent whose socket is kept",
    tried: "who has CAP_SYS_PTRACE takes the socket of whatever comes in, whose end says that the program runs",
    guard: "receiveOrEnd: the kernel's flag says so, too",
    test: [`${A}/joining.test.ts`, "is known to run though its socket"],
    edits: [edit("src/linux/agent/agent.ts", "if (orEnd && this.#forked && hasExecuted(this.pid)) return 0;", "")],
  },
  {
    id: "an agent that is stopped, start",
    tried: "a neighbour in a pod stops the init that waits",
    guard: "start: a silence of init is looked into, and init ended",
    test: [`${A}/joining.test.ts`, "ends where it was stopped"],
    edits: [edit("src/lifecycle/start.ts", "    waitForWord(reader, container, log);\n", "")],
  },
  {
    id: "an agent that lies: length",
    tried: "a reply of another length than what is due",
    guard: "Results.take: the length is compared",
    test: ["test/linux/agent/hostile.test.ts", "shorter or longer"],
    edits: [edit("src/linux/kernel.ts", "if (reply.length !== encoded.replyLength)", "if (reply.length < 0)")],
  },
  {
    id: "an agent that lies: place",
    tried: "a reply that stopped where no call is (a loop of 67 million rounds, or a failure taken for success)",
    guard: "failedIndex: within the vector",
    test: ["test/linux/agent/hostile.test.ts", "stopped at no call"],
    edits: [
      edit(
        "src/linux/kernel.ts",
        "if (high !== 0 || !Number.isInteger(index) || index < 0 || index >= count)",
        "if (count < 0)",
      ),
    ],
  },
  {
    id: "an agent that lies: result",
    tried: "a reply that goes on after a failure that nothing tolerates",
    guard: "Results.take: a failure must be the tolerated one",
    test: ["test/linux/agent/hostile.test.ts", "went on after a failure"],
    edits: [edit("src/linux/kernel.ts", "if (isFailed && !isTolerated(value, tolerance)) throw", "if (ran < 0) throw")],
  },
  {
    id: "an agent that lies: process",
    tried: "clone answers 0, -1, a number too large: kill(2) would take them for groups",
    guard: "Agent.adopted: a process number",
    test: ["test/linux/agent/hostile.test.ts", "is no process is not adopted"],
    edits: [
      edit("src/linux/agent/agent.ts", "if (!(pid > 0 && pid <= LAST_PID)) throw", "if (pid === LAST_PID + 7) throw"),
    ],
  },
  {
    id: "an agent that lies: another's process",
    tried: "clone answers the number of a process of the host's, to which tsrun would give a scheduler and a pid file",
    guard: "Agent.cloned: a child of ours",
    test: ["test/linux/agent/hostile.test.ts", "is no child of ours is not believed"],
    edits: [
      edit("src/linux/agent/agent.ts", "if (known.has(pid) || !isChild(pid)) throw", "if (pid === LAST_PID + 7) throw"),
    ],
  },
  {
    id: "an agent that lies: a process that we know",
    tried: "clone answers the number of the one who cloned, which is then ended in the place of the process that runs",
    guard: "Agent.cloned: none that there is an agent of",
    test: ["test/linux/agent/hostile.test.ts", "is no child of ours is not believed"],
    edits: [edit("src/linux/agent/agent.ts", "if (known.has(pid) || !isChild(pid)) throw", "if (!isChild(pid)) throw")],
  },
  {
    id: "CVE-2019-5736",
    tried:
      "root on the host holds /proc/PID/exe of init and writes to it when it has ended; a container does so to exec",
    guard: "the agent's executable is a sealed memfd",
    test: [`${A}/executable.test.ts`, "can be written to by nobody"],
    edits: [
      edit(
        "src/linux/agent/executable.ts",
        '    checked(syscall(syscallNumber("fcntl"), fd, F_ADD_SEALS, SEALS), "fcntl", fd, F_ADD_SEALS, SEALS);\n',
        "",
      ),
    ],
  },
  {
    id: "CVE-2024-21626 (the directory)",
    tried: "cwd is a directory of the host's, reached through a process of the host's pid namespace",
    guard: "checkCwd: getcwd(2) says that it is inside",
    test: [`${A}/descriptors.test.ts`, "is refused to run and to exec: /proc/PID/root of"],
    edits: [edit("src/linux/working-directory.ts", 'if (path[0] !== "/".charCodeAt(0))', "if (answers === undefined)")],
  },
  {
    id: "CVE-2024-21626 (the descriptor)",
    tried: "the caller leaks directories of the host's; cwd and program are /proc/self/fd/N",
    guard: "Agent.start and launch: close_range CLOEXEC before anything else",
    test: [`${A}/descriptors.test.ts`, "is not open in the program of run"],
    edits: [
      edit(
        "src/linux/agent/agent.ts",
        'const mark = syscall(syscallNumber("close_range"), FIRST_OTHER, LAST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC);',
        "const mark = 0;",
      ),
      edit(
        "src/linux/programs.ts",
        'plan.at("agent").add(syscall("close_range", to.firstPrivateFd, 0xffff_ffff, CLOSE_RANGE_CLOEXEC));',
        'plan.at("agent");',
      ),
    ],
  },
  {
    id: "CVE-2019-19921 CVE-2023-27561 CVE-2023-28642 GHSA-fh74-hm69-rqjw",
    tried: "/proc or /sys of the image is a link, into a volume or to nowhere",
    guard: "resolutionOf: RESOLVE_NO_SYMLINKS for proc and sysfs",
    test: [`${A}/procfs.test.ts`, "holds no proc file system of the container's: /proc is a link to a volume"],
    edits: [
      edit(
        "src/linux/mounts.ts",
        'return type === "proc" || type === "sysfs" ? RESOLVE_NO_SYMLINKS : 0;',
        "return type === '' ? RESOLVE_NO_SYMLINKS : 0;",
      ),
    ],
  },
  {
    id: "CVE-2019-16884 (by name)",
    tried: "a directory is bound over /proc/sys",
    guard: "the rules for mounts",
    test: ["test/root/mounts.test.ts", "a directory over /proc/sys is refused"],
    edits: [
      edit(
        "src/spec/rules/mounts.ts",
        '} else if (destination.startsWith("/proc/") && !BELOW_PROC.has(destination)) {',
        "} else if (BELOW_PROC.has(place.join())) {",
      ),
    ],
  },
  {
    id: "CVE-2019-16884 (by a link)",
    tried: "a volume for /data/self where the image's /data is a link to /proc",
    guard: "checkPlace",
    test: [`${A}/procfs.test.ts`, "is not mounted over /proc by a link of the image's to /proc ("],
    edits: [
      edit(
        "src/linux/mounts.ts",
        'if (place[0] === "proc" && namesIn(destination)[0] !== "proc")',
        "if (place[0] === destination)",
      ),
      edit("src/linux/attach.ts", "if (type === PROC_SUPER_MAGIC &&", "if (type === 0 &&"),
    ],
  },
  {
    id: "CVE-2019-16884 (by a link that is no text)",
    tried: "the same, where reading the links beforehand cannot tell",
    guard: "planOutsideProc: the kernel is asked which file system was mounted on",
    test: [`${A}/procfs.test.ts`, "by a link of the image's to /a\xff"],
    edits: [edit("src/linux/attach.ts", "if (type === PROC_SUPER_MAGIC &&", "if (type === 0 &&")],
  },
  {
    id: "CVE-2025-31133 (masks of a volume in the place of /sys)",
    tried: "the image's link for a volume is /sys as text, and another directory to the kernel",
    guard: "attach: the mount of /sys is what the config has at /sys; and InRoot.resolve, as the kernel does",
    test: [`${A}/procfs.test.ts`, "is not taken for /sys"],
    edits: [
      edit(
        "src/linux/attach.ts",
        "!oneOfTwo && KERNEL_MOUNTS.has(destination)) to.kernelMounts.set(destination, mount);",
        '!oneOfTwo && KERNEL_MOUNTS.has(`/${to.inRoot.resolve(destination).join("/")}`)) to.kernelMounts.set(`/${to.inRoot.resolve(destination).join("/")}`, mount);',
      ),
      edit(
        "src/linux/in-root.ts",
        'left.unshift(...link.split("/").filter((part) => part !== "" && part !== "."));',
        "left.unshift(...namesIn(link));",
      ),
    ],
  },
  {
    id: "links that multiply",
    tried: "a chain of links names more directories to make than there is memory for",
    guard: "InRoot.resolve: no more than a path can be",
    test: [`${A}/images.test.ts`, "keep no runtime busy"],
    edits: [edit("src/linux/in-root.ts", 'if (names.join("/").length >= PATH_MAX)', "if (names.length < 0)")],
  },
  {
    id: "CVE-2025-52881 (masks)",
    tried: "/proc of the root is renamed between mounting and masking, and a fake put there",
    guard: "openPlace: below /proc and /sys by the mount's descriptor",
    test: [`${A}/procfs.test.ts`, "masks /proc nevertheless"],
    edits: [
      edit(
        "src/linux/rootfs.ts",
        "const mount = kernelMounts.get(`/${top}`);",
        "const mount = kernelMounts.get(`${top}`);",
      ),
    ],
  },
  {
    id: "CVE-2025-52881 (parameters)",
    tried: "the same, for linux.sysctl",
    guard: "planSysctl: through a procfs that tsrun mounted, RESOLVE_NO_XDEV",
    test: [`${A}/procfs.test.ts`, "writes kernel parameters"],
    edits: [
      edit(
        "src/linux/sysctl.ts",
        "openat2(proc, `sys/${sysctlPath(key)}`, O_WRONLY, RESOLVE)",
        "openat2(to.inRoot.root, `proc/sys/${sysctlPath(key)}`, O_WRONLY, RESOLVE_NO_SYMLINKS)",
      ),
    ],
  },
  {
    id: "CVE-2025-31133 CVE-2025-62161",
    tried: "/dev/null of the image is a link to a file that a mask would then show",
    guard: "planMask: the host's /dev/null",
    test: [`${A}/procfs.test.ts`, "is not what files are masked with"],
    edits: [
      edit(
        "src/linux/masked-paths.ts",
        'plan.add(cloneTree(AT_FDCWD, "/dev/null"))',
        'plan.add(cloneTree(to.inRoot.open(plan, "/dev/null"), "", AT_EMPTY_PATH))',
      ),
    ],
  },
  {
    id: "CVE-2025-31133 (streams)",
    tried: "/dev/null of the image is a link to a file of a volume, and the streams are /dev/null",
    guard: "planNullStdio: no links, and 1:3",
    test: [`${A}/images.test.ts`, "are not reopened as a /dev/null that leads to /volume/null"],
    edits: [
      edit("src/linux/stdio.ts", "O_RDWR | O_NOCTTY, RESOLVE_NO_SYMLINKS)", "O_RDWR | O_NOCTTY, 0)"),
      edit(
        "src/linux/stdio.ts",
        "if ((mode & S_IFMT) !== S_IFCHR || !isNull)",
        "if (mode === S_IFCHR && S_IFMT === 0 && isNull)",
      ),
    ],
  },
  {
    id: "CVE-2025-52565",
    tried: "/dev/console, /dev/ptmx and /dev/pts/ptmx of the image are links",
    guard: "planTerminal: the end in the container by TIOCGPTPEER, bound by descriptor",
    test: ["test/linux/terminal.test.ts", "is bound over /dev/console by descriptor"],
    edits: [
      edit(
        "src/linux/terminal.ts",
        'plan.add(cloneTree(slave, "", AT_EMPTY_PATH))',
        'plan.add(cloneTree(inRoot.open(plan, "/dev/pts/0"), "", AT_EMPTY_PATH))',
      ),
    ],
  },
  {
    id: "CVE-2026-41579 CVE-2026-47766 (nodes)",
    tried: "/dev of the image is a link to a volume, and nothing is mounted there",
    guard: "planDevices: /dev is opened without links before anything is made",
    test: [`${A}/images.test.ts`, "/dev -> /volume, 3 mounts missing"],
    edits: [
      edit(
        "src/linux/devices.ts",
        'const dev = to.plan.add(openat2(to.inRoot.root, "dev", O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS));',
        'const dev = to.inRoot.open(to.plan, "/dev", O_PATH | O_DIRECTORY);',
      ),
    ],
  },
  {
    id: "CVE-2026-41579 (owners)",
    tried: "a device of the config's where a file of a volume is",
    guard: "planNode: only what was made is given away",
    test: [`${A}/images.test.ts`, "/opt -> /volume, 0 mounts missing"],
    edits: [
      edit(
        "src/linux/devices.ts",
        'else plan.branch("EEXIST", make, give, () => planCheck(to, parent, name, device, field));',
        'else {\n    plan.orElse("EEXIST", make, () => planCheck(to, parent, name, device, field));\n    give();\n  }',
      ),
    ],
  },
  {
    id: "CVE-2022-29162 CVE-2022-27650 CVE-2025-27612",
    tried: "exec and run, with --cap and --user: what do children inherit",
    guard: "planCapabilities: the inheritable set is the config's",
    test: [`${A}/callers.test.ts`, "inherit no capability"],
    edits: [edit("src/linux/credentials.ts", "permitted, inheritable })", "permitted, inheritable: permitted })")],
  },
  {
    id: "CVE-2026-30892 CVE-2016-3697",
    tried: "exec --user with twenty texts that are no number, and with numbers that passwd calls root",
    guard: "id: the whole text is a number; no name is ever looked up",
    test: [`${A}/callers.test.ts`, "that are no numbers are nobody"],
    edits: [
      edit(
        "src/lifecycle/exec-process.ts",
        "if (!/^\\d{1,10}$/.test(text) || Number(text) > LAST_ID)",
        "if (Number.parseInt(text, 10) > LAST_ID)",
      ),
      edit("src/lifecycle/exec-process.ts", "  return Number(text);", "  return Number.parseInt(text, 10) || 0;"),
    ],
  },
  {
    id: "CVE-2022-0492 CVE-2023-25809",
    tried: "release_agent and other containers' cgroups are looked for in a writable cgroup mount",
    guard: "planCgroupMount: the container's own directories are bound",
    test: [`${A}/cgroups.test.ts`, "no release_agent, without one"],
    edits: [
      edit(
        "src/linux/cgroup-mount.ts",
        "plan.add(cloneTree(AT_FDCWD, directory))",
        'plan.add(cloneTree(AT_FDCWD, directory.slice(0, directory.lastIndexOf("/"))))',
      ),
    ],
  },
  {
    id: "a frozen cgroup of the container's own",
    tried: "the container freezes a process of its own, which then cannot be killed (cgroup v1)",
    guard: "thawV1: all below the container's cgroup",
    test: [`${A}/cgroups.test.ts`, "frozen with a process in them"],
    edits: [
      edit(
        "src/linux/cgroups/processes.ts",
        'if (isFrozen(cgroup, "v1")) writeFile(',
        'if (isFrozen(cgroup, "v1") && cgroup === freezer) writeFile(',
      ),
    ],
  },
  {
    id: "cgroups named what is no text",
    tried: "a process in such a cgroup is not found, and the cgroups cannot be removed",
    guard: "visit: names are bytes",
    test: [`${A}/cgroups.test.ts`, "named what is no text"],
    edits: [edit("src/linux/cgroups/tree.ts", "open(here, next.raw)", "open(here, next.name)")],
  },
  {
    id: "a cgroup mount in a shared volume",
    tried: "the directory of its destination is exchanged with another while its hierarchies are mounted (cgroup v1)",
    guard: "planCgroupMount: all by the descriptor of the tmpfs",
    test: [`${A}/races.test.ts`, "are mounted in the tmpfs that is for them"],
    edits: [
      edit(
        "src/linux/cgroup-mount.ts",
        "const target = plan.add(openat(top, place, O_PATH | O_DIRECTORY));",
        "const target = to.inRoot.open(plan, `${destination}/${place}`);",
      ),
    ],
  },
  {
    id: "a mount with long options in a shared volume",
    tried: "the directory of its destination is exchanged with another before its propagation is set",
    guard: "planPropagationOf: from the directory that was mounted on, up",
    test: [`${A}/races.test.ts`, "what mount(2) mounts is given its propagation"],
    edits: [
      edit(
        "src/linux/mounts.ts",
        "planPropagationOf(plan, target, options)",
        "planPropagationOf(plan, to.inRoot.open(plan, destination), options)",
      ),
    ],
  },
  {
    id: "tmpcopyup: a file that becomes a device",
    tried: "a file of the image is exchanged with /dev/zero while a tmpfs is filled with it",
    guard: "copyFile: what was opened is looked at, then read",
    test: [`${A}/races.test.ts`, "a tmpfs is filled with files and devices"],
    edits: [edit("src/linux/copy-up.ts", 'if (status.kind !== "file") return;', "")],
  },
  {
    id: "tmpcopyup: more than there is memory for",
    tried: "an image has more data, or holes, where a tmpfs is filled than the container may have of memory",
    guard: "Bounds: what tsrun copies is not charged to the container, and is no more than its limit",
    test: [`${A}/images.test.ts`, "takes no more memory than the container has"],
    edits: [edit("src/linux/copy-up.ts", "if (this.#left < 0)", "if (this.#left === 0.5)")],
  },
  {
    id: "tmpcopyup: directories without end",
    tried: "an image has directories nested more deeply there than functions may call each other",
    guard: "Bounds.enter",
    test: [`${A}/images.test.ts`, "where directories are nested too deeply"],
    edits: [edit("src/linux/copy-up.ts", "if (depth > DEEPEST)", "if (depth < 0)")],
  },
  {
    id: "a bundle that changes",
    tried: "config.json is another one when exec and delete come",
    guard: "the state directory holds what was checked",
    test: [`${A}/callers.test.ts`, "that changes behind create"],
    edits: [
      edit(
        "src/lifecycle/exec-process.ts",
        "  const config = loadConfig(container.configPath, SPEC_FILES);\n  return { process: changed(",
        "  const config = loadConfig(`${container.state.bundle}/config.json`, SPEC_FILES);\n  return { process: changed(",
      ),
    ],
  },
  {
    id: "kill --all: a number that is another's by now",
    tried:
      "a process of the container ends between being listed and being signalled, and one of the host's has its number",
    guard: "signalBelow: it is held by a pidfd, and looked for once more",
    test: ["test/linux/cgroups/processes.test.ts", "who has the number of one that ended meanwhile"],
    edits: [
      edit(
        "src/linux/cgroups/processes.ts",
        "const there = new Set(processesBelow(path));",
        "const there = new Set(pids);",
      ),
    ],
  },
  {
    id: "a cgroup with more processes than a call takes arguments",
    tried: "a container without a limit has 65535 processes: it cannot be listed, killed or deleted",
    guard: "processesBelow: one by one",
    test: ["test/linux/cgroups/processes.test.ts", "there may be more of them"],
    edits: [
      edit(
        "src/linux/cgroups/processes.ts",
        "for (const pid of processesIn(cgroup)) found.push(pid);",
        "found.push(...processesIn(cgroup));",
      ),
    ],
  },
  {
    id: "hostile images: descriptors of CRIU's own",
    tried: "descriptors.json gives a container in the images what is CRIU's fourth descriptor",
    guard: "parseDescriptors: the three streams and no more",
    test: [`${A}/restores.test.ts`, "names no more than three"],
    edits: [edit("src/linux/criu/streams.ts", "names.length > 3", "names.length > 300")],
  },
  {
    id: "hostile images: a FIFO",
    tried: "descriptors.json is a FIFO that nobody writes to",
    guard: "revive: read as config.json is",
    test: [`${A}/restores.test.ts`, "that is a FIFO"],
    edits: [
      edit(
        "src/lifecycle/revive.ts",
        "parseDescriptors(readText(`${asked.directories.images}/${DESCRIPTORS_FILE}`, SPEC_FILES))",
        "parseDescriptors(readFile(`${asked.directories.images}/${DESCRIPTORS_FILE}`))",
      ),
    ],
  },
  {
    id: "a cgroup that another user has made by a container's name",
    tried:
      "in a cgroup of his he makes the one that the next container is to be in, and its limits are his to change (cgroup v2)",
    guard: "takeOver: it is made anew",
    test: [`${A}/delegation.test.ts`, "is made anew, and its limits are not his"],
    edits: [edit("src/linux/cgroups/create.ts", "if (owner === undefined || owner === 0 ||", "if (owner !== 0.5 ||")],
  },
  {
    id: "a cgroup that another user has frozen",
    tried: "create waits, with the container's lock held, for a process that is born frozen in there (cgroup v2)",
    guard: "createCgroup: no cgroup that holds still, be it new",
    test: [`${A}/delegation.test.ts`, "that he has frozen no container is made"],
    edits: [
      edit(
        "src/linux/cgroups/create.ts",
        "if (freezer !== undefined && isFrozen(dir.path, freezer))",
        "if (freezer !== undefined && dir.path.length === 0)",
      ),
    ],
  },
  {
    id: "a cgroup in use by who cannot be seen",
    tried:
      "a process of another pid namespace is in the cgroup that a container is to have, and is killed with it (cgroup v2)",
    guard: "refuseUsed: processes without a number count",
    test: [`${A}/delegation.test.ts`, "has no number for is in use"],
    edits: [
      edit("src/linux/cgroups/create.ts", "const count = countBelow(path);", "const count = countBelow(path) * 0;"),
    ],
  },
  {
    id: "a frozen cgroup of the container's own, exec",
    tried: "a container freezes the cgroup that exec puts its process into (cgroup v2)",
    guard: "refuseFrozen: a silent process that the container has frozen is ended",
    test: [`${A}/delegation.test.ts`, "keeps exec no longer than a silence"],
    edits: [
      edit(
        "src/lifecycle/exec.ts",
        "      refuseFrozen(container, pid);\n",
        "      void refuseFrozen;\n      void pid;\n",
      ),
    ],
  },
  {
    id: "cgroups without end",
    tried: "whose cgroups they are makes more of them as fast as ps and delete go through them",
    guard: "visit: no more than there were at first, once it has taken long",
    test: ["test/linux/cgroups/tree.test.ts", "as fast as they are visited"],
    edits: [
      edit(
        "src/linux/cgroups/tree.ts",
        "if (--this.#left >= 0 || performance.now() < this.#deadline) return;",
        "if (this.#left >= 0 || this.#deadline > 0) return;",
      ),
    ],
  },
  {
    id: "hostile images: traps for a dump",
    tried: "there are links in the directory that images are to be written to, or FIFOs",
    guard: "checkBeforeDump: files only",
    test: [`${A}/checkpoints.test.ts`, "is not written to where"],
    edits: [
      edit(
        "src/lifecycle/checkpoint.ts",
        "  checkBeforeDump(absolute(flags.imagePath));\n",
        "  void checkBeforeDump;\n",
      ),
    ],
  },
  {
    id: "hostile images: a link by the name of the log",
    tried: "root's restore writes its log, and its statistics, to where a link in the images leads",
    guard: "checkWritten: files only",
    test: [`${A}/restores.test.ts`, "restore.log as a link"],
    edits: [
      edit(
        "src/lifecycle/criu-options.ts",
        "checkWritten(work ?? images, [logFile, STATISTICS[logFile]]);",
        "void [checkWritten, STATISTICS];",
      ),
    ],
  },
  {
    id: "hostile images: what is no file",
    tried: "an image is a FIFO that nobody writes to, or a link to /dev/zero; images build upon themselves",
    guard: "checkBeforeRestore: files only, links followed",
    test: [`${A}/restores.test.ts`, "an image as a link to a device"],
    edits: [
      edit(
        "src/lifecycle/revive.ts",
        "  checkBeforeRestore(asked.directories.images);\n",
        "  void checkBeforeRestore;\n",
      ),
    ],
  },
  {
    id: "a CRIU that is killed",
    tried: "CRIU dies when it has frozen the container, which stays so, and nobody has paused it",
    guard: "checkpoint: what ran before is thawed",
    test: [`${A}/checkpoints.test.ts`, "whose CRIU is killed"],
    edits: [edit("src/lifecycle/checkpoint.ts", 'if (status === "running") letGoOn(container);', "void letGoOn;")],
  },
  {
    id: "a frozen cgroup of the container's own, checkpoint",
    tried:
      "a container freezes a cgroup of its own: CRIU waits for ever for a process in there to stop, with the container's lock held",
    guard: "refuseFrozenInside",
    test: [`${A}/checkpoints.test.ts`, "that has frozen a cgroup of its own"],
    edits: [
      edit(
        "src/lifecycle/checkpoint.ts",
        "if (cgroupOf(container).hasFrozenInside())",
        "if (cgroupOf(container).hasFrozenInside() && container.id.length === 0)",
      ),
    ],
  },
  {
    id: "images with fewer namespaces",
    tried: "a container is restored, by a config that has a network namespace, from images of one that had none",
    guard: "checkRestoredNamespaces (needs criu: run it in the guest)",
    test: [`${A}/restores.test.ts`, "network, seen at setup-namespaces"],
    edits: [edit("src/linux/criu/restored-namespaces.ts", "if (type === later ||", "if (type !== undefined ||")],
  },
  {
    id: "control characters on the caller's terminal",
    tried: "an image's entry point, which is not there, has some in its name",
    guard: "complain: printable",
    test: [`${A}/callers.test.ts`, "entry point reach no terminal"],
    edits: [edit("src/lifecycle/output.ts", "writeAll(2, printable(text));", "writeAll(2, text);")],
  },
  {
    id: "state root: another user's",
    tried: "--root is the directory of the user who has called sudo, in which a state names a hook for delete",
    guard: "checkStateRoot: it is root's or the caller's",
    test: [`${A}/state-root.test.ts`, "below a directory of the user who has called sudo"],
    edits: [
      edit("src/lifecycle/state-root.ts", "if (target !== undefined && !isOurs(target.uid))", "if (target === null)"),
    ],
  },
  {
    id: "state root: others rename in it",
    tried: "--root is a directory that others may write to, which is not sticky",
    guard: "checkStateRoot: that is refused",
    test: [`${A}/state-root.test.ts`, "that others may rename in"],
    edits: [
      edit(
        "src/lifecycle/state-root.ts",
        'if ((mode & STICKY) !== 0) return "shared";',
        'if (mode > 0) return "shared";',
      ),
    ],
  },
  {
    id: "state root: another user's link, or directory above it",
    tried: "a link of another user's leads to --root, or it lies below a directory of his",
    guard: "checkStateRoot: each on the way is root's or the caller's, links too",
    test: [`${A}/state-root.test.ts`, "that another user's link leads to"],
    edits: [edit("src/lifecycle/state-root.ts", "if (!isTrustedAbove(status.uid)) throw", "if (status.uid < 0) throw")],
  },
  {
    id: "state root: another user's directory above it",
    tried: "the same, and create is asked to make what is missing there",
    guard: "checkStateRoot: the whole way, before anything is made",
    test: [`${A}/state-root.test.ts`, "below another user's directory is refused"],
    edits: [edit("src/lifecycle/state-root.ts", "end > 0; end =", "end > root.length; end =")],
  },
  {
    id: "state root, shared: another user's container",
    tried: "in a sticky --root somebody makes a directory by the name of a container, with a state",
    guard: "checkOwn: a container's directory is the caller's",
    test: [`${A}/state-root.test.ts`, "directory by a container's name is not read"],
    edits: [
      edit("src/lifecycle/state-root.ts", "if (status.uid !== process.geteuid?.()) throw", "if (status.uid < 0) throw"),
    ],
  },
  {
    id: "state.json: what is none",
    tried: "in a container's directory it is a FIFO that nobody writes to, a device, or as long as can be",
    guard: "readState: O_NONBLOCK, and a regular file of a size that can be",
    test: [`${A}/state-root.test.ts`, "list names what it cannot read"],
    edits: [
      edit("src/lifecycle/state-file.ts", "O_RDONLY | O_NONBLOCK | O_NOCTTY", "O_RDONLY | O_NOCTTY"),
      edit("src/lifecycle/state-file.ts", 'if (kind !== "file" || size > LARGEST)', 'if (kind === "other")'),
    ],
  },
  {
    id: "state.json: another container's",
    tried: "a container's directory is a copy of another's, or a link to it",
    guard: "readState: it names its container",
    test: [`${A}/state-root.test.ts`, "under another's name is no container"],
    edits: [edit("src/lifecycle/state-file.ts", "if (whole.id !== id)", 'if (whole.id === "")')],
  },
  {
    id: "delete --force of anything",
    tried: "--root is mistyped, or leads elsewhere, and there is a directory by that name",
    guard: "checkLeftover: it holds nothing but what a container's may",
    test: [`${A}/state-root.test.ts`, "removes no directory that cannot be a container's"],
    edits: [edit("src/lifecycle/container.ts", "    checkLeftover(container.directory);\n", "")],
  },
  {
    id: "a session keyring by a known name",
    tried: "somebody has a keyring _ses.ID that all may search before the container ID is made",
    guard: "keyringName: 64 random bits",
    test: [`${A}/keyrings.test.ts`, "is not joined: one of"],
    edits: [edit("src/linux/identity.ts", "return `_ses.${id}.${", "return `_ses.${id}` || `${")],
  },
  {
    id: "a session keyring that is closed",
    tried: "a container takes the right to change its keyring's permissions from everybody, and is to be entered",
    guard: "planKeyring: whoever comes later leaves them alone",
    test: [`${A}/keyrings.test.ts`, "lets nobody change its keyring's permissions"],
    edits: [
      edit("src/linux/identity.ts", "if (!isNew) plan.tolerate", "if (!isNew && name === undefined) plan.tolerate"),
    ],
  },
  {
    id: "a container's directory, seen by others",
    tried:
      "another user looks whether a container is started, and sends to its notify socket, in a root that he may enter",
    guard: "Container.create: 0700",
    test: [`${A}/rootless.test.ts`, "another user sees nothing"],
    edits: [
      edit("src/lifecycle/container.ts", "chmod(container.directory, 0o700)", "chmod(container.directory, 0o711)"),
    ],
  },
  {
    id: "newuidmap of a bundle's",
    tried: "PATH has an empty entry, or ., and a bundle that is the current directory has a program of that name",
    guard: "findProgram: absolute directories",
    test: [`${A}/rootless.test.ts`, "is taken for newuidmap"],
    edits: [
      edit(
        "src/linux/host-program.ts",
        '.filter((directory) => directory.startsWith("/"))',
        '.map((directory) => directory || ".")',
      ),
    ],
  },
  {
    id: "a log by another user's link",
    tried: "--log is in a directory of all users', where somebody has made a link to a file of the caller's",
    guard: "append: a link is root's or the caller's",
    test: [`${A}/rootless.test.ts`, "is not written through another user's link"],
    edits: [edit("src/lifecycle/log.ts", 'if (there?.kind === "link" &&', 'if (there?.kind === "other" &&')],
  },
  {
    id: "a log that is a FIFO",
    tried: "it is one there, which nobody reads",
    guard: "append: O_NONBLOCK",
    test: [`${A}/rootless.test.ts`, "is not written through another user's link"],
    edits: [edit("src/lifecycle/log.ts", "appendText(file, line, 0o644, O_NONBLOCK)", "appendText(file, line, 0o644)")],
  },
];
