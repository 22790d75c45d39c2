// Buildah on the runtime: `buildah run` in a working container and RUN in a build. It creates, starts, asks for the state until all
// is over, and deletes, by itself and without conmon.

import { readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { expect } from "vitest";
import { kernelFile, program } from "../../test/root/harness/needs.ts";
import type { Result } from "../../test/root/harness/runtime.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { succeeded } from "./command-line.ts";
import { callProgram, keepForwarding, removeIfNew, removeParentCgroups, rootfsTar, runtimeProgram } from "./engine.ts";
import { operationsOf } from "./operations.ts";
import { onTerminal, type Pty, SIZE } from "./pty.ts";
import { nat } from "./requirements.ts";

const IMAGE = "localhost/busybox";
/** Where root cannot raise limits, Buildah's own are too high. */
const CONFIGURATION = `[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
`;

let count = 0;

class Buildah {
  readonly box: Sandbox;
  readonly words: readonly [string, ...string[]];
  readonly #runtime: readonly string[];
  readonly #names: string[] = [];

  constructor(box: Sandbox, words: readonly [string, ...string[]], runtime: readonly string[]) {
    this.box = box;
    this.words = words;
    this.#runtime = runtime;
  }

  forTest(): Buildah {
    return new Buildah(this.box, this.words, this.#runtime);
  }

  call(...args: string[]): Promise<Result> {
    return this.callWith(undefined, ...args);
  }

  callWith(input: string | Readable | undefined, ...args: string[]): Promise<Result> {
    const [first, ...globals] = this.words;
    return callProgram(this.box, first, [...globals, ...args], input);
  }

  async output(...args: string[]): Promise<string> {
    return succeeded(await this.call(...args), args.join(" "));
  }

  /** A working container: its name. */
  async from(flags: readonly string[] = [], image = IMAGE): Promise<string> {
    count += 1;
    const name = `box${count}`;
    const limits = ["--ulimit=nproc=1024:1024", "--ulimit=nofile=1024:1024"];
    this.#names.push(name);
    await this.output(
      "from",
      "--name",
      name,
      "--pull-never",
      "--network=none",
      this.#cgroup(name),
      ...limits,
      ...flags,
      image,
    );
    return name;
  }

  run(name: string, flags: readonly string[], ...command: string[]): Promise<Result> {
    return this.call(...this.runWords(name, flags, command));
  }

  runWords(name: string, flags: readonly string[], command: readonly string[]): string[] {
    return ["run", "--isolation=oci", ...this.#runtime, "--network=none", ...flags, name, "--", ...command];
  }

  async shell(name: string, flags: readonly string[], script: string): Promise<string> {
    return succeeded(await this.run(name, flags, "sh", "-c", script), `${flags.join(" ")}: ${script}`);
  }

  runOnTerminal(name: string, ...command: string[]): Pty {
    return onTerminal(this.box, [...this.words, ...this.runWords(name, ["--terminal"], command)]);
  }

  /** Builds an image from the text of a Containerfile. */
  build(name: string, flags: readonly string[], ...lines: string[]): Promise<Result> {
    const directory = this.box.makeDirectory(`context-${name}`);
    writeFileSync(join(directory, "Containerfile"), [`FROM ${IMAGE}`, ...lines, ""].join("\n"));
    const limits = ["--ulimit=nproc=1024:1024", "--ulimit=nofile=1024:1024"];
    const how = ["--isolation=oci", "--network=none", "--pull-never", ...this.#runtime, this.#cgroup(name), ...limits];
    return this.call("build", ...how, ...flags, "--tag", name, directory);
  }

  async tidy(): Promise<void> {
    const list = () => this.output("containers", "--noheading", "--format", "{{.ContainerName}}");
    // It fails where another test removes one meanwhile.
    const left = (await list().catch(list)).split("\n");
    for (const name of this.#names.filter((each) => left.includes(each))) await this.output("rm", name);
  }

  /** What Buildah calls a parent is the container's own, and no runtime wants to share it. */
  #cgroup(name: string): string {
    return `--cgroup-parent=/${this.box.word}/${name}`;
  }
}

async function buildah(box: Sandbox): Promise<Buildah> {
  removeIfNew(box, "/run/containers", "/var/lib/containers");
  keepForwarding(box);
  removeParentCgroups(box);
  writeFileSync(box.path("containers.conf"), CONFIGURATION);
  writeFileSync(box.path("policy.json"), JSON.stringify({ default: [{ type: "insecureAcceptAnything" }] }));
  const storage = ["--root", box.path("storage"), "--runroot", box.path("run"), "--storage-driver", "vfs"];
  const words = [`CONTAINERS_CONF=${box.path("containers.conf")}`, "buildah", ...storage];
  const engine = new Buildah(box, ["env", ...words], ["--runtime", runtimeProgram(box)]);
  await engine.output("from", "--name", "base", "scratch");
  await engine.output("add", "base", rootfsTar(box), "/");
  await engine.output("commit", "--rm", "--signature-policy", box.path("policy.json"), "base", IMAGE);
  return engine;
}

const missing = [program("buildah"), program("script")];
const operation = operationsOf("buildah", missing, buildah);
const status = "cat /proc/self/status";

operation("run", async (engine) => {
  const name = await engine.from();
  const result = await engine.run(name, [], "sh", "-c", "echo out; echo err >&2; echo kept >/tmp/file");
  expect(result).toMatchObject({ code: 0, stdout: "out\n", stderr: "err\n" });
  expect(await engine.shell(name, [], "cat /tmp/file")).toBe("kept");
});

operation("exit codes", async (engine) => {
  const name = await engine.from();
  expect((await engine.run(name, [], "sh", "-c", "exit 5")).code).toBe(5);
  const unknown = await engine.run(name, [], "no-such-program");
  expect(unknown.code).not.toBe(0);
  expect(unknown.stderr).toMatch(/executable file/);
});

operation("stdin", async (engine) => {
  const name = await engine.from();
  const result = await engine.callWith("typed\n", ...engine.runWords(name, [], ["cat"]));
  expect(result).toMatchObject({ code: 0, stdout: "typed\n" });
});

operation("terminal", async (engine) => {
  const terminal = engine.runOnTerminal(await engine.from(), "sh");
  await terminal.until(/# /);
  terminal.type("tty; while ! stty size | grep '33 77'; do sleep 0.1; done\n");
  await terminal.until(new RegExp(`/dev/pts/0\r+\n(.*\r+\n)*${SIZE}\r+\n`));
  terminal.type("exit 7\n");
  expect(await terminal.ended()).toBe(7);
});

operation("environment and working directory", async (engine) => {
  const flags = ["--env=COLOR=red", "--workingdir=/home/user"];
  expect(await engine.shell(await engine.from(), flags, "echo $COLOR; pwd")).toBe("red\n/home/user");
});

operation("build", async (engine) => {
  const lines = ["ENV COLOR=red", "WORKDIR /made", "RUN echo $COLOR >file", "USER 1000", "RUN id -u"];
  const built = await engine.build("built", [], ...lines);
  expect(built).toMatchObject({ code: 0, stdout: expect.stringMatching(/^1000$/m) });
  expect(await engine.shell(await engine.from([], "localhost/built"), [], "cat /made/file; id -u")).toBe("red\n1000");
});

operation("build that fails", async (engine) => {
  const built = await engine.build("failed", [], "RUN exit 5");
  expect(built.code).toBe(5);
  expect(built.stderr).toMatch(/exit status 5/);
});

operation("build with mounts", async (engine) => {
  const file = engine.box.path("secret");
  writeFileSync(file, "hidden");
  const lines = [
    "RUN --mount=type=secret,id=word cat /run/secrets/word",
    "RUN --mount=type=tmpfs,target=/x touch /x/file && grep ' /x tmpfs' /proc/mounts",
    "RUN --mount=type=bind,source=.,target=/b cat /b/Containerfile | head -1",
  ];
  const built = await engine.build("mounted", [`--secret=id=word,src=${file}`], ...lines);
  expect(built).toMatchObject({ code: 0 });
  expect(built.stdout).toMatch(/hidden(.*\n)*tmpfs \/x tmpfs(.*\n)*FROM/);
});

operation("user", async (engine) => {
  const name = await engine.from();
  expect(await engine.shell(name, ["--user=1000:2000"], "id -u; id -g")).toBe("1000\n2000");
  expect(await engine.shell(name, ["--user=user"], "id -un")).toBe("user");
});

operation("tmpfs", async (engine) => {
  const mount = "--mount=type=tmpfs,destination=/x,tmpfs-size=1048576,tmpfs-mode=1700";
  const shown = await engine.shell(await engine.from(), [mount], "grep ' /x ' /proc/mounts; stat -c %a /x");
  expect(shown).toMatch(/^tmpfs \/x tmpfs rw,.*size=1024k.*\n1700$/);
});

operation("capabilities dropped and added", async (engine) => {
  const name = await engine.from();
  expect(await engine.shell(name, ["--cap-drop=CAP_CHOWN"], "chown 1 /etc 2>&1 || echo no")).toMatch(/no$/);
  expect((await engine.run(name, [], "hostname", "new")).code).toBe(1);
  expect((await engine.run(name, ["--cap-add=CAP_SYS_ADMIN"], "hostname", "new")).code).toBe(0);
});

operation("seccomp by default", async (engine) => {
  const name = await engine.from();
  expect(await engine.shell(name, [], status)).toMatch(/^Seccomp:\t2$/m);
  expect((await engine.run(name, [], "unshare", "-n", "true")).code).toBe(1);
});

operation("seccomp unconfined", async (engine) => {
  const name = await engine.from(["--security-opt=seccomp=unconfined"]);
  expect(await engine.shell(name, [], status)).toMatch(/^Seccomp:\t0$/m);
});

operation("seccomp profile", async (engine) => {
  const file = engine.box.path("seccomp.json");
  const rule = { names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO" };
  writeFileSync(file, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule] }));
  const name = await engine.from([`--security-opt=seccomp=${file}`]);
  expect(await engine.shell(name, [], "mkdir /tmp/x 2>&1 || echo no")).toMatch(/Operation not permitted\nno$/);
});

operation("device", async (engine) => {
  const name = await engine.from(["--device=/dev/kmsg:/dev/own"]);
  expect((await engine.run(name, [], "sh", "-c", ": >/dev/own")).code).toBe(0);
});

operation("ulimit", async (engine) => {
  const name = await engine.from(["--ulimit=stack=4194304:8388608"]);
  expect(await engine.shell(name, [], "ulimit -s; ulimit -Hs")).toBe("4096\n8192");
});

operation("shm size", async (engine) => {
  const name = await engine.from(["--shm-size=2m"]);
  expect(await engine.shell(name, [], "grep ' /dev/shm ' /proc/mounts")).toContain("size=2048k");
});

operation("bind mount", async (engine) => {
  const source = engine.box.makeDirectory("bind");
  await engine.shell(await engine.from(), [`--volume=${source}:/b`], "echo text >/b/file");
  expect(readFileSync(join(source, "file"), "utf8")).toBe("text\n");
});

operation("read-only bind mount", async (engine) => {
  const source = engine.box.makeDirectory("bind-ro");
  const shown = await engine.shell(await engine.from(), [`--volume=${source}:/b:ro`], "touch /b/new 2>&1 || echo no");
  expect(shown).toMatch(/Read-only file system\nno$/);
});

operation("memory limit", async (engine) => {
  const name = await engine.from([`--memory=${32 << 20}`]);
  const files = "/sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max";
  expect(await engine.shell(name, [], `cat ${files} 2>/dev/null || true`)).toBe(`${32 << 20}`);
});

operation("cpu limit", async (engine) => {
  const name = await engine.from(["--cpu-quota=50000", "--cpu-period=100000"]);
  const files = "/sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu.max";
  expect(await engine.shell(name, [], `cat ${files} 2>/dev/null || true`)).toMatch(/^50000( 100000)?$/);
});

operation("user namespace", async (engine) => {
  engine.box.makeReachable();
  const maps = ["--userns-uid-map=0:100000:65536", "--userns-gid-map=0:100000:65536"];
  const shown = await engine.shell(await engine.from(maps), [], "cat /proc/self/uid_map; id -u");
  expect(shown).toMatch(/^ +0 +100000 +65536\n0$/);
});

operation("hostname", async (engine) => {
  expect(await engine.shell(await engine.from(), ["--hostname=named"], "hostname")).toBe("named");
});

operation(
  "host's namespaces",
  async (engine) => {
    const kinds = ["pid", "ipc", "uts"];
    const flags = kinds.map((kind) => `--${kind}=host`);
    const script = kinds.map((kind) => `readlink /proc/self/ns/${kind}`).join(";");
    const shown = await engine.shell(await engine.from(), flags, script);
    expect(shown.split("\n")).toEqual(kinds.map((kind) => readlinkSync(`/proc/self/ns/${kind}`)));
  },
  nat(), // it makes a network for these, whatever --network says
);

operation("ipc namespace of another container", async (engine) => {
  // Of this process, by path: a working container runs nothing between two commands.
  const link = "readlink /proc/self/ns/ipc";
  const name = await engine.from();
  expect(await engine.shell(name, [`--ipc=/proc/${process.pid}/ns/ipc`], link)).toBe(readlinkSync("/proc/self/ns/ipc"));
  expect(await engine.shell(name, [], link)).not.toBe(readlinkSync("/proc/self/ns/ipc"));
});

operation(
  "AppArmor",
  async (engine) => {
    // It has no profile of its own; this one is Debian's and confines nothing.
    const name = await engine.from(["--security-opt=apparmor=crun"]);
    expect(await engine.shell(name, [], "cat /proc/self/attr/current")).toBe("crun (unconfined)");
  },
  kernelFile("/sys/kernel/security/apparmor"),
);

operation("run without pivot_root, and with a debugging runtime", async (engine) => {
  const name = await engine.from();
  expect(await engine.shell(name, ["--no-pivot"], "ls -d /home; echo $$")).toBe("/home\n1");
  const debugged = await engine.run(name, ["--runtime-flag=debug"], "echo", "out");
  expect(debugged).toMatchObject({ code: 0, stdout: "out\n" });
});

operation("environment of a run", async (engine) => {
  expect(await engine.shell(await engine.from(), ["--env=COLOR=red"], "echo $COLOR")).toBe("red");
});

operation(
  "namespaces by path",
  async (engine) => {
    const kinds = ["pid", "uts"];
    const flags = kinds.map((kind) => `--${kind}=/proc/${process.pid}/ns/${kind}`);
    const script = kinds.map((kind) => `readlink /proc/self/ns/${kind}`).join(";");
    const shown = await engine.shell(await engine.from(), flags, script);
    expect(shown.split("\n")).toEqual(kinds.map((kind) => readlinkSync(`/proc/self/ns/${kind}`)));
  },
  nat(), // as above
);

operation("private cgroup namespace", async (engine) => {
  const shown = await engine.shell(await engine.from(), ["--cgroupns=private"], "cat /proc/self/cgroup");
  expect(shown).toMatch(/^(\d+:\S*:\/\n?)+$/);
});

operation("volume laid over, and one given to the user", async (engine) => {
  const source = engine.box.makeDirectory("over");
  writeFileSync(join(source, "file"), "below\n");
  const name = await engine.from();
  const shown = await engine.shell(name, [`--volume=${source}:/o:O`], "cat /o/file; echo above >/o/file; cat /o/file");
  expect(shown).toBe("below\nabove");
  expect(readFileSync(join(source, "file"), "utf8")).toBe("below\n");
  const given = await engine.shell(
    name,
    ["--user=1000:2000", `--volume=${source}:/u:U`],
    "touch /u/new; stat -c %u:%g /u /u/new",
  );
  expect(given).toBe("1000:2000\n1000:2000");
});

operation("build with a cache, without a network, and with other limits", async (engine) => {
  const lines = [
    "RUN --mount=type=cache,target=/c echo kept >/c/file",
    "RUN --mount=type=cache,target=/c cat /c/file",
    "RUN ls /sys/class/net; ulimit -s; grep -o ' /dev/shm .*size=2048k' /proc/mounts | cut -d' ' -f2",
    "RUN hostname built && hostname",
  ];
  const built = await engine.build(
    "limited",
    ["--ulimit=stack=4194304:8388608", "--shm-size=2m", "--cap-add=CAP_SYS_ADMIN"],
    ...lines,
  );
  expect(built).toMatchObject({ code: 0 });
  expect(built.stdout).toMatch(/^kept\n(.*\n)*lo\n4096\n\/dev\/shm\n(.*\n)*built\n/m);
});

operation("build with a device and a volume, as another user", async (engine) => {
  const source = engine.box.makeDirectory("built");
  const flags = ["--device=/dev/full:/dev/own", `--volume=${source}:/v:ro`];
  const lines = ["RUN test -c /dev/own && touch /v/new 2>&1 || echo no", "USER user", "RUN id -un; id -G"];
  const built = await engine.build("volume", flags, ...lines);
  expect(built.stdout).toMatch(/Read-only file system\nno\n(.*\n)*user\n1000 2000\n/);
});

operation("build with hooks", async (engine) => {
  const directory = engine.box.makeDirectory("hooks");
  const log = engine.box.path("hooked");
  const hook = { path: "/bin/sh", args: ["sh", "-c", `sed 's/.*"status":"\\([a-z]*\\)".*/\\1/' >${log}`] };
  const text = { version: "1.0.0", hook, when: { always: true }, stages: ["poststop"] };
  writeFileSync(join(directory, "hook.json"), JSON.stringify(text));
  expect(await engine.build("hooked", [`--hooks-dir=${directory}`], "RUN true")).toMatchObject({ code: 0 });
  expect(readFileSync(log, "utf8")).toBe("stopped");
});

operation("build in a user namespace", async (engine) => {
  engine.box.makeReachable();
  const maps = ["--userns-uid-map=0:100000:65536", "--userns-gid-map=0:100000:65536"];
  const built = await engine.build("mapped", maps, "RUN tr -s ' ' </proc/self/uid_map; echo mine >/tmp/file");
  expect(built).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ 0 100000 65536$/m) });
  expect(await engine.shell(await engine.from([], "localhost/mapped"), [], "stat -c %u:%g /tmp/file")).toBe("0:0");
});
