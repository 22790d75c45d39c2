// The process that a container runs: identity, capabilities, limits, environment, directory, program lookup
// (config.md "Process", "POSIX process", "Linux Process").

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { idle, type Json, namespaces, sh } from "./harness/config.ts";
import { test } from "./harness/fixture.ts";
import { except, type Missing, needs, type Peers } from "./harness/needs.ts";
import { outputOf, refusalOf } from "./harness/run.ts";

const status = (field: string) => `grep ^${field}: /proc/self/status | tr -s ' \\t' ' '`;
const process_ = (fields: Json) => ({ process: fields });

describe("user", () => {
  const rows: { name: string; user: Json; script: string; output: string; peers?: Peers }[] = [
    { name: "uid and gid are set", user: { uid: 1000, gid: 2000 }, script: "id -u; id -g", output: "1000\n2000\n" },
    {
      name: "all four uids and gids are set",
      user: { uid: 1000, gid: 1001 },
      script: `${status("Uid")}; ${status("Gid")}`,
      output: "Uid: 1000 1000 1000 1000\nGid: 1001 1001 1001 1001\n",
    },
    {
      name: "additional groups are set",
      user: { uid: 0, gid: 0, additionalGids: [7, 2000] },
      script: status("Groups"),
      output: "Groups: 7 2000 \n",
    },
    { name: "no additional groups clears the caller's", user: {}, script: status("Groups"), output: "Groups: \n" },
    { name: "umask is set", user: { umask: 0o77 }, script: "umask", output: "0077\n" },
    { name: "umask 0 is set", user: { umask: 0 }, script: "umask", output: "0000\n" },
    { name: "umask is 0022 by default", user: {}, script: "umask", output: "0022\n" },
    {
      name: "the largest uid works",
      user: { uid: 4294967294 },
      script: "id -u",
      output: "4294967294\n",
      peers: { runc: "takes uids up to 2^31" },
    },
  ];
  for (const { name, user, script, output, peers } of rows) {
    needs(except(peers ?? {}))(name, async ({ box }) => {
      expect(await outputOf(box, sh(script), process_({ user }))).toBe(output);
    });
  }
});

describe("capabilities", () => {
  const bits = (...numbers: number[]) =>
    numbers
      .reduce((sum, bit) => sum | (1n << BigInt(bit)), 0n)
      .toString(16)
      .padStart(16, "0");
  const kill = bits(5);

  test("the five sets are as given", async ({ box }) => {
    const capabilities = {
      bounding: ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"],
      permitted: ["CAP_CHOWN", "CAP_KILL"],
      effective: ["CAP_KILL"],
      inheritable: ["CAP_KILL"],
      ambient: ["CAP_KILL"],
    };
    const output = await outputOf(
      box,
      sh("grep Cap /proc/self/status | tr -s '\\t' ' '"),
      process_({ capabilities, user: { uid: 1000, gid: 1000 } }),
    );
    expect(output).toContain(`CapBnd: ${bits(0, 5, 13)}\n`);
    expect(output).toContain(`CapAmb: ${kill}\n`);
    expect(output).toContain(`CapInh: ${kill}\n`);
    expect(output).toContain(`CapEff: ${kill}\n`);
  });

  const none = { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] };
  for (const capabilities of [none, undefined]) {
    test(`without capabilities root has none: ${JSON.stringify(capabilities)}`, async ({ box }) => {
      const output = await outputOf(box, sh("grep Cap /proc/self/status"), process_({ capabilities }));
      expect(output.match(/0{16}/g)).toHaveLength(5);
    });
  }

  test("the inheritable set stays empty when it is not given (CVE-2022-29162)", async ({ box }) => {
    expect(await outputOf(box, sh("grep CapInh /proc/self/status"))).toContain("0000000000000000");
  });

  const all = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_RAW"];
  const everything = { bounding: all, permitted: all, effective: all, inheritable: all, ambient: all };
  const show = sh("sed -n 's/^Cap\\(...\\):./\\1 /p' /proc/self/status");
  const WITHOUT = ["setpriv", "--bounding-set", "-net_raw"];
  const onlyTsrun = except({ runc: "fails", crun: "fails" });

  const rows: [name: string, user: Json][] = [
    ["root", {}],
    ["an unprivileged user", { uid: 1000, gid: 1000 }],
  ];
  for (const [name, user] of rows) {
    needs(onlyTsrun)(`those that the runtime has not are left out for ${name}, with a warning`, async ({ box }) => {
      const container = box.container(show, process_({ capabilities: everything, user }));
      const { code, stdout, stderr } = await container.run([], { under: WITHOUT });
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const sets = ["Inh", "Prm", "Eff", "Bnd", "Amb"];
      expect(stdout).toBe(sets.map((set) => `${set} ${bits(0, 5)}\n`).join(""));
      const words = ["--log-level", "warning", "run", "--bundle", container.bundle, container.id];
      const warned = (await box.call(words, { under: WITHOUT })).stderr;
      expect(warned.match(/capabilities\/\w+\/2: CAP_NET_RAW cannot be granted and is ignored/g)).toHaveLength(5);
      expect(warned.trim().split("\n")).toHaveLength(5);
    });
  }

  needs(onlyTsrun)("exec leaves them out too, and warns", async ({ box }) => {
    const container = box.container(idle());
    await container.runDetached();
    const process = container.processFile({ ...(show.process as Json), capabilities: everything });
    const words = ["--log-level", "warning", "exec", "--process", process, container.id];
    const { code, stdout, stderr } = await box.call(words, { under: WITHOUT });
    expect(code).toBe(0);
    expect(stdout.match(new RegExp(bits(0, 5), "g"))).toHaveLength(5);
    expect(stderr.match(/CAP_NET_RAW cannot be granted/g)).toHaveLength(5);
  });

  test("in a user namespace of the container's there are all of them", async ({ box }) => {
    const maps = [{ containerID: 0, hostID: 0, size: 65536 }];
    const { linux } = namespaces("user", "pid", "mount", "ipc", "uts", "network");
    const own = { linux: { ...(linux as Json), uidMappings: maps, gidMappings: maps } };
    const container = box.container(show, own, process_({ capabilities: everything }));
    const { code, stdout, stderr } = await container.run([], { under: WITHOUT });
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.match(new RegExp(bits(0, 5, 13), "g"))).toHaveLength(5);
  });

  needs(onlyTsrun)("one that another set of the config forbids is left out", async ({ box }) => {
    const capabilities = { bounding: ["CAP_CHOWN"], permitted: ["CAP_KILL"], effective: all, inheritable: all };
    const user = { uid: 1000, gid: 1000 };
    const output = await outputOf(box, show, process_({ capabilities, user }));
    expect(output).toContain(`Inh ${bits(0)}\n`);
    expect(output).toContain(`Bnd ${bits(0)}\n`);
  });

  test("an unprivileged user has no effective capabilities without ambient ones", async ({ box }) => {
    const output = await outputOf(box, sh("grep CapEff /proc/self/status"), process_({ user: { uid: 1, gid: 1 } }));
    expect(output).toContain("0000000000000000");
  });
});

describe("limits and switches", () => {
  const rlimit = (type: string, soft: number, hard: number) => process_({ rlimits: [{ type, soft, hard }] });
  const rows: [type: string, line: string, soft: number, hard: number][] = [
    ["RLIMIT_NOFILE", "Max open files", 512, 1024],
    ["RLIMIT_CORE", "Max core file size", 0, 0],
    ["RLIMIT_CPU", "Max cpu time", 100, 200],
    ["RLIMIT_FSIZE", "Max file size", 1048576, 2097152],
    ["RLIMIT_DATA", "Max data size", 1073741824, 2147483648],
    ["RLIMIT_STACK", "Max stack size", 4194304, 8388608],
    ["RLIMIT_RSS", "Max resident set", 1073741824, 2147483648],
    ["RLIMIT_NPROC", "Max processes", 1000, 2000],
    ["RLIMIT_MEMLOCK", "Max locked memory", 4096, 8192],
    ["RLIMIT_AS", "Max address space", 2147483648, 4294967296],
    ["RLIMIT_LOCKS", "Max file locks", 10, 20],
    ["RLIMIT_SIGPENDING", "Max pending signals", 100, 200],
    ["RLIMIT_MSGQUEUE", "Max msgqueue size", 4096, 8192],
    ["RLIMIT_NICE", "Max nice priority", 0, 0],
    ["RLIMIT_RTPRIO", "Max realtime priority", 0, 0],
    ["RLIMIT_RTTIME", "Max realtime timeout", 1000, 2000],
  ];
  for (const [type, line, soft, hard] of rows) {
    test(`${type} is set`, async ({ box }) => {
      const output = await outputOf(
        box,
        sh(`grep '^${line} ' /proc/self/limits | tr -s ' '`),
        rlimit(type, soft, hard),
      );
      expect(output).toContain(`${line} ${soft} ${hard} `);
    });
  }

  needs(except({ runc: "Go raises the soft limit and 1.1 leaves it so" }))(
    "without rlimits the caller's soft limit of open files is kept",
    async ({ box }) => {
      const container = box.container(sh("ulimit -Sn; ulimit -Hn"));
      const { execa } = await import("execa");
      const { commandWords } = await import("./harness/runtime.ts");
      const words = [...commandWords(), "--root", box.root, "run", "--bundle", container.bundle, container.id];
      // From a shell, and from one that becomes the runtime: then only the runtime itself has the limit.
      for (const line of ['"$@"; exit $?', 'exec "$@"']) {
        const env = { TSRUN_TEST: box.word };
        const result = await execa("sh", ["-c", `ulimit -Sn 333; ${line}`, "sh", ...words], { env });
        expect(result.stdout.split("\n")[0]).toBe("333");
      }
    },
  );

  needs(except({ runc: "does not know the annotation", crun: "1.8 does so in create and run, not in exec" }))(
    "the caller's groups are kept where an annotation says so",
    async ({ box }) => {
      const { execa } = await import("execa");
      const { commandWords } = await import("./harness/runtime.ts");
      const as = async (groups: string, ...args: string[]): Promise<string> => {
        const words = [...commandWords(), "--root", box.root, ...args];
        const env = { TSRUN_TEST: box.word };
        return (await execa("setpriv", ["--groups", groups, ...words], { env, reject: false, stdin: "ignore" })).stdout;
      };
      const user = { uid: 1000, gid: 1000, additionalGids: [9] };
      const kept = box.container({ annotations: { "run.oci.keep_original_groups": "1" } }, idle(), process_({ user }));
      expect((await kept.create()).code).toBe(0);
      expect(await as("7,8", "exec", kept.id, "id", "-G")).toBe("1000 7 8");
      expect(await as("7,8", "exec", "--user", "0:0", kept.id, "id", "-G")).toBe("0 7 8");
      for (const [annotations, groups] of [
        [{ "run.oci.keep_original_groups": "1" }, "1000 7 8"],
        [{ "run.oci.keep_original_groups": "0" }, "1000 9"],
      ] as const) {
        const container = box.container({ annotations }, sh("id -G"), process_({ user }));
        expect(await as("7,8", "run", "--bundle", container.bundle, container.id)).toBe(groups);
      }
    },
  );

  needs(except({ crun: "1.8 runs it as root" }))(
    "the user that is no user's is refused: it would be root",
    async ({ box }) => {
      expect(await refusalOf(box, process_({ user: { uid: 4294967295, gid: 0 } }))).toMatch(/user|uid/);
    },
  );

  test("no_new_privs is set when asked for, and only then", async ({ box }) => {
    const script = sh(status("NoNewPrivs"));
    expect(await outputOf(box, script, process_({ noNewPrivileges: true }))).toBe("NoNewPrivs: 1\n");
    expect(await outputOf(box, script, process_({ noNewPrivileges: false }))).toBe("NoNewPrivs: 0\n");
  });

  test("oom_score_adj is set when given and the caller's is kept when not", async ({ box }) => {
    const script = sh("cat /proc/self/oom_score_adj");
    expect(await outputOf(box, script, process_({ oomScoreAdj: 321 }))).toBe("321\n");
    expect(await outputOf(box, script)).toBe(readFileSync("/proc/self/oom_score_adj", "utf8"));
  });

  test("no signal is ignored or blocked, whatever the engine ignores", async ({ box }) => {
    const output = await outputOf(box, { process: { args: ["grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status"] } });
    expect(output).toMatch(/SigBlk:\t0{16}\nSigIgn:\t0{16}\n/);
  });

  test("only stdin, stdout and stderr are open", async ({ box }) => {
    const output = await outputOf(box, { process: { args: ["ls", "/proc/self/fd"] } });
    expect(output.trim().split("\n").slice(0, 3)).toEqual(["0", "1", "2"]);
    expect(output.trim().split("\n").length, "and the directory that ls reads").toBe(4);
  });
});

describe("environment and directory", () => {
  test("env is what was given, in order, and the last of duplicates wins", async ({ box }) => {
    const env = ["PATH=/bin", "A=1", "EMPTY=", "B=x y=z", "A=2"];
    const output = await outputOf(box, { process: { args: ["env"], env } });
    const lines = output.trim().split("\n");
    expect(lines).toEqual(expect.arrayContaining(["PATH=/bin", "EMPTY=", "B=x y=z"]));
    expect(await outputOf(box, sh('echo "$A"'), { process: { env } })).toBe("2\n");
  });

  needs(except({ crun: "adds HOME for the shell only" }))(
    "HOME is filled from the container's passwd",
    async ({ box }) => {
      const home = (user: Json, env: string[]) => outputOf(box, sh('echo "$HOME"'), { process: { user, env } });
      expect(await home({ uid: 0, gid: 0 }, ["PATH=/bin"])).toBe("/root\n");
      expect(await home({ uid: 1000, gid: 1000 }, ["PATH=/bin"])).toBe("/home/user\n");
      expect(await home({ uid: 4321, gid: 0 }, ["PATH=/bin"])).toBe("/\n");
      expect(await home({ uid: 1000, gid: 1000 }, ["PATH=/bin", "HOME=/x"])).toBe("/x\n");
    },
  );

  test("cwd is set, and made when it is missing", async ({ box }) => {
    expect(await outputOf(box, { process: { args: ["pwd"], cwd: "/home/user" } })).toBe("/home/user\n");
    expect(await outputOf(box, { process: { args: ["pwd"], cwd: "/not/there/yet" } })).toBe("/not/there/yet\n");
  });

  test("a cwd that is a file is refused", async ({ box }) => {
    expect(await refusalOf(box, { process: { cwd: "/etc/passwd" } })).toMatch(/not a directory|Not a directory/);
  });

  for (const fd of [3, 4, 5, 6, 7, 8, 9, 10]) {
    test(`a cwd through leaked descriptor ${fd} does not lead out (CVE-2024-21626)`, async ({ box }) => {
      const container = box.container({ process: { args: ["cat", "etc/shadow"], cwd: `/proc/self/fd/${fd}` } });
      const result = await container.run();
      expect(result.code).not.toBe(0);
      expect(result.stdout).toBe("");
    });
  }

  test("a large environment and a large argument reach the program", async ({ box }) => {
    const word = "x".repeat(100_000);
    const env = ["PATH=/bin", ...Array.from({ length: 10 }, (_, index) => `V${index}=${word}`)];
    const process = { args: ["sh", "-c", "echo $(printf %s $V9 | wc -c) $(printf %s $1 | wc -c)", "sh", word], env };
    expect(await outputOf(box, { process })).toBe("100000 100000\n");
  });
});

describe("the program", () => {
  const rows: { name: string; args: string[]; cwd?: string; words: RegExp; late?: boolean }[] = [
    { name: "is not on the PATH", args: ["nope"], words: /executable file.*not found/ },
    { name: "does not exist", args: ["/nope"], words: /no such file or directory/i },
    { name: "is a directory", args: ["/etc"], words: /is a directory|permission denied/i },
    { name: "is not executable", args: ["/etc/passwd"], words: /permission denied/i },
  ];
  for (const { name, args, words } of rows) {
    needs(except({ crun: "has words of its own" }))(`create says that the program ${name}`, async ({ box }) => {
      const message = await refusalOf(box, { process: { args } });
      expect(message).toMatch(words);
      expect(message.replaceAll("\\", "")).toContain(`exec: "${args[0]}"`);
    });
  }

  test("is found by PATH inside the container, not by the caller's", async ({ box }) => {
    const container = box.container({ process: { args: ["only-here"], env: ["PATH=/nowhere:/opt/x:/bin"] } });
    container.writeFile("opt/x/only-here", "#!/bin/sh\necho found $0\n", 0o755);
    expect(await container.run()).toMatchObject({ code: 0, stdout: "found /opt/x/only-here\n" });
  });

  test("a script's interpreter is looked up inside the container", async ({ box }) => {
    const container = box.container({ process: { args: ["/script", "a b"] } });
    container.writeFile("script", '#!/bin/sh\necho "$1"\n', 0o755);
    expect(await container.run()).toMatchObject({ code: 0, stdout: "a b\n" });
  });

  const onlyOurs = except({ runc: "start succeeds though execve failed", crun: "start succeeds though execve failed" });
  const broken: [name: string, text: string, words: RegExp][] = [
    ["an interpreter that is missing", "#!/no/such\n", /ENOENT|no such file or directory/i],
    ["no format that the kernel knows", "\0\0\0\0", /ENOEXEC|exec format error/i],
  ];
  for (const [name, text, words] of broken) {
    needs(onlyOurs)(`start reports the errno of a program that has ${name}`, async ({ box }) => {
      const container = box.container({ process: { args: ["/broken"] } });
      container.writeFile("broken", text, 0o755);
      expect((await container.create()).code).toBe(0);
      const started = await container.start();
      expect(started.code).toBe(1);
      expect(started.stderr).toMatch(words);
      expect(started.stderr).toContain("/broken");
      await container.until("stopped");
    });
  }
});

/** With CONFIG_RT_GROUP_SCHED a new cpu cgroup has a real-time budget of nothing: sched(7). On v2 our own may have none. */
function realTimeBudget(): Missing {
  const grouped =
    existsSync("/sys/fs/cgroup/cpu/cpu.rt_runtime_us") || answerOf("chrt", "-f", "10", "true") === undefined;
  return grouped ? "this kernel gives a new cgroup no real-time budget (CONFIG_RT_GROUP_SCHED)" : undefined;
}

/** User Mode Linux takes the personality, but has one name for the machine. */
function otherMachine(): Missing {
  return answerOf("setarch", "linux32", "uname", "-m") === "x86_64\n"
    ? "this kernel has one name for the machine"
    : undefined;
}

/** What a program says on this host; undefined when it fails. */
function answerOf(program: string, ...args: string[]): string | undefined {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8" });
  return status === 0 ? stdout : undefined;
}

describe("scheduling", () => {
  const old = except({ runc: "1.1 predates the field", crun: "1.8 ignores the field" });

  needs(old)("scheduler: SCHED_BATCH with a nice value", async ({ box }) => {
    const scheduler = { policy: "SCHED_BATCH", nice: 5 };
    const output = await outputOf(box, sh("cut -d' ' -f19,41 /proc/self/stat"), process_({ scheduler }));
    expect(output).toBe("5 3\n");
  });

  needs(old, realTimeBudget())("scheduler: SCHED_FIFO with a priority [qemu]", async ({ box }) => {
    const scheduler = { policy: "SCHED_FIFO", priority: 10 };
    const output = await outputOf(box, sh("cut -d' ' -f40,41 /proc/self/stat"), process_({ scheduler }));
    expect(output).toBe("10 1\n");
  });

  needs(old)("scheduler: SCHED_IDLE", async ({ box }) => {
    const output = await outputOf(
      box,
      sh("cut -d' ' -f41 /proc/self/stat"),
      process_({ scheduler: { policy: "SCHED_IDLE" } }),
    );
    expect(output).toBe("5\n");
  });

  needs(old)("ioPriority is set", async ({ box }) => {
    const ioPriority = { class: "IOPRIO_CLASS_IDLE", priority: 0 };
    expect(await outputOf(box, { process: { args: ["ionice"], ioPriority } })).toMatch(/^idle/);
    const effort = { class: "IOPRIO_CLASS_BE", priority: 6 };
    expect(await outputOf(box, { process: { args: ["ionice"], ioPriority: effort } })).toMatch(/best-effort: prio 6/);
  });

  needs(except({ runc: "1.1 predates the field" }), otherMachine())(
    "personality LINUX32 changes the machine's name",
    async ({ box }) => {
      const personality = { domain: "LINUX32" };
      expect(await outputOf(box, { process: { args: ["uname", "-m"] } }, { linux: { personality } })).toMatch(
        /^i686|armv8l/,
      );
    },
  );

  test("the affinity mask is that of all processors that the container may use", async ({ box }) => {
    expect(await outputOf(box, sh("grep Cpus_allowed_list /proc/self/status"))).toBe(
      readFileSync("/proc/self/status", "utf8").match(/Cpus_allowed_list.*\n/)?.[0],
    );
  });
});
