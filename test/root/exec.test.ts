// `exec`: a second process in a running container (REFERENCE §1.2 exec): flags, process file, exit codes, detach.

import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { describe, expect } from "vitest";
import { idle, type Json, linux, namespaces } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { test } from "./harness/fixture.ts";
import { except, needs, type Peers } from "./harness/needs.ts";
import type { Sandbox } from "./harness/sandbox.ts";

async function running(box: Sandbox, ...overrides: Json[]): Promise<Container> {
  const container = box.container(idle(), ...overrides);
  expect((await container.create()).code).toBe(0);
  expect((await container.start()).code).toBe(0);
  await container.untilOutput("ready");
  return container;
}

const script = (text: string) => ["sh", "-c", text];

describe("exec with a command line", () => {
  test("passes streams and the exit status", async ({ box }) => {
    const container = await running(box);
    const result = await container.exec(script("cat; echo err >&2; exit 7"), [], { input: "in\n" });
    expect(result).toMatchObject({ code: 7, stdout: "in\n", stderr: "err\n" });
    expect((await container.exec(script("kill -9 $$"))).code).toBe(137);
    expect((await container.exec(["true"])).code).toBe(0);
  });

  test("runs in every namespace, the root and the cgroups of the container", async ({ box }) => {
    const container = await running(box);
    const { pid } = await container.state();
    const files = ["pid", "net", "mnt", "ipc", "uts", "cgroup", "user"];
    const result = await container.exec(
      script(`for f in ${files.join(" ")}; do readlink /proc/self/ns/$f; done; cat /proc/self/cgroup`),
    );
    const lines = result.stdout.trim().split("\n");
    expect(lines.slice(0, 7)).toEqual(files.map((file) => readlinkSync(`/proc/${pid}/ns/${file}`)));
    expect(lines.slice(7).join("\n")).toBe(readFileSync(`/proc/${pid}/cgroup`, "utf8").trim());
  });

  needs(except({ runc: "enters the host's root", crun: "enters the host's root" }))(
    "is in the container's root where there is no mount namespace, too",
    async ({ box }) => {
      const container = await running(box, namespaces("pid", "uts"));
      const result = await container.exec(script("cat /etc/hostname; pwd; ls -d /work 2>/dev/null"), [
        "--cwd",
        "/home",
      ]);
      expect(result.stdout).toBe("file\n/home\n");
    },
  );

  test("joins a user namespace and is root in it", async ({ box }) => {
    const { chmodSync } = await import("node:fs");
    chmodSync(box.directory, 0o755);
    const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    const kinds = namespaces("pid", "mount", "ipc", "uts", "network", "user");
    const container = await running(box, kinds, linux({ uidMappings: maps, gidMappings: maps }));
    const result = await container.exec(script("id -u; id -g; cat /proc/self/uid_map | tr -s ' '"));
    expect(result).toMatchObject({ code: 0, stdout: "0\n0\n 0 100000 65536\n" });
  });

  const flags: [flags: string[], script: string, output: string, peers?: Peers][] = [
    [["--user", "1000"], "id -u; id -g", "1000\n0\n"],
    [["--user", "1"], "id -u", "1\n"],
    [["--user", "1000:2000"], "id -u; id -g", "1000\n2000\n"],
    [["-u", "1000:2000"], "id -u; id -g", "1000\n2000\n"],
    [
      ["--additional-gids", "7", "--additional-gids", "8"],
      "grep Groups /proc/self/status | tr -s '\\t ' ' '",
      "Groups: 7 8 \n",
      { crun: "has no such flag" },
    ],
    [["--cwd", "/home/user"], "pwd", "/home/user\n"],
    [["-e", "A=1", "-e", "B=2"], "echo $A$B", "12\n", { crun: "1.8 forgets the others then" }],
    [["--env=A=x=y"], "echo $A", "x=y\n", { crun: "1.8 forgets the others then" }],
    [["--no-new-privs"], "grep NoNewPrivs /proc/self/status | tr -s '\\t' ' '", "NoNewPrivs: 1\n"],
  ];
  for (const [list, text, output, peers] of flags) {
    needs(except(peers ?? {}))(list.join(" "), async ({ box }) => {
      const container = await running(box);
      expect(await container.exec(script(text), list)).toMatchObject({ code: 0, stdout: output, stderr: "" });
    });
  }

  test("--cap adds to bounding, permitted and effective and never to inheritable (CVE-2022-29162)", async ({ box }) => {
    const container = await running(box);
    const result = await container.exec(script("grep Cap /proc/self/status"), ["--cap", "CAP_SYS_TIME"]);
    const sets = new Map(
      [...result.stdout.matchAll(/(Cap\w+):\t(\w+)/g)].map((match) => [match[1], BigInt(`0x${match[2]}`)]),
    );
    const bit = 1n << 25n;
    for (const name of ["CapBnd", "CapPrm", "CapEff"]) expect((sets.get(name) ?? 0n) & bit, name).toBe(bit);
    expect(sets.get("CapInh")).toBe(0n);
  });

  const CVE = { crun: "CVE-2026-30892" };
  const users: [user: string, peers: Peers][] = [
    ["1x", {}],
    ["-1", CVE],
    ["4294967296", { ...CVE, runc: "takes it for 0" }],
    ["1:", CVE],
    [":1", CVE],
    ["1:x", {}],
  ];
  for (const [user, peers] of users) {
    needs(except(peers))(`--user ${user} is refused`, async ({ box }) => {
      const container = await running(box);
      const result = await container.exec(["id"], [`--user=${user}`]);
      expect(result.code).not.toBe(0);
      expect(result.stdout).not.toContain("uid=0");
    });
  }

  test("flags end at the id: those of the command are the command's", async ({ box }) => {
    const container = await running(box);
    expect((await container.exec(["echo", "-n", "--detach", "--user"])).stdout).toBe("--detach --user");
  });
});

describe("the process of exec, which an envoy has cloned", () => {
  const only = except({ runc: "1.1 knows less of it", crun: "1.8 knows less of it" });
  const batch = { policy: "SCHED_BATCH", nice: -3 };

  needs(only)("has all that a clone does not inherit", async ({ box }) => {
    const container = await running(box);
    const process = {
      cwd: "/",
      user: { uid: 1000, gid: 1000 },
      env: ["PATH=/bin"],
      args: script("cat /proc/$$/stat | cut -d' ' -f6,19,41; echo $$; cut -d' ' -f19,41 /proc/self/stat; ulimit -u"),
      scheduler: { ...batch, flags: ["SCHED_FLAG_RESET_ON_FORK"] },
      rlimits: [{ type: "RLIMIT_NPROC", soft: 77, hard: 88 }],
    };
    const [stat = "", pid, childs, limit] = (await container.execProcess(process)).stdout.split("\n");
    expect(stat, "it leads a session, and is scheduled as it is to be").toBe(`${pid} -3 3`);
    expect(childs).toBe("0 3");
    expect(limit).toBe("77");
    const kept = { ...process, scheduler: batch };
    expect((await container.execProcess(kept)).stdout.split("\n")[2], "where nothing resets it").toBe("-3 3");
  });

  needs(only)("is counted alone against the user's number of processes", async ({ box }) => {
    const container = await running(box);
    const process = {
      cwd: "/",
      user: { uid: 54_321, gid: 1 },
      env: ["PATH=/bin"],
      args: ["true"],
      capabilities: {},
      rlimits: [{ type: "RLIMIT_NPROC", soft: 1, hard: 1 }],
    };
    const other = ["--user", "54321:1", "--detach"];
    for (const _ of [1, 2]) {
      expect((await container.execProcess(process)).code, "who is at the limit may still come in").toBe(0);
      expect((await container.exec(script("exec sleep 1000 >/dev/null 2>&1"), other)).code).toBe(0);
    }
    const third = await container.execProcess(process);
    expect(third).toMatchObject({ code: 255, stderr: expect.stringMatching(/clone\(\): EAGAIN/) });
  });

  needs(only)("needs of a filter that it may be cloned, and no more", async ({ box }) => {
    const refusing = (...names: string[]): Json => {
      const syscalls = [{ names, action: "SCMP_ACT_ERRNO", errnoRet: 1 }];
      return linux({ seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls } });
    };
    const container = await running(box, refusing("clone3", "setsid", "setpgid"));
    expect((await container.exec(["true"])).code).toBe(0);
    const other = box.container({ process: { args: ["sleep", "60"] } }, refusing("clone", "fork", "vfork"));
    expect((await other.runDetached()).code).toBe(0);
    const refused = await other.exec(["true"]);
    expect(refused).toMatchObject({ code: 255, stderr: expect.stringContaining("must let exec clone its process") });
    expect((await other.exec(["true"], ["--no-new-privs"])).code, "then the filter comes last").toBe(0);
  });
});

describe("exec with a process file", () => {
  test("takes everything from the file", async ({ box }) => {
    const container = await running(box);
    const process = {
      args: ["sh", "-c", "id -u; pwd; echo $A; ulimit -n; grep -E 'NoNew|CapEff' /proc/self/status | cut -f2"],
      user: { uid: 1000, gid: 1000 },
      cwd: "/home",
      env: ["PATH=/bin", "A=b"],
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 99, hard: 100 }],
      noNewPrivileges: true,
      capabilities: { bounding: ["CAP_KILL"], permitted: ["CAP_KILL"], effective: ["CAP_KILL"] },
    };
    const result = await container.execProcess(process);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout.split("\n").slice(0, 4)).toEqual(["1000", "/home", "b", "99"]);
    expect(result.stdout).toMatch(/0{16}|0{14}20/);
    expect(result.stdout).toMatch(/^1$/m);
  });

  test("a file that says nothing of capabilities gets the container's", async ({ box }) => {
    const container = await running(box);
    const text = "grep Cap /proc/self/status";
    const own = await container.exec(script(text));
    expect((await container.execProcess({ args: ["sh", "-c", text] })).stdout).toBe(own.stdout);
    expect(own.stdout).toMatch(/CapBnd:\t0{7}/);
  });

  needs(except({ runc: "1.1 ignores it" }))("takes the umask from the file", async ({ box }) => {
    const container = await running(box);
    const user = { uid: 0, gid: 0, umask: 0o27 };
    expect((await container.execProcess({ args: ["sh", "-c", "umask"], user })).stdout).toBe("0027\n");
  });

  test("--detach returns at once, with the pid file written", async ({ box }) => {
    const container = await running(box);
    const file = box.path("exec.pid");
    const process = container.processFile({ args: ["sleep", "1000"] });
    const result = await box.callDetached(
      ["exec", "--process", process, "--detach", "--pid-file", file, container.id],
      box.path("exec"),
    );
    expect(result).toMatchObject({ code: 0, stdout: "", stderr: "" });
    const pid = readFileSync(file, "utf8");
    expect(pid).toMatch(/^\d+$/);
    expect(readFileSync(`/proc/${pid}/cmdline`, "utf8")).toBe("sleep\0" + "1000\0");
  });

  test("its user can reopen the standard streams", async ({ box }) => {
    const container = await running(box);
    const command = script("echo out >/dev/stdout && echo err >/dev/stderr");
    expect(await container.execDetached(command, ["--user", "1000"])).toMatchObject({ code: 0 });
    const read = (stream: string) => readFileSync(box.path(`${container.id}-exec.${stream}`), "utf8");
    await expect.poll(() => [read("out"), read("err")]).toEqual(["out\n", "err\n"]);
  });

  test("dies with the container", async ({ box }) => {
    const container = await running(box);
    const file = box.path("exec.pid");
    await container.execDetached(["sleep", "1000"], ["--pid-file", file]);
    await container.delete("--force");
    const pid = readFileSync(file, "utf8");
    const state = existsSync(`/proc/${pid}/status`) ? readFileSync(`/proc/${pid}/status`, "utf8") : "State:\tZ";
    expect(state).toMatch(/State:\t[ZX]/);
  });

  test("a file that is missing or no process is refused with 255", async ({ box }) => {
    const container = await running(box);
    const { runtimeKind } = await import("./harness/runtime.ts");
    const missing = await box.call(["exec", "--process", "/no/such", container.id]);
    expect(missing.code).toBe(runtimeKind === "tsrun" ? 255 : missing.code);
    expect(missing.code).not.toBe(0);
  });
});

describe("exec that fails", () => {
  const rows: [name: string, args: string[], words: RegExp][] = [
    ["a program that is not on the PATH", ["nope"], /executable file.*not found/],
    ["a program that does not exist", ["/nope"], /no such file or directory/i],
    ["a program that is not executable", ["/etc/passwd"], /permission denied/i],
  ];
  for (const [name, args, words] of rows) {
    test(`${name}: status 255, words, and no pid file`, async ({ box }) => {
      const container = await running(box);
      const file = box.path("exec.pid");
      const result = await container.exec(args, ["--pid-file", file]);
      expect(result.code).toBe(255);
      expect(result.stderr).toMatch(words);
      expect(existsSync(file)).toBe(false);
      expect((await container.state()).status).toBe("running");
    });
  }

  needs(except({ crun: "exits with 1" }))("a stopped container: 255", async ({ box }) => {
    const container = await running(box);
    await container.kill("KILL");
    await container.until("stopped");
    const result = await container.exec(["true"]);
    expect(result.code).toBe(255);
    expect(result.stderr).toMatch(/stopped|not running/);
  });

  test("a cwd that does not exist or is a leaked descriptor", async ({ box }) => {
    const container = await running(box);
    for (const cwd of ["/etc/passwd", "/proc/self/fd/999"]) {
      expect((await container.execProcess({ cwd })).code, cwd).not.toBe(0);
    }
  });

  for (const fd of [3, 4, 5, 6, 7, 8, 9, 10]) {
    test(`a cwd through leaked descriptor ${fd} does not lead out (CVE-2024-21626)`, async ({ box }) => {
      const container = await running(box);
      const result = await container.execProcess({ args: ["cat", "etc/shadow"], cwd: `/proc/self/fd/${fd}` });
      expect(result.code).not.toBe(0);
      expect(result.stdout).toBe("");
    });
  }
});
