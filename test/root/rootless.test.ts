// The whole runtime as an ordinary user calls it: every call of it goes through as-user.sh. Containers have a user
// namespace, with the user's own id alone, with subordinate ids behind it, or with those alone; and no cgroups, unless
// somebody has given the user some (rootless-cgroups.test.ts).

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, vi } from "vitest";
import { idle, type Json, MOUNTS, sh } from "./harness/config.ts";
import { ConsoleSocket } from "./harness/console.ts";
import { ListenerSocket } from "./harness/listener.ts";
import { except, type Missing, needs, program } from "./harness/needs.ts";
import { BOTH, container, give, OWN, rootless, SINGLE, SUB, USER, withoutGroups } from "./harness/rootless.ts";
import type { Sandbox } from "./harness/sandbox.ts";

// Before the harness is loaded, which reads it once. The wrapper runs what was to be run.
vi.hoisted(() => {
  process.env.AS_USER = process.env.RUNTIME || `${import.meta.dirname}/../../dist/tsrun`;
  process.env.RUNTIME = `${import.meta.dirname}/as-user.sh`;
});

const helpers = program("newuidmap");

async function printed(box: Sandbox, ...overrides: readonly Json[]): Promise<string> {
  const result = await container(box, ...overrides).run();
  expect(result).toMatchObject({ code: 0, stderr: "" });
  return result.stdout;
}

async function refused(box: Sandbox, ...overrides: readonly Json[]): Promise<string> {
  const made = container(box, ...overrides);
  const result = await made.create();
  expect(result.code).toBe(1);
  expect(existsSync(join(box.root, made.id)), "state directory").toBe(false);
  return result.stderr;
}

const KINDS = [
  ["the user's own id alone", SINGLE, `0 ${USER} 1`, undefined],
  ["his own and subordinate ids", BOTH, `0 ${USER} 1\n1 300000 65535`, helpers],
  ["subordinate ids, whose root cannot enter his folders", SUB, "0 300000 65535", helpers],
] as const;

/** runc 1.1 gives a container's files to its root, whom an ordinary user cannot have them given to. */
const withoutOwn = (kind: Json): Missing =>
  kind === SUB ? except({ runc: "1.1 wants his own id in the map" }) : undefined;

describe.each(KINDS)("a container with %s", (_, kind, map, missing) => {
  needs(
    missing,
    withoutOwn(kind),
    except({ crun: "1.8 cannot enter it before start" }),
  )("goes through its whole life, and leaves nothing", async ({ box }) => {
    const made = container(box, kind, idle());
    expect(await made.create()).toMatchObject({ code: 0, stderr: "" });
    const { pid, status } = await made.state();
    expect(status).toBe("created");
    expect(readFileSync(`/proc/${pid}/uid_map`, "utf8").trim().replaceAll(/ +/g, " ").replaceAll("\n ", "\n")).toBe(
      map,
    );
    expect(await made.exec(["id", "-u"])).toMatchObject({ code: 0, stdout: "0\n" });
    expect(await made.start()).toMatchObject({ code: 0, stderr: "" });
    await made.untilOutput("ready");
    expect(await made.exec(["sh", "-c", "id -u; echo x >/dev/null; echo $$ >/tmp/file; exit 7"])).toMatchObject({
      code: 7,
      stdout: "0\n",
    });
    const listed = await box.call(["list"]);
    expect(listed.stdout).toMatch(new RegExp(`${made.id} +${pid} +running .* tsrun-user\\n`));
    expect(statSync(join(made.rootfs, "tmp/file")).uid).toBe(Number(map.split(" ")[1]));
    expect(await made.kill("KILL")).toMatchObject({ code: 0, stderr: "" });
    await made.until("stopped");
    expect(await made.delete()).toMatchObject({ code: 0, stderr: "" });
  });

  needs(missing, withoutOwn(kind))("has devices, masks and a file system of the kernel's own", async ({ box }) => {
    const script = [
      "head -c 3 /dev/zero | wc -c; echo x >/dev/null; echo x 2>/dev/null >/dev/full || echo full",
      "stat -c %t:%T /dev/null /dev/tty; cat /proc/1/comm; ls /proc/fs | wc -l; wc -c </proc/version",
      "echo x >/proc/sys/kernel/hostname; hostname",
    ];
    const paths = { linux: { maskedPaths: ["/proc/fs", "/proc/version", "/nowhere"], readonlyPaths: ["/proc/sys"] } };
    const result = await container(box, kind, sh(script.join("\n")), paths).run();
    expect(result.stdout).toBe("3\nfull\n1:3\n5:0\nsh\n0\n0\nbox\n");
    expect(result.stderr).toContain("Read-only file system");
  });

  needs(missing, except({ runc: "1.1 asks it about its own call, too", crun: "1.8 asks it about its own call, too" }))(
    "asks a seccomp listener; in exec not about what sends its descriptor",
    async ({ box }) => {
      const socket = new ListenerSocket(box);
      for (const name of ["sethostname", "read", "sendmsg"]) {
        const syscalls = [{ names: [name], action: "SCMP_ACT_NOTIFY" }];
        const seccomp = { defaultAction: "SCMP_ACT_ALLOW", listenerPath: socket.path, syscalls };
        const made = container(box, kind, { linux: { seccomp } }, idle());
        const creating = made.create();
        const notifier = await socket.receive();
        await notifier.serve(creating, () => "continue");
        expect(await creating).toMatchObject({ code: 0, stderr: "" });
        const starting = made.start();
        await notifier.serve(starting, () => "continue");
        expect(await starting).toMatchObject({ code: 0, stderr: "" });
        const running = made.exec(["sh", "-c", "hostname x && echo made"]);
        if (name === "sethostname") {
          await (await socket.receive()).serve(running, () => 0);
          expect(await running).toMatchObject({ code: 0, stdout: "made\n" });
        } else {
          const words = `linux.seccomp.syscalls[0].names: SCMP_ACT_NOTIFY for ${name} needs root rights on the host`;
          expect((await running).stderr).toContain(words);
        }
      }
    },
  );

  needs(missing, withoutOwn(kind))("has a terminal, sent to a socket and in exec", async ({ box }) => {
    const socket = new ConsoleSocket(box);
    const script = "tty; read line; echo got $line; sleep 1000";
    const made = container(box, kind, sh(script), { process: { terminal: true } });
    expect(await made.create(["--console-socket", socket.path])).toMatchObject({ code: 0, stderr: "" });
    const terminal = socket.receive();
    expect((await made.start()).code).toBe(0);
    await terminal.until(/\/dev\/(pts\/0|console)\r\n/);
    terminal.write("word\n");
    await terminal.until(/got word/);
    const second = new ConsoleSocket(box, "exec.sock");
    give(box);
    const flags = ["--tty", "--console-socket", second.path];
    expect(await made.execDetached(["sh", "-c", "tty; sleep 1000"], flags)).toMatchObject({ code: 0 });
    await second.receive().until(/\/dev\/pts\/1\r\n/);
  });

  needs(
    missing,
    withoutOwn(kind),
    except({ crun: "1.8 runs createContainer hooks in the host's working directory" }),
  )("runs its hooks, those inside too", async ({ box }) => {
    const directory = box.makeDirectory("journal");
    const hook = (name: string, file: string): Json => ({
      path: "/bin/busybox",
      args: ["sh", "-c", `{ echo ${name}; readlink /proc/self/ns/user; } >>${file}`],
      env: ["PATH=/bin:/usr/bin"],
    });
    const made = container(box, kind, sh("readlink /proc/self/ns/user"), {
      hooks: {
        createRuntime: [hook("createRuntime", `${directory}/log`)],
        createContainer: [hook("createContainer", "tmp/before")], // in the root file system, which is not the root yet
        startContainer: [hook("startContainer", "/tmp/after")],
        poststop: [hook("poststop", `${directory}/log`)],
      },
    });
    const result = await made.run();
    expect(result).toMatchObject({ code: 0, stderr: "" });
    const inside = result.stdout.trim();
    expect(made.readFile("tmp/before")).toBe(`createContainer\n${inside}\n`);
    expect(made.readFile("tmp/after")).toBe(`startContainer\n${inside}\n`);
    expect(readFileSync(join(directory, "log"), "utf8").match(/createRuntime|poststop/g)).toEqual([
      "createRuntime",
      "poststop",
    ]);
  });
});

describe("the user of the process", () => {
  needs(helpers, except({ runc: "1.1 gives no groups without root", crun: "1.8 runs exec as root" }))(
    "may be one of the subordinate ids, with groups; exec finds its way to it before start",
    async ({ box }) => {
      const made = container(box, BOTH, idle(), {
        process: { user: { uid: 1000, gid: 1000, additionalGids: [5, 2000] } },
      });
      expect(await made.create()).toMatchObject({ code: 0, stderr: "" });
      const { pid } = await made.state();
      expect(statSync(`/proc/${pid}/task`).uid).toBe(300_999);
      expect((await made.exec(["id"])).stdout).toContain("uid=1000(user) gid=1000(user) groups=5(tty),2000(more)");
      expect((await made.exec(["id", "-u"], ["--user", "7:7"])).stdout).toBe("7\n");
      const unmapped = await made.exec(["id"], ["--user", "70000"]);
      expect(unmapped.code).toBe(255);
      expect(unmapped.stderr).toContain(
        "process.user.uid: 70000 is not mapped in the user namespace: container ids 0, 1-65535 are",
      );
    },
  );

  needs(except({ runc: "has words of its own", crun: "1.8 forgets them" }))(
    "has no groups where only the user's own is mapped",
    async ({ box }) => {
      expect(await printed(box, SINGLE, sh("id -G; cat /proc/self/setgroups"))).toBe("0\ndeny\n");
      expect(await refused(box, SINGLE, { process: { user: { uid: 0, gid: 0, additionalGids: [0] } } })).toContain(
        "process.user.additionalGids: cannot set any additional groups in a rootless container",
      );
    },
  );

  needs(except({ runc: "has words of its own", crun: "has words of its own" }))(
    "that is not mapped is refused, and so are other ids",
    async ({ box }) => {
      const words = await refused(box, SINGLE, {
        process: { user: { uid: 1000, gid: 0 } },
        linux: { devices: [{ type: "p", path: "/dev/own", uid: 0, gid: 10 }] },
        mounts: MOUNTS,
      });
      expect(words).toContain("/process/user/uid: 1000 is not mapped in the user namespace: container ids 0 are");
      expect(words).toContain("/linux/devices/0/gid: 10 is not mapped");
      expect(words).toContain("/mounts/2/options/5: 5 is not mapped");
    },
  );
});

describe("what an ordinary user cannot have is refused by name", () => {
  needs(except({ runc: "has words of its own", crun: "1.8 makes one" }))(
    "a container without a user namespace",
    async ({ box }) => {
      expect(await refused(box, { linux: { cgroupsPath: undefined } })).toContain(
        "linux.namespaces: rootless container requires user namespaces",
      );
    },
  );

  needs(helpers, except({ runc: "has words of its own", crun: "has words of its own" }))(
    "ids that he was not given",
    async ({ box }) => {
      const foreign = rootless(OWN, { containerID: 1, hostID: 500_000, size: 10 });
      const words = await refused(box, foreign);
      expect(words).toMatch(
        /linux\.uidMappings: newuidmap: .*; \/etc\/subuid gives user tsrun-user \(20000\): 65536 from 300000/,
      );
      const nothing = container(box, BOTH);
      const result = await nothing.create([], { env: { AS_USER_SUBIDS: "other:300000:65536" } });
      expect(result.stderr).toMatch(
        /linux\.uidMappings: newuidmap: .*; \/etc\/subuid has no range for user tsrun-user \(20000\)/,
      );
    },
  );

  needs(except({ runc: "has words of its own", crun: "has words of its own" }))(
    "subordinate ids where there are no helpers",
    async ({ box }) => {
      const bin = box.makeDirectory("bin");
      for (const name of ["unshare", "sh", "mount", "cp", "touch", "setpriv"])
        execFileSync("ln", ["-s", execFileSync("which", [name], { encoding: "utf8" }).trim(), join(bin, name)]);
      const made = container(box, BOTH);
      const result = await made.create([], { env: { PATH: bin } });
      expect(result.stderr).toContain(
        "linux.uidMappings: more than the caller's own id takes newuidmap (of package uidmap), which is not installed",
      );
      expect(existsSync(join(box.root, made.id)), "state directory").toBe(false);
    },
  );

  needs(except({ runc: "has words of its own", crun: "1.8 goes without" }))(
    "limits, and a place for the cgroup, where no cgroups are his",
    async ({ box }) => {
      const words = "rootless needs no limits + no cgrouppath when no permission is granted for cgroups: mkdir /";
      const limits = { linux: { resources: { pids: { limit: 10 } } } };
      expect(await refused(box, SINGLE, limits)).toContain(`linux.resources.pids.limit: ${words}`);
      const place = { linux: { cgroupsPath: "/somewhere" } };
      expect(await refused(box, SINGLE, place)).toContain(`linux.cgroupsPath: ${words}`);
    },
  );

  needs(except({ runc: "has words of its own", crun: "has words of its own" }))(
    "more of a resource than the caller, and a better life when memory is short",
    async ({ box }) => {
      const rlimits = [{ type: "RLIMIT_NPROC", soft: 10, hard: 1e15 }];
      expect(await refused(box, SINGLE, { process: { rlimits } })).toMatch(
        /process\.rlimits\[0\] \(RLIMIT_NPROC\): cannot be raised above the caller's own, \d+: it takes CAP_SYS_RESOURCE/,
      );
      const score = Number(readFileSync("/proc/self/oom_score_adj", "utf8"));
      expect(await refused(box, SINGLE, { process: { oomScoreAdj: score - 1 } })).toContain(
        `process.oomScoreAdj: cannot be ${score - 1}: it takes CAP_SYS_RESOURCE of the host to go below the caller's own, ${score}`,
      );
      expect(
        await printed(box, SINGLE, sh("cat /proc/self/oom_score_adj"), { process: { oomScoreAdj: score + 1 } }),
      ).toBe(`${score + 1}\n`);
    },
  );
});

describe("mounts", () => {
  const WITHOUT_NETWORK: Json = {
    linux: { namespaces: ["pid", "ipc", "uts", "mount", "user"].map((type) => ({ type })) },
  };

  needs(except({ runc: "1.1 fails", crun: "1.8 fails" }))(
    "a sysfs that the kernel refuses is the host's, where nothing can be written, the host's cgroups neither",
    async ({ box }) => {
      const script = "ls /sys/kernel >/dev/null && grep ' /sys' /proc/self/mountinfo";
      const options = ["nosuid", "noexec", "nodev"];
      const sys = {
        mounts: withoutGroups([
          ...MOUNTS.slice(0, -1),
          { destination: "/sys", type: "sysfs", source: "sysfs", options },
        ]),
      };
      const lines = (await printed(box, SINGLE, WITHOUT_NETWORK, sys, sh(script))).trim().split("\n");
      expect(lines.length).toBeGreaterThan(1);
      for (const line of lines) expect(line.split(" ")[5]?.split(",")).toContain("ro");
    },
  );

  needs(except({ runc: "1.1 shows them", crun: "1.8 shows them" }))(
    "the host's cgroups are not seen where the container has none (CVE-2023-25809)",
    async ({ box }) => {
      const cgroup = { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options: ["nosuid", "nodev"] };
      const sys = { destination: "/sys", type: "none", source: "/sys", options: ["rbind", "ro"] };
      const both = { mounts: withoutGroups([...MOUNTS.slice(0, -1), sys, cgroup]) };
      expect(await printed(box, SINGLE, WITHOUT_NETWORK, both, sh("ls -A /sys/fs/cgroup | wc -l"))).toBe("0\n");
    },
  );

  needs(except({ runc: "1.1 does not tell", crun: "1.8 does not tell" }))(
    "what the host has made read-only stays so, and who asks for more is told",
    async ({ box }) => {
      const bind = (...options: string[]): Json => ({
        mounts: [...withoutGroups(MOUNTS), { destination: "/m", type: "bind", source: "/media", options }],
      });
      const shown = "grep ' /m ' /proc/self/mountinfo | cut -d' ' -f6";
      expect(await printed(box, SINGLE, bind("bind"), sh(shown))).toMatch(/^ro,nosuid,nodev,noexec/);
      expect(await refused(box, SINGLE, bind("bind", "rw"))).toMatch(
        /mounts\[5\] \(\/m\): .*mount_setattr\(\): EPERM.*cannot clear .*locked/,
      );
    },
  );

  needs(helpers)("a tmpfs begins with what it covers", async ({ box }) => {
    const copied = { destination: "/etc", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] };
    expect(await printed(box, BOTH, { mounts: [...MOUNTS, copied] }, sh("cat /etc/hostname"))).toBe("file\n");
  });
});

describe("namespaces", () => {
  needs(except({ runc: "1.1 has none", crun: "1.8 sets no offsets" }))(
    "a new time namespace, with its offsets",
    async ({ box }) => {
      const types = ["pid", "ipc", "uts", "mount", "user", "network", "time"];
      const time = {
        linux: { namespaces: types.map((type) => ({ type })), timeOffsets: { boottime: { secs: 1_000_000 } } },
      };
      const made = container(box, SINGLE, sh("cat /proc/uptime; readlink /proc/self/ns/time"), time);
      const [uptime = "", link] = (await made.run()).stdout.split("\n");
      const own = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
      expect(Number(uptime.split(" ")[0]) - own).toBeGreaterThan(999_000);
      expect(link).not.toBe(execFileSync("readlink", ["/proc/self/ns/time"], { encoding: "utf8" }).trim());
    },
  );

  needs(except({ runc: "1.1 warns of cgroups that he has not got" }))(
    "parameters of its network can be set in the caller's pid namespace, too",
    async ({ box }) => {
      const types = ["ipc", "uts", "mount", "user", "network"];
      const sysctl = { "net.ipv4.ping_group_range": "0 0" };
      const proc = { destination: "/proc", type: "bind", source: "/proc", options: ["rbind"] };
      const shared = { linux: { namespaces: types.map((type) => ({ type })), sysctl } };
      const mounted = { mounts: [proc, ...withoutGroups(MOUNTS.slice(1))] };
      expect(await printed(box, SINGLE, shared, mounted, sh("cat /proc/sys/net/ipv4/ping_group_range"))).toBe("0\t0\n");
    },
  );

  needs(helpers, except({ runc: "1.1 wants the maps again", crun: "has words of its own" }))(
    "those of another of his containers, and a terminal there",
    async ({ box }) => {
      const first = container(box, BOTH, idle());
      expect(await first.runDetached()).toMatchObject({ code: 0 });
      const { pid } = await first.state();
      const joined = [
        { type: "network", path: `/proc/${pid}/ns/net` },
        { type: "ipc", path: `/proc/${pid}/ns/ipc` },
        { type: "user", path: `/proc/${pid}/ns/user` },
        { type: "pid" },
        { type: "uts" },
        { type: "mount" },
      ];
      const pod = { linux: { namespaces: joined, uidMappings: undefined, gidMappings: undefined } };
      const second = container(box, BOTH, pod, idle());
      expect(await second.create()).toMatchObject({ code: 0, stderr: "" });
      expect((await second.start()).code).toBe(0);
      const show = ["readlink", "/proc/self/ns/user", "/proc/self/ns/net"];
      expect((await second.exec(show)).stdout).toBe((await first.exec(show)).stdout);
      const socket = new ConsoleSocket(box);
      give(box);
      expect((await second.execDetached(["tty"], ["--tty", "--console-socket", socket.path])).code).toBe(0);
      await socket.receive().until(/\/dev\/pts\/\d/);
      const stranger = container(box, BOTH, pod, { process: { user: { uid: 0, gid: 70_000 } } });
      expect((await stranger.create()).stderr).toContain("process.user.gid: 70000 is not mapped");
    },
  );
});

describe("as root of a user namespace", () => {
  const INSIDE = { env: { AS_USER_INSIDE: "1" } };
  const kept = (...types: string[]): Json => ({
    linux: { cgroupsPath: undefined, namespaces: types.map((type) => ({ type })) },
  });

  needs(helpers)("a container without a user namespace of its own", async ({ box }) => {
    const script =
      "cat /proc/self/uid_map; stat -c %t:%T /dev/null; cat /dev/null; ls /sys/kernel >/dev/null && hostname; id -u";
    const made = container(box, kept("pid", "ipc", "uts", "mount", "network"), sh(script));
    const result = await made.run([], INSIDE);
    expect(result).toMatchObject({ code: 0, stderr: "" });
    expect(result.stdout.replaceAll(/ +/g, " ")).toBe(" 0 20000 1\n 1 300000 65535\n1:3\nbox\n0\n");
  });

  needs(helpers, except({ runc: "1.1 fails of the sysfs", crun: "has words of its own" }))(
    "one with the network of the caller, and ids that are not mapped",
    async ({ box }) => {
      const made = container(box, kept("pid", "ipc", "uts", "mount"), sh("ls /sys/kernel >/dev/null && echo seen"));
      expect(await made.run([], INSIDE)).toMatchObject({ code: 0, stderr: "", stdout: "seen\n" });
      const user = { process: { user: { uid: 66_000, gid: 0 } } };
      const result = await container(box, kept("pid", "ipc", "uts", "mount"), user).run([], INSIDE);
      expect(result.stderr).toContain(
        "process.user.uid: 66000 is not mapped in the user namespace: container ids 0, 1-65535 are",
      );
    },
  );

  needs(helpers, except({ runc: "has words of its own", crun: "has words of its own" }))(
    "one with a user namespace below that, which has some of its ids, and no others",
    async ({ box }) => {
      const map = [{ containerID: 0, hostID: 100, size: 1000 }];
      const below: Json = { ...SUB, linux: { ...(SUB.linux as Json), uidMappings: map, gidMappings: map } };
      const made = container(box, below, sh("cat /proc/self/uid_map; id -u"));
      execFileSync("chmod", ["755", box.directory]);
      const result = await made.run([], INSIDE);
      expect(result).toMatchObject({ code: 0, stderr: "" });
      expect(result.stdout.replaceAll(/ +/g, " ")).toBe(" 0 100 1000\n0\n");
      const more = [{ containerID: 0, hostID: 100, size: 100_000 }];
      const wide: Json = { ...SUB, linux: { ...(SUB.linux as Json), uidMappings: more, gidMappings: more } };
      expect((await container(box, wide).run([], INSIDE)).stderr).toContain(
        "linux.uidMappings: host ids from 100, 100000 of them, are not mapped in the user namespace that tsrun is in",
      );
    },
  );
});

describe("his state", () => {
  needs(except({ runc: "1.1 has its state elsewhere", crun: "1.8 has its state elsewhere" }))(
    "is in $XDG_RUNTIME_DIR, where no clean-up takes it for litter; the sample config works as it is written",
    async ({ box }) => {
      const made = container(box, SINGLE);
      const run = box.makeDirectory("run");
      execFileSync("rm", [join(made.bundle, "config.json")]);
      give(box);
      const call = (...words: string[]) =>
        execFileSync(process.env.RUNTIME ?? "", words, {
          env: { ...process.env, XDG_RUNTIME_DIR: run, TSRUN_TEST: box.word },
          cwd: made.bundle,
          encoding: "utf8",
          stdio: ["ignore", "pipe", "pipe"],
        });
      call("spec", "--rootless");
      const file = join(made.bundle, "config.json");
      const config = JSON.parse(readFileSync(file, "utf8"));
      config.process.terminal = false;
      config.process.args = ["sh", "-c", "id -u; ls /proc/sys >/dev/null; mount | grep -c cgroup"];
      writeFileSync(file, JSON.stringify(config));
      expect(call("run", "--keep", made.id)).toMatch(/^0\n/);
      expect(call("list", "--quiet")).toBe(`${made.id}\n`);
      expect(statSync(join(run, "tsrun")).mode & 0o7777).toBe(0o1700);
      expect(call("delete", made.id)).toBe("");
      expect(call("list", "--quiet")).toBe("");
    },
  );
});
