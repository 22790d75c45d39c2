// process.apparmorProfile, and exec's --apparmor: profiles made here, loaded by apparmor_parser(8), and seen to bite. What a
// process is under the kernel says, in a file of its own, as it says it to everybody.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { idle, type Json, linux, merge, mounts, namespaces, sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { except, needs, program } from "./harness/needs.ts";
import { outputOf, refusalOf } from "./harness/run.ts";
import { commandWords } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";

const enabled = isEnabled();
const apparmor = enabled ? undefined : "this kernel runs no AppArmor";
const PARSER = "apparmor_parser";
const parser = program(PARSER);
const onlyOurs = except({ runc: "1.1 writes to the container's procfs", crun: "1.8 writes to the container's procfs" });

/** The kernel's word for what a process is under, without whether it is enforced. */
const WHO = "cat /proc/self/attr/apparmor/current";

/** What the profiles here deny: to write below /tmp. */
const WRITE = "echo text >/tmp/file";

const confinedBy = (profile: string): Json => ({ process: { apparmorProfile: profile } });

function isEnabled(): boolean {
  try {
    return readFileSync("/sys/module/apparmor/parameters/enabled", "utf8").startsWith("Y");
  } catch {
    return false;
  }
}

/** Loads a profile that allows all but writing below /tmp, and unloads it in the end. Its name. */
function load(
  box: Sandbox,
  name: string,
  rules = "file, capability, network, mount, umount, signal, ptrace, unix,",
): string {
  const full = `${box.word}-${name}`;
  const file = box.path(name);
  writeFileSync(file, `profile ${full} flags=(attach_disconnected,mediate_deleted) {\n${rules}\ndeny /tmp/** w,\n}\n`);
  execFileSync(PARSER, ["--replace", "--skip-cache", file]);
  box.defer(() => void execFileSync(PARSER, ["--remove", file]));
  return full;
}

/** The rules that Docker and Podman make for a container, but for what they say about its peers. */
const DEFAULT_RULES = `
  network, capability, file, umount, signal (send,receive),
  deny @{PROC}/* w,
  deny @{PROC}/{[^1-9],[^1-9][^0-9],[^1-9s][^0-9y][^0-9s],[^1-9][^0-9][^0-9][^0-9]*}/** w,
  deny @{PROC}/sysrq-trigger rwklx,
  deny @{PROC}/kcore rwklx,
  deny mount,
  deny /sys/[^f]*/** wklx,
  deny /sys/firmware/** rwklx,
`.replaceAll("@{PROC}", "/proc");

async function started(box: Sandbox, ...overrides: Json[]): Promise<Container> {
  const container = box.container(idle(), ...overrides);
  expect(await container.create()).toMatchObject({ code: 0 });
  await container.start();
  await container.untilOutput("ready");
  return container;
}

describe("a profile", () => {
  needs(apparmor, parser)("confines the program also in the pid namespace of another", async ({ box }) => {
    const profile = load(box, "sample");
    const { pid } = await (await started(box)).state();
    const inPod = namespaces(`pid=/proc/${pid}/ns/pid`, "mount", "ipc", "uts", "network");
    expect(await outputOf(box, sh(WHO), confinedBy(profile), inPod)).toBe(`${profile} (enforce)\n`);
  });

  needs(apparmor, parser)("confines the program, and whatever exec runs beside it", async ({ box }) => {
    const profile = load(box, "sample");
    expect(await outputOf(box, sh(`${WHO}; (${WRITE}) 2>/dev/null || echo denied`), confinedBy(profile))).toBe(
      `${profile} (enforce)\ndenied\n`,
    );
    const container = await started(box, confinedBy(profile));
    expect((await container.exec(["sh", "-c", WHO])).stdout).toBe(`${profile} (enforce)\n`);
    expect(await container.exec(["sh", "-c", WRITE])).toMatchObject({
      stderr: expect.stringMatching(/Permission denied/),
    });
  });

  needs(
    apparmor,
    parser,
    except({ crun: "asks the kernel for an empty one" }),
  )("that nobody asks for is none", async ({ box }) => {
    expect(await outputOf(box, sh(`${WHO}; ${WRITE} && echo allowed`))).toMatch(/^(\w+ \()?unconfined\)?\nallowed\n$/);
    expect(await outputOf(box, sh(WHO), confinedBy(""))).toMatch(/^(\w+ \()?unconfined\)?\n$/); // Debian names the peers
  });

  needs(apparmor)("may be unconfined, which asks for none whatever the program is called", async ({ box }) => {
    expect(await outputOf(box, sh(WHO), confinedBy("unconfined"))).toBe("unconfined\n");
  });

  needs(
    apparmor,
    parser,
    except({ crun: "puts it on top of the one that Debian has for crun" }),
  )("holds with no_new_privs, a seccomp filter, and for a user without rights", async ({ box }) => {
    const profile = load(box, "sample");
    box.defer(() => rmSync(join(box.root, "seccomp~"), { recursive: true, force: true })); // filters are kept for the next container
    const seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["openat2"], action: "SCMP_ACT_KILL" }] };
    const user = { user: { uid: 1000, gid: 1000 }, capabilities: {} };
    for (const noNewPrivileges of [true, false]) {
      const process = { ...user, noNewPrivileges };
      const output = await outputOf(box, sh(`${WHO}; id -u`), confinedBy(profile), { process }, linux({ seccomp }));
      expect(output).toBe(`${profile} (enforce)\n1000\n`);
    }
  });

  needs(apparmor, parser)(
    "like that of Docker and Podman lets a container live, and mount nothing",
    async ({ box }) => {
      const profile = load(box, "default", DEFAULT_RULES);
      const script = `${WHO}; mount -t tmpfs none /mnt 2>/dev/null || echo denied; ls /bin/sh; sleep 0`;
      const container = box.container(sh(script), confinedBy(profile));
      mkdirSync(join(container.rootfs, "mnt"));
      expect(await container.run()).toMatchObject({ stdout: `${profile} (enforce)\ndenied\n/bin/sh\n`, code: 0 });
    },
  );

  needs(apparmor, parser)(
    "holds in a user namespace, and for exec where parts of /proc are masked",
    async ({ box }) => {
      const profile = load(box, "sample");
      const maps = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
      const own = merge(namespaces("pid", "mount", "ipc", "uts", "network", "user"), {
        linux: { uidMappings: maps, gidMappings: maps, maskedPaths: ["/proc/kcore"], readonlyPaths: ["/proc/sys"] },
      });
      execFileSync("chmod", ["755", box.directory]);
      const container = await started(box, own, confinedBy(profile));
      const { pid } = await container.state();
      expect(readFileSync(`/proc/${pid}/attr/apparmor/current`, "utf8")).toBe(`${profile} (enforce)\n`);
      expect((await container.exec(["sh", "-c", WHO])).stdout).toBe(`${profile} (enforce)\n`);
    },
  );

  needs(apparmor, parser)("is that of hooks that run what is in the image", async ({ box }) => {
    const profile = load(box, "sample");
    const script = `${WHO} >/etc/hook; ${WRITE}; true`;
    const hook = { path: "/bin/sh", args: ["sh", "-c", script], env: ["PATH=/bin"] };
    const container = box.container(sh("cat /etc/hook"), confinedBy(profile), { hooks: { startContainer: [hook] } });
    await container.create();
    await container.start();
    await container.until("stopped");
    expect(existsSync(join(container.rootfs, "tmp/file"))).toBe(false);
    expect(container.readFile("etc/hook")).toBe(`${profile} (enforce)\n`);
  });

  needs(apparmor)("that is not loaded is an error that names it, and nothing is left", async ({ box }) => {
    const words = await refusalOf(box, idle(), confinedBy(`${box.word}-none`));
    expect(words).toMatch(/apparmor/i);
    expect(words).toMatch(/no such file or directory/i);
  });

  needs(apparmor, onlyOurs)("that is not loaded is told in the words of the config", async ({ box }) => {
    const name = `${box.word}-none`;
    const words = `process.apparmorProfile: write(exec ${name}): ENOENT (No such file or directory)`;
    expect(await refusalOf(box, idle(), confinedBy(name))).toContain(words);
    const container = await started(box);
    expect(await container.exec(["true"], ["--apparmor", name])).toMatchObject({
      stderr: expect.stringContaining(words),
    });
  });
});

describe("exec", () => {
  needs(apparmor, parser)("may ask for another profile, by a flag or in its file", async ({ box }) => {
    const [profile, other] = [load(box, "sample"), load(box, "other")];
    const container = await started(box, confinedBy(profile));
    const who = ["sh", "-c", WHO];
    expect((await container.exec(who, ["--apparmor", other])).stdout).toBe(`${other} (enforce)\n`);
    expect((await container.exec(who, ["--apparmor", "unconfined"])).stdout).toBe("unconfined\n");
    expect((await container.execProcess({ args: who, apparmorProfile: other })).stdout).toBe(`${other} (enforce)\n`);
  });

  needs(
    apparmor,
    parser,
    except({ runc: "1.1 runs it unconfined", crun: "runs it unconfined" }),
  )("is under the container's where its file says nothing", async ({ box }) => {
    const profile = load(box, "sample");
    const container = await started(box, confinedBy(profile));
    const process = { args: ["sh", "-c", WHO], capabilities: {} };
    expect((await container.execProcess(process)).stdout).toBe(`${profile} (enforce)\n`);
    expect((await container.execProcess({ ...process, apparmorProfile: "" })).stdout).toBe(`${profile} (enforce)\n`);
  });
});

/** Where the image has files of its own in the place of the kernel's. */
const FAKE = ["self", "thread-self"].flatMap((self) => [`${self}/attr/apparmor/exec`, `${self}/attr/exec`]);

/** A script that ends the shell in a program whose profile the host can look at: the container may have no procfs. */
const STAY = "echo ready; exec sleep 1000";

describe("a container with something else at /proc", () => {
  const profileOf = async (container: Container): Promise<string> =>
    readFileSync(`/proc/${(await container.state()).pid}/attr/apparmor/current`, "utf8");

  function withFakes(container: Container, directory: string): void {
    for (const file of FAKE) container.writeFile(join(directory, file), "");
  }

  needs(
    apparmor,
    parser,
    onlyOurs,
  )("is under its profile all the same: files of the image", async ({ box }) => {
    const profile = load(box, "sample");
    const [, ...usual] = mounts().mounts as Json[];
    const container = box.container(sh(STAY), { mounts: usual }, confinedBy(profile));
    withFakes(container, "proc");
    expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
    await container.untilOutput("ready");
    expect(await profileOf(container)).toBe(`${profile} (enforce)\n`);
    expect(await container.exec(["sh", "-c", WRITE])).toMatchObject({ stderr: expect.stringMatching(/denied/) });
    expect(FAKE.map((file) => container.readFile(`proc/${file}`)).join("")).toBe("");
  });

  needs(apparmor, parser)(
    "is refused or confined where the image has a link there, CVE-2019-19921",
    async ({ box }) => {
      const profile = load(box, "sample");
      const container = box.container(sh(STAY), confinedBy(profile));
      execFileSync("rmdir", [join(container.rootfs, "proc")]);
      withFakes(container, "fake");
      symlinkSync("/fake", join(container.rootfs, "proc"));
      const result = await container.runDetached();
      if (result.code === 0) expect(await profileOf(container)).toBe(`${profile} (enforce)\n`);
      else expect(result.stderr).toMatch(/proc/);
    },
  );

  needs(apparmor, parser)("is refused or confined where a volume is mounted there, CVE-2019-16884", async ({ box }) => {
    const profile = load(box, "sample");
    const volume = box.makeDirectory("volume");
    for (const file of FAKE) {
      mkdirSync(join(volume, file, ".."), { recursive: true });
      writeFileSync(join(volume, file), "");
    }
    const bind = (destination: string) => ({ destination, type: "bind", source: volume, options: ["bind"] });
    const copied = { destination: "/proc", type: "tmpfs", source: "tmpfs", options: ["tmpcopyup"] };
    for (const mount of [copied, ...["/proc", "/proc/self", "/proc/thread-self", "/proc/1"].map(bind)]) {
      const container = box.container(sh(STAY), mounts(mount), confinedBy(profile));
      withFakes(container, "proc");
      const result = await container.runDetached();
      if (result.code === 0) expect(await profileOf(container), mount.destination).toBe(`${profile} (enforce)\n`);
      else expect(result.stderr, mount.destination).not.toBe("");
    }
  });

  needs(
    apparmor,
    parser,
    onlyOurs,
  )(
    "does not get a process of exec out of its profile by what it mounts there itself, CVE-2025-52881",
    async ({ box }) => {
      const profile = load(box, "sample");
      const fakes = FAKE.map((file) => `mkdir -p /proc/${file}; rmdir /proc/${file}; : >/proc/${file}`).join("; ");
      const script = `mount -t tmpfs none /proc && { ${fakes}; } && ${STAY}`;
      const container = box.container(sh(script), confinedBy(profile));
      expect(await container.runDetached()).toMatchObject({ code: 0 });
      await container.untilOutput("ready");
      const result = await container.exec(["sh", "-c", `cat /proc/*self/attr/apparmor/exec; ${WRITE}`]);
      expect(result).toMatchObject({ stdout: "", stderr: expect.stringMatching(/denied/) });
    },
  );
});

needs(
  apparmor,
  parser,
  onlyOurs,
)("a host whose /proc is something else runs nothing that is to be confined", async ({ box }) => {
  const profile = load(box, "sample");
  const container = box.container(sh(WHO), confinedBy(profile));
  // All of procfs by links, but for the files that tell who a process is to be.
  const script = `mkdir -p ${box.directory}/kernel; mount --bind /proc ${box.directory}/kernel; mount -t tmpfs none /proc
    for name in ${box.directory}/kernel/*; do ln -s $name /proc/; done
    for self in self thread-self; do rm /proc/$self; mkdir -p /proc/$self/attr/apparmor; : >/proc/$self/attr/apparmor/exec
      for name in ${box.directory}/kernel/$self/*; do ln -s ${box.directory}/kernel/$self/\${name##*/} /proc/$self/; done; done
    exec "$@"`;
  const words = [...commandWords(), "--root", box.root, "run", "--bundle", container.bundle, container.id];
  const { status, stdout, stderr } = spawnIn(script, words, box.word);
  expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
  expect(stderr).toContain("process.apparmorProfile, selinuxLabel: the host's /proc is no procfs");
});

function spawnIn(script: string, words: readonly string[], word: string) {
  const env = { ...process.env, TSRUN_TEST: word };
  return spawnSync("unshare", ["--mount", "sh", "-c", script, "sh", ...words], { encoding: "utf8", env });
}

describe("a kernel without AppArmor", () => {
  const off = enabled ? "this kernel runs AppArmor" : undefined;

  needs(off, onlyOurs)("is told by create and exec, in runc's words", async ({ box }) => {
    const words = "process.apparmorProfile: apparmor: config provided but apparmor not supported";
    expect(await refusalOf(box, idle(), confinedBy("sample"))).toContain(words);
    const container = await started(box);
    for (const result of [
      await container.exec(["true"], ["--apparmor", "sample"]),
      await container.execProcess({ apparmorProfile: "sample" }),
    ])
      expect(result).toMatchObject({ stderr: expect.stringContaining(words) });
  });
});
