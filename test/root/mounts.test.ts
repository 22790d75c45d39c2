// Every mount option of the specification (config.md "Linux mount options") and of the peers, seen from inside the
// container in its own mountinfo.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type Json, linux, MOUNTS, mounts, sh } from "./harness/config.ts";
import { test } from "./harness/fixture.ts";
import { except, fileSystem, kernelFile, needs, type Peers } from "./harness/needs.ts";
import { outputOf, refusalOf } from "./harness/run.ts";
import type { Sandbox } from "./harness/sandbox.ts";

interface Row {
  readonly options: readonly string[];
  readonly has?: RegExp;
  readonly lacks?: RegExp;
  readonly peers?: Peers;
}

const OLD: Peers = { crun: "1.8 predates the option" };
/** The last of two that contradict each other counts; the peers let the one that sets a flag win. */
const SETS: Peers = { runc: "1.1 lets the flag win", crun: "1.8 lets the flag win" };
const CRUN_SETS: Peers = { crun: "1.8 lets the flag win" };
const NO_CRUN: Peers = { crun: "1.8 does not know the option" };

/** mountinfo(5) of one mount point: "options tags - type source super-options". */
const INFO = (target: string) => `grep ' ${target} ' /proc/self/mountinfo | cut -d' ' -f6-`;

const PER_MOUNT: readonly Row[] = [
  { options: ["ro"], has: /^ro\b/ },
  { options: ["rw"], has: /^rw\b/ },
  { options: ["ro", "rw"], has: /^rw\b/, peers: CRUN_SETS },
  { options: ["defaults"], has: /^rw\b/, peers: { runc: "1.1 hands it to tmpfs" } },
  { options: ["nosuid"], has: /^[^ ]*nosuid/ },
  { options: ["nosuid", "suid"], lacks: /nosuid/, peers: CRUN_SETS },
  { options: ["nodev"], has: /^[^ ]*nodev/ },
  { options: ["nodev", "dev"], lacks: /nodev/, peers: CRUN_SETS },
  { options: ["noexec"], has: /^[^ ]*noexec/ },
  { options: ["noexec", "exec"], lacks: /noexec/, peers: CRUN_SETS },
  { options: ["noatime"], has: /^[^ ]*noatime/ },
  { options: ["noatime", "atime"], lacks: /noatime/, peers: CRUN_SETS },
  { options: ["nodiratime"], has: /^[^ ]*nodiratime/ },
  { options: ["nodiratime", "diratime"], lacks: /nodiratime/, peers: CRUN_SETS },
  { options: ["relatime"], has: /^[^ ]*relatime/ },
  { options: ["strictatime"], lacks: /relatime|noatime/ },
  { options: ["strictatime", "nostrictatime"], has: /^[^ ]*relatime/, peers: CRUN_SETS },
  { options: ["relatime", "norelatime"], lacks: /noatime/ },
  { options: ["nosymfollow"], has: /^[^ ]*nosymfollow/, peers: OLD },
  { options: ["nosymfollow", "symfollow"], lacks: /nosymfollow/, peers: OLD },
];

const PER_SUPER_BLOCK: readonly Row[] = [
  { options: ["sync"], has: / - tmpfs .*\bsync/ },
  { options: ["sync", "async"], lacks: /\bsync/, peers: CRUN_SETS },
  { options: ["dirsync"], has: / - tmpfs .*dirsync/ },
  { options: ["lazytime"], has: / - tmpfs .*lazytime/ },
  { options: ["lazytime", "nolazytime"], lacks: /lazytime/ },
  { options: ["mand"], has: /tmpfs/ },
  { options: ["nomand"], has: /tmpfs/ },
  { options: ["iversion"], has: /tmpfs/, peers: NO_CRUN },
  { options: ["noiversion"], has: /tmpfs/, peers: NO_CRUN },
  { options: ["silent"], has: /tmpfs/, peers: OLD },
  { options: ["loud"], has: /tmpfs/, peers: OLD },
  { options: ["size=64k", "mode=1700"], has: /size=64k,.*mode=1700|mode=1700.*size=64k/ },
];

/** crun 1.8 gives all mounts the propagation of the root in the end. */
const AS_ROOT: Peers = { crun: "1.8 gives it that of the root" };

const PROPAGATION: readonly Row[] = [
  { options: ["private"], lacks: /shared:|master:|unbindable/ },
  { options: ["rprivate"], lacks: /shared:|master:|unbindable/ },
  { options: ["shared"], has: / shared:/, peers: AS_ROOT },
  { options: ["rshared"], has: / shared:/, peers: AS_ROOT },
  { options: ["shared", "slave"], lacks: / shared:/, peers: { crun: "1.8 asks for both at once" } },
  { options: ["rslave"], lacks: / shared:/ },
  { options: ["unbindable"], has: / unbindable/, peers: AS_ROOT },
  { options: ["runbindable"], has: / unbindable/, peers: AS_ROOT },
];

const RECURSIVE: readonly Row[] = [
  { options: ["rro"], has: /^ro\b/ },
  { options: ["rro", "rrw"], peers: SETS, has: /^rw\b/ },
  { options: ["rnosuid"], has: /^[^ ]*nosuid/ },
  { options: ["rnosuid", "rsuid"], peers: SETS, lacks: /nosuid/ },
  { options: ["rnodev"], has: /^[^ ]*nodev/ },
  { options: ["rnodev", "rdev"], peers: SETS, lacks: /nodev/ },
  { options: ["rnoexec"], has: /^[^ ]*noexec/ },
  { options: ["rnoexec", "rexec"], peers: SETS, lacks: /noexec/ },
  { options: ["rnoatime"], has: /^[^ ]*noatime/, peers: { crun: "1.8 fails" } },
  { options: ["rnodiratime"], has: /^[^ ]*nodiratime/, peers: { crun: "1.8 fails" } },
  { options: ["rnodiratime", "rdiratime"], peers: SETS, lacks: /nodiratime/ },
  { options: ["rrelatime"], has: /^[^ ]*relatime/ },
  { options: ["rstrictatime"], lacks: /relatime|noatime/, peers: { crun: "1.8 fails" } },
  { options: ["rnosymfollow"], has: /^[^ ]*nosymfollow/, peers: OLD },
  { options: ["rnosymfollow", "rsymfollow"], lacks: /nosymfollow/, peers: SETS },
];

function check(row: Row, line: string): void {
  expect(line).not.toBe("");
  if (row.has) expect(line).toMatch(row.has);
  if (row.lacks) expect(line).not.toMatch(row.lacks);
}

function title(row: Row): string {
  return row.options.join(",");
}

describe("options of a bind mount", () => {
  for (const row of [...PER_MOUNT, ...PROPAGATION]) {
    needs(except(row.peers ?? {}))(title(row), async ({ box }) => {
      const source = box.makeDirectory("source");
      const mount = { destination: "/m", type: "bind", source, options: ["bind", ...row.options] };
      check(row, await outputOf(box, sh(INFO("/m")), mounts(mount)));
    });
  }

  needs(except({ runc: "clears them", crun: "clears them" }))(
    "a bind of flags keeps those that the source has",
    async ({ box }) => {
      const source = hostTmpfs(box, "source", "nosuid,nodev");
      const mount = { destination: "/m", type: "bind", source, options: ["bind", "ro"] };
      expect(await outputOf(box, sh(INFO("/m")), mounts(mount))).toMatch(/^ro,nosuid,nodev/);
    },
  );

  for (const word of ["bind", "rbind"]) {
    test(`${word} ${word === "bind" ? "leaves out" : "takes along"} what is mounted below`, async ({ box }) => {
      const source = box.makeDirectory("source");
      hostTmpfs(box, "source/below", "mode=755");
      writeFileSync(join(source, "below/file"), "deep");
      const mount = { destination: "/m", type: "none", source, options: [word] };
      expect(await outputOf(box, sh("ls /m/below"), mounts(mount))).toBe(word === "bind" ? "" : "file\n");
    });
  }

  test("a file is bound onto a file that is made for it", async ({ box }) => {
    const source = box.path("a-file");
    writeFileSync(source, "text");
    const mount = { destination: "/made/for/it", type: "bind", source, options: ["bind", "ro"] };
    expect(
      await outputOf(box, sh("cat /made/for/it; touch /made/for/it || echo no"), mounts(mount)).catch(String),
    ).toMatch(/textno|stderr/);
  });

  test("a directory onto a file is refused as no directory: Docker's hint hangs on the words", async ({ box }) => {
    const container = box.container(
      mounts({ destination: "/bin/sh", type: "bind", source: "/tmp", options: ["bind"] }),
    );
    const { code, stderr } = await container.run();
    expect(code).toBe(1);
    expect(stderr).toMatch(/not a directory/i);
  });

  for (const target of ["../run/deep/file", "/run/deep/file"]) {
    test(`a file is bound where a link leads, which may be nowhere yet: ${target}`, async ({ box }) => {
      const source = box.path("file");
      writeFileSync(source, "bound");
      const mount = { destination: "/etc/resolv.conf", type: "bind", source, options: ["rbind", "ro"] };
      const container = box.container(sh("cat /run/deep/file; readlink /etc/resolv.conf"), mounts(mount));
      symlinkSync(target, join(container.rootfs, "etc/resolv.conf"));
      expect(await container.run()).toMatchObject({ code: 0, stdout: `bound${target}\n`, stderr: "" });
    });
  }

  test("an empty option is none", async ({ box }) => {
    const source = box.makeDirectory("source");
    const bind = { destination: "/m", type: "bind", source, options: ["bind", "", "ro"] };
    const tmpfs = { destination: "/t", type: "tmpfs", source: "t", options: ["", "ro"] };
    const output = await outputOf(box, sh(`${INFO("/m")}; ${INFO("/t")}`), mounts(bind, tmpfs));
    expect(output).toMatch(/^ro,.*\nro,.*\n$/);
  });

  test("a relative source is relative to the bundle", async ({ box }) => {
    const mount = { destination: "/m", type: "bind", source: "data", options: ["bind"] };
    const container = box.container(sh("cat /m/file"), mounts(mount));
    mkdirSync(join(container.bundle, "data"));
    writeFileSync(join(container.bundle, "data/file"), "mine\n");
    expect(await container.run()).toMatchObject({ code: 0, stdout: "mine\n" });
  });

  test("a source that is missing is refused, and named", async ({ box }) => {
    const mount = { destination: "/m", type: "bind", source: "/no/such/source", options: ["bind"] };
    const message = await refusalOf(box, mounts(mount));
    expect(message).toContain("/no/such/source");
    expect(message).toMatch(/no such file/i);
  });

  needs(except({ runc: "has no --log-level", crun: "has no --log-level" }))(
    "options for a file system on a bind are passed over, with a warning",
    async ({ box }) => {
      const mount = { destination: "/m", type: "bind", source: "/tmp", options: ["bind", "ro", "galaxy=1"] };
      const container = box.container(sh("grep ' /m ' /proc/self/mountinfo | cut -d' ' -f6"), mounts(mount));
      const log = box.path("log");
      const words = ["--log", log, "--log-level", "warning", "run", "--bundle", container.bundle, container.id];
      const result = await box.call(words);
      expect(result.code).toBe(0);
      expect(result.stdout).toMatch(/^ro\b/);
      expect(readFileSync(log, "utf8")).toContain("/options/2");
    },
  );
});

describe("options of a new file system", () => {
  for (const row of [...PER_MOUNT, ...PER_SUPER_BLOCK, ...PROPAGATION]) {
    needs(except(row.peers ?? {}))(title(row), async ({ box }) => {
      const mount = { destination: "/m", type: "tmpfs", source: "tmpfs", options: row.options };
      check(row, await outputOf(box, sh(INFO("/m")), mounts(mount)));
    });
  }

  test("unknown options go to the file system, which refuses them", async ({ box }) => {
    const mount = { destination: "/m", type: "tmpfs", source: "tmpfs", options: ["galaxy=1"] };
    expect(await refusalOf(box, mounts(mount))).toMatch(/invalid argument|EINVAL/i);
  });

  test("an unknown type is refused, and the destination named", async ({ box }) => {
    const message = await refusalOf(box, mounts({ destination: "/m", type: "galaxyfs", source: "x" }));
    expect(message).toMatch(/\/m\b|`m`/);
    expect(message).toMatch(/no such device|ENODEV/i);
  });
});

describe("recursive options", () => {
  for (const row of RECURSIVE) {
    needs(except(row.peers ?? {}))(`${title(row)} reach what is mounted below`, async ({ box }) => {
      const source = box.makeDirectory("source");
      hostTmpfs(box, "source/below", "mode=755");
      const mount = { destination: "/m", type: "bind", source, options: ["rbind", ...row.options] };
      const output = await outputOf(box, sh(`${INFO("/m")}; ${INFO("/m/below")}`), mounts(mount));
      const lines = output.trim().split("\n");
      expect(lines).toHaveLength(2);
      for (const line of lines) check(row, line);
    });
  }

  test("ro does not reach what is mounted below", async ({ box }) => {
    const source = box.makeDirectory("source");
    hostTmpfs(box, "source/below", "mode=755");
    const mount = { destination: "/m", type: "bind", source, options: ["rbind", "ro"] };
    expect(await outputOf(box, sh(INFO("/m/below")), mounts(mount))).toMatch(/^rw/);
  });
});

describe("destinations", () => {
  needs(except({ runc: "1.1 overrides mode=" }))(
    "are mounted in the order of the list, the same one twice included",
    async ({ box }) => {
      const at = (mode: string) => ({ destination: "/m", type: "tmpfs", source: "t", options: [`mode=${mode}`] });
      const output = await outputOf(
        box,
        sh("stat -c %a /m; grep -c ' /m ' /proc/self/mountinfo"),
        mounts(at("711"), at("722")),
      );
      expect(output).toBe("722\n2\n");
    },
  );

  needs(except({ crun: "1.8 makes nothing where a link leads to" }))(
    "symbolic links in the root file system are followed inside it, never out of it",
    async ({ box }) => {
      const mount = { destination: "/link/x", type: "tmpfs", source: "t", options: ["mode=700"] };
      const container = box.container(sh("stat -c %a /tmp/escape/x"), mounts(mount));
      execFileSync("ln", ["-s", "/../../../../../../tmp/escape", join(container.rootfs, "link")]);
      expect(await container.run()).toMatchObject({ code: 0, stdout: "700\n" });
    },
  );

  test("a relative one is taken from the root", async ({ box }) => {
    const mount = { destination: "m", type: "tmpfs", source: "t", options: ["mode=700"] };
    expect(await box.container(sh("stat -c %a /m"), mounts(mount)).run()).toMatchObject({ code: 0, stdout: "700\n" });
  });

  const below: [destination: string, peers: Peers][] = [
    ["/proc", { crun: "takes it" }],
    ["/proc/self", { crun: "takes it" }],
    ["/proc/sys", { crun: "takes it" }],
  ];
  for (const [destination, peers] of below) {
    needs(except(peers))(`a directory over ${destination} is refused`, async ({ box }) => {
      const source = box.makeDirectory("fake");
      const message = await refusalOf(box, mounts({ destination, type: "bind", source, options: ["bind"] }));
      expect(message).toMatch(/\/proc/);
    });
  }

  for (const name of ["proc", "sys"]) {
    test(`/${name} that is a symbolic link is refused (CVE-2023-27561)`, async ({ box }) => {
      const container = box.container();
      execFileSync("sh", ["-c", `rmdir ${name}; mkdir elsewhere; ln -s elsewhere ${name}`], {
        cwd: container.rootfs,
      });
      const result = await container.create();
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(
        /must be mounted on ordinary directory|symbolic link|symlink|ELOOP|ENOTDIR|not a directory/i,
      );
    });
  }
});

describe("special file systems", () => {
  test("tmpfs takes the mode of the directory that it covers", async ({ box }) => {
    const mount = { destination: "/tmp", type: "tmpfs", source: "t" };
    expect(await outputOf(box, sh("stat -c %a /tmp"), mounts(mount))).toBe("1777\n");
  });

  test("a read-only tmpfs takes what is mounted below it, and is read-only then", async ({ box }) => {
    const source = box.path("file");
    writeFileSync(source, "deep\n");
    const output = await outputOf(
      box,
      sh("cat /t/a/b/file; touch /t/x 2>&1; touch /t/a/x 2>&1; echo all"),
      mounts(
        { destination: "/t", type: "tmpfs", source: "t", options: ["ro"] },
        { destination: "/t/a", type: "tmpfs", source: "t" },
        { destination: "/t/a/b/file", type: "bind", source, options: ["bind"] },
      ),
    );
    expect(output).toBe("deep\ntouch: /t/x: Read-only file system\nall\n");
  });

  test("tmpcopyup fills a tmpfs with what it covers", async ({ box }) => {
    const mount = { destination: "/etc", type: "tmpfs", source: "t", options: ["tmpcopyup"] };
    const container = box.container(
      sh("cat /etc/hostname /etc/deep/er/file; readlink /etc/link; echo new >/etc/hostname"),
      mounts(mount),
    );
    container.writeFile("etc/deep/er/file", "deep\n", 0o600);
    execFileSync("ln", ["-s", "deep/er", join(container.rootfs, "etc/link")]);
    expect(await container.run()).toMatchObject({ code: 0, stdout: "file\ndeep\ndeep/er\n" });
    expect(container.readFile("etc/hostname")).toBe("file\n");
  });

  needs(except({ runc: "1.1 knows no fifos, and no extended attributes", crun: "copies no extended attributes" }))(
    "tmpcopyup copies fifos, devices, owners, and the capabilities of programs",
    async ({ box }) => {
      const mount = { destination: "/c", type: "tmpfs", source: "t", options: ["tmpcopyup"] };
      const list = "stat -c '%n %a %u:%g %t:%T' /c/device /c/pipe /c/program; wc -c </c/program";
      const container = box.container(sh(`${list}; sleep 1000`), mounts(mount));
      container.writeFile("c/program", "binary", 0o755);
      const at = (name: string) => join(container.rootfs, "c", name);
      execFileSync("mknod", ["-m", "600", at("device"), "c", "1", "7"]);
      execFileSync("mkfifo", ["-m", "622", at("pipe")]);
      execFileSync("chown", ["5:6", at("pipe"), at("program")]);
      const attribute = "import os, sys; os.setxattr(sys.argv[1], 'security.capability', bytes.fromhex(sys.argv[2]))";
      const netRaw = "0100000200200000000000000000000000000000";
      execFileSync("python3", ["-c", attribute, at("program"), netRaw]);
      expect((await container.create()).code).toBe(0);
      await container.start();
      expect(await container.untilOutput("6\n")).toBe(
        ["device 600 0:0 1:7", "pipe 622 5:6 0:0", "program 755 5:6 0:0"].map((line) => `/c/${line}\n`).join("") +
          "6\n",
      );
      const { pid } = await container.state();
      const read = "import os, sys; print(os.getxattr(sys.argv[1], 'security.capability').hex())";
      const seen = execFileSync("python3", ["-c", read, `/proc/${pid}/root/c/program`], { encoding: "utf8" });
      expect(seen.trim()).toBe(netRaw);
    },
  );

  needs(fileSystem("overlay"))("overlay with lower, upper and work directories", async ({ box }) => {
    // A tmpfs of our own: the root file system may be an overlay itself, on which no other can lie.
    const home = hostTmpfs(box, "overlay", "mode=755");
    for (const name of ["lower1", "lower2", "upper", "work"]) mkdirSync(join(home, name));
    writeFileSync(join(home, "lower1/a"), "1");
    writeFileSync(join(home, "lower2/b"), "2");
    const options = [`lowerdir=${home}/lower1:${home}/lower2`, `upperdir=${home}/upper`, `workdir=${home}/work`];
    const mount = { destination: "/m", type: "overlay", source: "overlay", options };
    expect(await outputOf(box, sh("cat /m/a /m/b; echo 3 >/m/c; ls /m"), mounts(mount))).toBe("12a\nb\nc\n");
    expect(execFileSync("cat", [join(home, "upper/c")], { encoding: "utf8" })).toBe("3\n");
  });

  test("proc, sysfs, mqueue, devpts and shm are what they are called", async ({ box }) => {
    const mqueue = {
      destination: "/dev/mqueue",
      type: "mqueue",
      source: "mqueue",
      options: ["nosuid", "noexec", "nodev"],
    };
    const output = await outputOf(
      box,
      sh("grep -E ' /(proc|sys|dev/(mqueue|pts|shm)) ' /proc/self/mountinfo | sed 's/.* - //'"),
      mounts(mqueue),
    );
    const types = output
      .trim()
      .split("\n")
      .map((line) => line.split(" ")[0]);
    expect(types).toEqual(["proc", "devpts", "tmpfs", "sysfs", "mqueue"]);
  });

  test("devpts is an instance of its own with the options given", async ({ box }) => {
    const output = await outputOf(box, sh("ls /dev/pts; readlink /dev/ptmx; grep ' /dev/pts ' /proc/self/mountinfo"));
    expect(output.split("\n")[0]).toBe("ptmx");
    expect(output.split("\n")[1]).toMatch(/^(\/dev\/)?pts\/ptmx$/);
    expect(output).toMatch(/gid=5,mode=620,ptmxmode=666/);
  });

  for (const namespace of ["without", "with"]) {
    needs(kernelFile("/sys/fs/cgroup/memory/tasks"))(
      `cgroup v1 hierarchies are mounted ${namespace} a cgroup namespace, read-only`,
      async ({ box }) => {
        const list = ["pid", "network", "ipc", "uts", "mount", ...(namespace === "with" ? ["cgroup"] : [])];
        const options = ["nosuid", "noexec", "nodev", "relatime", "ro"];
        const mount = { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup", options };
        const container = box.container(
          sh(
            "ls /sys/fs/cgroup; cat /sys/fs/cgroup/memory/tasks | head -n1; mkdir /sys/fs/cgroup/memory/x 2>/dev/null || echo ro",
          ),
          mounts(mount),
          { linux: { namespaces: list.map((type) => ({ type })) } },
        );
        const result = await container.run();
        expect(result.code).toBe(0);
        const words = result.stdout.trim().split("\n");
        for (const controller of ["cpu", "cpuset", "devices", "freezer", "memory", "pids"])
          expect(words).toContain(controller);
        expect(words.at(-2)).toBe("1");
        expect(words.at(-1)).toBe("ro");
      },
    );
  }
});

describe("the root file system", () => {
  test("is read-only when asked for, its mounts are not", async ({ box }) => {
    const output = await outputOf(box, sh("touch /x 2>/dev/null || echo ro; touch /dev/shm/x && echo rw"), {
      root: { readonly: true },
    });
    expect(output).toBe("ro\nrw\n");
  });

  test("is the bundle's and nothing of the host's can be reached", async ({ box }) => {
    const output = await outputOf(
      box,
      sh("ls /; ls -d /proc/1/root/../../../work 2>/dev/null; cut -d' ' -f5 /proc/self/mountinfo"),
    );
    expect(output.split("\n").slice(0, 3)).toEqual(["bin", "dev", "etc"]);
    expect(output).not.toMatch(/work|\.pivot|oldroot|tsrun-test/);
  });

  test("can be absolute, and outside of the bundle", async ({ box }) => {
    const other = box.container();
    expect(await outputOf(box, sh("cat /etc/hostname"), { root: { path: other.rootfs } })).toBe("file\n");
  });

  test("that is missing is refused", async ({ box }) => {
    expect(await refusalOf(box, { root: { path: "missing" } })).toMatch(/missing|rootfs|root/);
  });

  const propagation: [value: string, tags: RegExp, peers: Peers][] = [
    ["private", /^$/, {}],
    ["rprivate", /^$/, {}],
    ["slave", /^(master:\d+)?$/, {}],
    ["rslave", /^(master:\d+)?$/, {}],
    ["shared", /^shared:\d+( master:\d+)?$/, { runc: "does not work before 1.3.1" }],
    ["rshared", /^shared:\d+( master:\d+)?$/, { runc: "does not work before 1.3.1" }],
    ["unbindable", /^unbindable$/, { runc: "does not work before 1.3.1" }],
    ["runbindable", /^unbindable$/, { runc: "does not work before 1.3.1" }],
  ];
  for (const [value, tags, peers] of propagation) {
    needs(except(peers))(`rootfsPropagation ${value}`, async ({ box }) => {
      const script = "grep ' / / \\| /[^ ]* / ' /proc/self/mountinfo | sed 's/ - .*//' | cut -d' ' -f7-";
      const output = await outputOf(box, sh(script), { linux: { rootfsPropagation: value } });
      expect(output.trim()).toMatch(tags);
    });
  }

  test("--no-pivot works too", async ({ box }) => {
    const container = box.container(sh("ls / | head -n1; echo $$"));
    expect(await container.run(["--no-pivot"])).toMatchObject({ code: 0, stdout: "bin\n1\n" });
  });

  test("nothing that the container mounts shows on the host", async ({ box }) => {
    const container = box.container(sh("mount -t tmpfs inner /tmp && echo mounted; exec sleep 1000"));
    await container.create();
    await container.start();
    await container.untilOutput("mounted");
    const { readFileSync } = await import("node:fs");
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(box.word);
  });
});

describe("devices", () => {
  test("the default ones are there, with their numbers and modes", async ({ box }) => {
    const names = "null zero full random urandom tty".split(" ");
    const script = `cd /dev; stat -c '%n %t:%T %a %u:%g' ${names.join(" ")}; for l in fd stdin stdout stderr; do readlink $l; done`;
    expect(await outputOf(box, sh(script))).toBe(
      [
        "null 1:3 666 0:0",
        "zero 1:5 666 0:0",
        "full 1:7 666 0:0",
        "random 1:8 666 0:0",
        "urandom 1:9 666 0:0",
        "tty 5:0 666 0:0",
        "/proc/self/fd",
        "/proc/self/fd/0",
        "/proc/self/fd/1",
        "/proc/self/fd/2",
        "",
      ].join("\n"),
    );
  });

  test("configured ones are made, in directories that are made for them", async ({ box }) => {
    const devices = [
      { path: "/dev/my/null", type: "c", major: 1, minor: 3, fileMode: 0o640, uid: 5, gid: 6 },
      { path: "/dev/loop-like", type: "b", major: 7, minor: 9, fileMode: 0o600, uid: 0, gid: 0 },
      { path: "/dev/pipe", type: "p", fileMode: 0o622, uid: 0, gid: 0 },
    ];
    const script = "stat -c '%F %t:%T %a %u:%g' /dev/my/null /dev/loop-like /dev/pipe";
    expect(await outputOf(box, sh(script), { linux: { devices } })).toBe(
      "character special file 1:3 640 5:6\nblock special file 7:9 600 0:0\nfifo 0:0 622 0:0\n",
    );
  });

  test("one that is not allowed cannot be opened, one that is can", async ({ box }) => {
    const devices = [{ path: "/dev/kmsg", type: "c", major: 1, minor: 11, fileMode: 0o666, uid: 0, gid: 0 }];
    const script = sh("head -c0 /dev/kmsg 2>/dev/null && echo open || echo refused; head -c1 /dev/zero | wc -c");
    const deny: Json = { allow: false, access: "rwm" };
    expect(await outputOf(box, script, { linux: { devices, resources: { devices: [deny] } } })).toBe("refused\n1\n");
  });

  test("a /dev that is bound from the host is left as it is", async ({ box }) => {
    const source = hostTmpfs(box, "dev", "mode=755"); // where the folder for temporary files may be nodev
    execFileSync("mknod", [join(source, "null"), "c", "1", "3"]);
    const list = MOUNTS.filter(({ destination }) => !String(destination).startsWith("/dev"));
    const mount = { destination: "/dev", type: "bind", source, options: ["bind"] };
    expect(await outputOf(box, sh("ls /dev"), { mounts: [...list, mount] })).not.toMatch(/zero|full/);
  });
});

describe("volumes that are shared with the host", () => {
  const rows: [root: string | undefined, options: string[], out: boolean, into: boolean][] = [
    ["rshared", ["rshared"], true, true],
    ["shared", ["shared"], true, true],
    ["shared", [], true, true],
    ["shared", ["rslave"], false, true],
    ["shared", ["rprivate"], false, false],
    ["rslave", ["rshared"], false, true],
    [undefined, ["rslave"], false, true],
    [undefined, ["rprivate"], false, false],
  ];
  for (const [root, options, out, into] of rows) {
    const words = [out ? "sends" : "sends no", into ? "gets" : "gets no"];
    needs(except({ crun: "is in a private mount namespace of the harness's" }))(
      `rootfsPropagation ${root}, mount ${options}: ${words.join(" mounts out, ")} mounts`,
      async ({ box }) => {
        const source = hostTmpfs(box, "volume", "mode=755");
        execFileSync("mount", ["--make-private", source]);
        execFileSync("mount", ["--make-shared", source]);
        for (const name of ["inside", "outside"]) mkdirSync(join(source, name));
        const waiting =
          "until test -e /m/outside/f || test -e /m/stop; do sleep 0.02; done; test -e /m/outside/f && echo got";
        const container = box.container(
          sh(`mount -t tmpfs t /m/inside && echo >/m/inside/f && echo ready; ${waiting}; echo end`),
          mounts({ destination: "/m", type: "bind", source, options: ["rbind", ...options] }),
          root === undefined ? {} : linux({ rootfsPropagation: root }),
        );
        box.defer(() => {
          if (out) execFileSync("umount", [join(source, "inside")]);
        });
        expect((await container.create()).code).toBe(0);
        await container.start();
        await container.untilOutput("ready");
        expect(existsSync(join(source, "inside/f")), "mounted inside, seen on the host").toBe(out);
        hostTmpfs(box, "volume/outside", "mode=755");
        writeFileSync(join(source, "outside/f"), "");
        writeFileSync(join(source, "stop"), "");
        expect((await container.untilOutput("end")).includes("got"), "mounted on the host, seen inside").toBe(into);
        await container.delete("--force");
      },
    );
  }
});

describe("without a mount namespace", () => {
  const namespaces = linux({ namespaces: [{ type: "pid" }, { type: "uts" }] });
  const own = needs(except({ runc: "leaves its mounts", crun: "is in a mount namespace of the harness's" }));
  const mounted = (path: string) =>
    readFileSync("/proc/self/mountinfo", "utf8")
      .split("\n")
      .filter((line) => line.includes(path)).length;

  own("what was mounted on the host goes with the container, what was there before does not", async ({ box }) => {
    const container = box.container(sh("cat /proc/mounts >/dev/null; echo ran"), namespaces);
    execFileSync("mount", ["--bind", container.rootfs, container.rootfs]);
    box.defer(() => void execFileSync("umount", [container.rootfs]));
    expect((await container.create()).code).toBe(0);
    expect(mounted(container.rootfs)).toBeGreaterThan(2);
    await container.start();
    await container.untilOutput("ran");
    expect((await container.delete("--force")).code).toBe(0);
    expect(mounted(container.rootfs)).toBe(1);
  });

  own("a create that fails leaves no mounts either", async ({ box }) => {
    const container = box.container(namespaces, { process: { args: ["no-such-program"] } });
    expect((await container.create()).code).toBe(1);
    expect(mounted(container.rootfs)).toBe(0);
  });
});

test("a read-only /dev has its devices", async ({ box }) => {
  const dev = { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["ro", "mode=755"] };
  const rest = MOUNTS.filter(({ destination }) => destination !== "/dev");
  const list = [rest[0] ?? {}, dev, ...rest.slice(1)];
  const script = sh("echo x >/dev/null; readlink /dev/fd; touch /dev/x 2>&1; touch /dev/shm/x && echo all");
  expect(await outputOf(box, script, { mounts: list })).toBe(
    "/proc/self/fd\ntouch: /dev/x: Read-only file system\nall\n",
  );
});

describe("/dev/ptmx", () => {
  test("is a link to the container's own, whatever the image has there", async ({ box }) => {
    const only = MOUNTS.filter(({ destination }) => destination === "/proc");
    const directory = box.container(sh("readlink /dev/ptmx"), { mounts: only });
    mkdirSync(join(directory.rootfs, "dev/ptmx"));
    const file = box.container(sh("readlink /dev/ptmx"), { mounts: only });
    file.writeFile("dev/ptmx", "");
    for (const container of [directory, file]) {
      // Not /dev/null, which is looked for in the image, where the folder for temporary files may be nodev.
      const run = await container.run([], { input: "" });
      expect(run).toMatchObject({ code: 0, stdout: "pts/ptmx\n", stderr: "" });
    }
  });
});

describe("masked and read-only paths", () => {
  // To the mode that it has already: were it to succeed, nothing would be lost.
  needs(except({ runc: "masks with the container's own /dev/null" }))(
    "a mask does not lead to the host's /dev/null: its mode cannot be changed",
    async ({ box }) => {
      const script = sh("chmod 666 /proc/version 2>&1; chown 0 /proc/version 2>&1; echo x >/proc/version");
      const output = await outputOf(box, script, linux({ maskedPaths: ["/proc/version"] }));
      expect(output.match(/Read-only file system/g)).toHaveLength(2);
    },
  );

  test("a masked file reads empty and a masked directory is empty and cannot be written", async ({ box }) => {
    const container = box.container(
      sh("cat /proc/version | wc -c; ls /home | wc -l; touch /home/x 2>/dev/null || echo ro; cat /etc/hostname"),
      { linux: { maskedPaths: ["/proc/version", "/home", "/no/such", "/etc/hostname", "/home"] } },
    );
    expect(await container.run()).toMatchObject({ code: 0, stdout: "0\n0\nro\n", stderr: "" });
  });

  test("a read-only path keeps its contents and what is below is read-only too", async ({ box }) => {
    const output = await outputOf(
      box,
      sh(
        "echo 1 2>/dev/null >/proc/sys/net/ipv4/ip_forward || echo ro; touch /home/x 2>/dev/null || echo ro; ls /home; cat /proc/sys/kernel/hostname",
      ),
      { linux: { readonlyPaths: ["/proc/sys", "/home", "/no/such"] } },
    );
    expect(output).toBe("ro\nro\nuser\nbox\n");
  });

  needs(except({ crun: "1.8 clears them" }))("a read-only path keeps nosuid, nodev and noexec", async ({ box }) => {
    const mount = { destination: "/m", type: "tmpfs", source: "t", options: ["nosuid", "nodev", "noexec"] };
    const output = await outputOf(box, sh(`${INFO("/m")} | tail -n1`), mounts(mount), {
      linux: { readonlyPaths: ["/m"] },
    });
    expect(output).toMatch(/^ro,nosuid,nodev,noexec/);
  });

  needs(except({ runc: "1.1.5 predates the fix", crun: "1.8 takes it" }))(
    "a /dev/null that is not the null device masks nothing (CVE-2025-31133)",
    async ({ box }) => {
      const mount = { destination: "/dev/null", type: "bind", source: "/etc/hostname", options: ["bind"] };
      const message = await refusalOf(box, mounts(mount), { linux: { maskedPaths: ["/proc/version"] } });
      expect(message).toContain("/dev/null");
    },
  );
});

/** A tmpfs on the host in the sandbox, unmounted with it. */
function hostTmpfs(box: Sandbox, name: string, options: string): string {
  const path = box.makeDirectory(name);
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", path]);
  box.defer(() => {
    execFileSync("umount", [path]);
  });
  return path;
}
