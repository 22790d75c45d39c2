// What Docker alone has: options of `docker run`, builds, devices by CDI, and a daemon that leaves containers running.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { CDI_DEVICE, CDI_SEEN, describeDevice, expectDevice } from "./cdi.ts";
import { CommandLine, eventually } from "./command-line.ts";
import { docker, dockerPrograms } from "./docker-daemon.ts";
import { folderWithRunc, untilAnswers } from "./engine.ts";
import { operationsOf, type Skip } from "./operations.ts";
import { helpOf } from "./requirements.ts";

const withDevices = helpOf("dockerd").includes("--cdi-spec-dir");

/** A daemon that is told of a device where it can be. BuildKit, a part of it, calls the runc that it finds on the PATH. */
const operation = operationsOf("docker", dockerPrograms, (box) => {
  const directory = box.makeDirectory("cdi");
  describeDevice(box, directory);
  const runcFirst = `PATH="${folderWithRunc(box)}:$PATH"; export PATH;`;
  if (!withDevices) return docker(box, ["--bridge=none"], runcFirst);
  const flags = ["--bridge=none", "--experimental", "--cdi-spec-dir", directory];
  return docker(box, flags, runcFirst, { features: { cdi: true } });
});

/** The first number of the daemon's version. */
async function version(engine: CommandLine): Promise<number> {
  return Number.parseInt(await engine.output("version", "--format", "{{.Server.Version}}"), 10);
}

/** Goes on from a version of the daemon. */
async function since(engine: CommandLine, first: number, what: string, skip: Skip): Promise<void> {
  if ((await version(engine)) < first) skip(`Docker has ${what} since version ${first}`);
}

operation("run with a runtime by name", async (engine) => {
  expect(await engine.shell(["--runtime=tested"], "echo here")).toBe("here");
  expect(await engine.run(["--runtime=unknown"], "true")).toMatchObject({ code: 125 });
});

operation("working directory that is made", async (engine) => {
  expect(await engine.shell(["--workdir=/not/there"], "pwd")).toBe("/not/there");
});

operation("domain name", async (engine) => {
  const flags = ["--hostname=named", "--domainname=example.org"];
  expect(await engine.shell(flags, "hostname; cat /proc/sys/kernel/domainname")).toBe("named\nexample.org");
});

operation("system paths unconfined", async (engine) => {
  const seen =
    "grep -c /proc/timer_list /proc/mounts; cd /proc/sys/kernel; cat shmmax 2>/dev/null >shmmax && echo writable";
  expect((await engine.run([], "sh", "-c", seen)).stdout).toBe("1\n");
  const flags = ["--security-opt=systempaths=unconfined", "--security-opt=apparmor=unconfined"];
  expect(await engine.shell(flags, seen)).toBe("0\nwritable");
});

operation("writable cgroups", async (engine, skip) => {
  await since(engine, 28, "--security-opt writable-cgroups", skip);
  const flags = ["--security-opt=writable-cgroups=true", "--cgroupns=private"];
  expect(await engine.shell(flags, "mkdir /sys/fs/cgroup/inner && rmdir /sys/fs/cgroup/inner && echo made")).toBe(
    "made",
  );
});

operation("bind mount that is read-only with what is mounted below", async (engine, skip) => {
  await since(engine, 25, "bind-recursive", skip);
  const touch = (how: string) =>
    engine.run([`--mount=type=bind,source=/dev,target=/b,readonly,bind-recursive=${how}`], "touch", "/b/shm/file");
  expect((await touch("readonly,bind-propagation=rprivate")).stderr).toContain("Read-only file system");
  expect(await touch("writable")).toMatchObject({ code: 0 });
});

operation("kill and stop while paused", async (engine) => {
  const [killed, stopped] = [await engine.start([]), await engine.start([])];
  for (const name of [killed, stopped]) await engine.output("pause", name);
  await engine.output("kill", killed);
  expect(await engine.output("wait", killed)).toBe("137");
  await engine.output("stop", "--time=1", stopped);
  expect(await engine.output("wait", stopped)).toMatch(/^(0|137)$/);
});

operation("event of a process that was killed for its memory", async (engine) => {
  const name = await engine.start(["--memory=24m"]);
  // By exec: what is killed before the shim has come to listen is not told.
  expect(await engine.call("exec", name, "tail", "/dev/zero")).toMatchObject({ code: 137 });
  const filter = ["--since=0", "--until=1s", "--filter", `container=${name}`, "--filter", "event=oom"];
  await eventually(() => engine.output("events", ...filter, "--format", "{{.Action}}"), /^oom$/m);
  expect(await engine.status(name)).toBe("running");
});

const LINES = ["FROM busybox", "ENV COLOR=red", "WORKDIR /made", "RUN echo $COLOR >file", "USER 1000"];

/** Builds an image from the text of a Dockerfile, with BuildKit or without. */
function build(engine: CommandLine, buildKit: 0 | 1, name: string, ...lines: string[]) {
  const builder = new CommandLine(engine.box, ["env", `DOCKER_BUILDKIT=${buildKit}`, ...engine.words], []);
  const text = [...LINES, ...lines, ""].join("\n");
  return builder.callWith(text, "build", "--network=none", "--no-cache", "--tag", name, "-");
}

operation("build without BuildKit", async (engine) => {
  expect(await build(engine, 0, "classic", "RUN id -u")).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^1000$/m),
  });
  expect(await engine.output("run", "--rm", "--network=none", "classic", "cat", "/made/file")).toBe("red");
  const failed = await build(engine, 0, "failed", "RUN exit 5");
  expect(failed).toMatchObject({ code: 5, stderr: expect.stringContaining("returned a non-zero code: 5") });
});

operation("build with BuildKit", async (engine, skip) => {
  if ((await engine.call("buildx", "version")).code !== 0 && (await version(engine)) >= 23)
    skip("docker-buildx is not installed");
  const lines = [
    "RUN --mount=type=tmpfs,target=/x touch /x/file && grep -q ' /x tmpfs' /proc/mounts",
    "RUN --mount=type=cache,target=/c,uid=1000 echo kept >/c/file",
    "RUN --mount=type=cache,target=/c,uid=1000 cat /c/file >/tmp/kept; id -u >>/tmp/kept",
  ];
  const built = await build(engine, 1, "kit", ...lines);
  expect(built.stderr).toMatch(/DONE|naming to/);
  expect(built.code).toBe(0);
  const shown = await engine.output("run", "--rm", "--network=none", "kit", "cat", "/made/file", "/tmp/kept");
  expect(shown).toBe("red\nkept\n1000");
  expect((await build(engine, 1, "failed", "RUN exit 5")).stderr).toMatch(/exit code: 5/);
});

operation(
  "device by CDI, with its hook, and an annotation",
  async (engine) => {
    const flags = [`--device=${CDI_DEVICE}`, "--annotation=org.example.word=given"];
    expectDevice(engine.box, await engine.shell(flags, CDI_SEEN), { "org.example.word": "given" });
  },
  withDevices ? undefined : "this version of dockerd has no devices by CDI",
);

/** Runs a daemon, and when it has ended another in its place: until the sandbox ends it. */
const TWICE = `trap 'kill $daemon' TERM; dockerd "$@" & daemon=$!; wait $daemon; [ -e "$TWICE" ] || exit; trap - TERM;`;

const restarted = operationsOf("docker", dockerPrograms, (box) =>
  docker(box, ["--bridge=none", "--live-restore"], `TWICE=${box.path("twice")}; ${TWICE}`),
);

restarted("live restore", async (engine) => {
  const name = await engine.start([], "sh", "-c", "trap 'echo bye; exit 4' TERM; while :; do sleep 0.1; done");
  const pid = await engine.pid(name);
  writeFileSync(engine.box.path("twice"), "");
  const file = engine.box.path("docker.pid");
  const daemon = readFileSync(file, "utf8");
  process.kill(Number(daemon), "SIGTERM");
  await eventually(async () => (existsSync(file) ? readFileSync(file, "utf8") : daemon), new RegExp(`^(?!${daemon})`));
  await untilAnswers(engine.box, "unshare", () => engine.call("version"));
  expect(await engine.pid(name)).toBe(pid);
  expect(await engine.output("exec", name, "cat", "/proc/1/comm")).toBe("sh");
  await engine.output("pause", name);
  await engine.output("unpause", name);
  await engine.output("stop", name);
  expect(await engine.inspect(name, "{{.State.ExitCode}}")).toBe("4");
  expect(await engine.output("logs", name)).toBe("bye");
});
