// Options of `ctr run`, and of `ctr task`, that ask something of the runtime beyond the usual.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect } from "vitest";
import { config, sh } from "../../test/root/harness/config.ts";
import { makeRootfs } from "../../test/root/harness/rootfs.ts";
import { eventually, later, succeeded } from "./command-line.ts";
import { containerd, containerdPrograms, ctrFlag } from "./ctr.ts";
import { callProgram, cgroupDriver, limitOf, runtimeProgram } from "./engine.ts";
import { operationsOf } from "./operations.ts";
import { SIZE } from "./pty.ts";
import { controller } from "./requirements.ts";

const operation = operationsOf("containerd", containerdPrograms, containerd);

/** The arguments of the processes that have a word among them, here and in every container. */
function processesWith(word: string): string[] {
  const all = execFileSync("ps", ["-e", "-o", "args="], { encoding: "utf8" }).split("\n");
  return all.filter((line) => line.startsWith("sleep ") && line.includes(word));
}

operation("attach", async (engine) => {
  const name = await engine.start([], "sh", "-c", "read word; echo got $word; sleep 1; exit 4");
  const attached = await engine.callWith(later("it\n"), "task", "attach", name);
  expect(attached).toMatchObject({ code: 4, stdout: "got it\n" });
});

operation("attach to a terminal", async (engine) => {
  const name = await engine.startOnTerminal("sh", "-c", "tty; exec sh");
  const terminal = engine.onTerminal("task", "attach", name);
  terminal.type("while ! stty size | grep '33 77'; do sleep 0.1; done\n");
  await terminal.until(new RegExp(`\n${SIZE}\r+\n`));
  // A program in the foreground says so: what interrupts the shell before it waits for one does not end that.
  terminal.type("sh -c 'echo sleeps; exec sleep 100'\n");
  await terminal.until(/\nsleeps\r+\n/);
  terminal.type("\x03");
  await terminal.until(/\^C/);
  terminal.type("exit 7\n");
  expect(await terminal.ended()).toBe(7);
});

operation("no streams", async (engine) => {
  const result = await engine.run(["--null-io"], "sh", "-c", "echo out; cat; exit 6");
  expect(result).toMatchObject({ code: 6, stdout: "" });
});

operation("environment file", async (engine) => {
  writeFileSync(engine.box.path("variables"), "COLOR=red\nSIZE=big\n");
  expect(await engine.shell(["--env-file", engine.box.path("variables")], "echo $COLOR $SIZE")).toBe("red big");
});

operation("pid file", async (engine) => {
  const file = engine.box.path("pid");
  const name = await engine.start(["--pid-file", file]);
  expect(readFileSync(file, "utf8")).toBe(`${(await engine.task(name)).pid}`);
});

operation("the runtime's root, and annotations", async (engine) => {
  const root = engine.box.path("runtime-root");
  const name = await engine.start(["--runc-root", root, "--annotation", "org.example.word=given"]);
  const asked = await callProgram(engine.box, runtimeProgram(engine.box), [
    ...["--root", `${root}/${engine.box.word}`, "state", name],
  ]);
  expect(JSON.parse(succeeded(asked, "state"))).toMatchObject({
    ...{ id: name, status: "running", pid: (await engine.task(name)).pid },
    annotations: { "org.example.word": "given" },
  });
});

operation("container of a config.json", async (engine) => {
  const root = engine.box.path("config-root");
  makeRootfs(root);
  const file = engine.box.path("config.json");
  const linux = { linux: { cgroupsPath: cgroupDriver === "systemd" ? undefined : `/${engine.box.word}/configured` } };
  writeFileSync(
    file,
    JSON.stringify(config(sh("hostname; id -u; exit 4"), { root: { path: root }, hostname: "own" }, linux)),
  );
  const flags = ["--rm", "--runc-binary", runtimeProgram(engine.box), "--fifo-dir", engine.box.path("fifo")];
  const ended = await engine.call("run", ...flags, "--config", file, engine.newName());
  expect(ended).toMatchObject({ code: 4, stdout: "own\n0\n" });
});

operation("cgroup by path", async (engine, skip) => {
  if (cgroupDriver === "systemd") skip("systemd makes the cgroups: every test here names one");
  const path = `/${engine.box.word}/named`;
  const { pid } = await engine.task(await engine.start(["--cgroup", path]));
  const places = readFileSync(`/proc/${pid}/cgroup`, "utf8").trimEnd().split("\n");
  expect(places.filter((line) => !line.endsWith(`:${path}`))).toEqual([]);
});

operation(
  "propagation of the root",
  async (engine) => {
    const root = async (...flags: string[]) => engine.shell(flags, "grep ' / / ' /proc/self/mountinfo");
    expect(await root()).not.toMatch(/shared:/);
    expect(await root("--rootfs-propagation", "shared")).toMatch(/shared:\d+/);
  },
  ctrFlag("--rootfs-propagation"),
);

operation("root without pivot_root", async (engine) => {
  const shown = await engine.shell(["--no-pivot"], "cat /proc/1/comm; ls -d /home; echo text >/new; cat /new");
  expect(shown).toBe("sh\n/home\ntext");
});

operation("devices of a folder", async (engine) => {
  const directory = engine.box.makeDirectory("devices");
  mkdirSync(`${directory}/more`);
  execFileSync("mknod", ["-m", "666", `${directory}/zero`, "c", "1", "5"]);
  execFileSync("mknod", ["-m", "666", `${directory}/more/full`, "c", "1", "7"]);
  const script = `head -c 3 ${directory}/zero | wc -c; echo x 2>&1 >${directory}/more/full`;
  expect((await engine.run(["--device", directory], "sh", "-c", script)).stdout).toMatch(
    /^3\n.*No space left on device/,
  );
});

operation(
  "cpu quota and period",
  async (engine) => {
    const { pid } = await engine.task(await engine.start(["--cpu-quota", "20000", "--cpu-period", "50000"]));
    const quota = limitOf(pid, "cpu.cfs_quota_us", "cpu.max");
    const period = limitOf(pid, "cpu.cfs_period_us", "cpu.max");
    expect([quota, period]).toEqual(quota.includes(" ") ? ["20000 50000", "20000 50000"] : ["20000", "50000"]);
  },
  ctrFlag("--cpu-quota"),
);

operation(
  "cpu set and memory nodes",
  async (engine) => {
    const { pid } = await engine.task(await engine.start(["--cpuset-cpus", "0", "--cpuset-mems", "0"]));
    expect(limitOf(pid, "cpuset.cpus", "cpuset.cpus")).toBe("0");
    expect(limitOf(pid, "cpuset.mems", "cpuset.mems")).toBe("0");
  },
  ctrFlag("--cpuset-cpus"),
  controller("cpuset"),
);

operation("bind mount that is read-only with what is mounted below", async (engine) => {
  const touch = (options: string) =>
    engine.run(["--mount", `type=bind,src=/dev,dst=/b,options=${options}`], "touch", "/b/shm/file");
  expect((await touch("rbind:rro")).stderr).toContain("Read-only file system");
  expect(await touch("rbind:ro")).toMatchObject({ code: 0 });
});

/** Each test has its own: ctr remaps the image once for a map, and two at a time are in each other's way. */
const MAPS = ["--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536"];

const OTHER_MAPS = MAPS.map((word) => word.replace("100000", "300000"));

operation("id-mapped mount", async (engine) => {
  engine.box.makeReachable();
  const source = engine.box.makeDirectory("mapped");
  const owner = (options: string) =>
    engine.shell([...MAPS, "--mount", `type=bind,src=${source},dst=/b,options=${options}`], "stat -c %u:%g /b");
  expect(await owner("rbind:rw")).toBe("65534:65534");
  expect(await owner("rbind:rw:idmap")).toBe("0:0");
});

operation("user namespace of another container", async (engine) => {
  engine.box.makeReachable();
  const { pid } = await engine.task(await engine.start(OTHER_MAPS));
  const flags = ["user", "pid"].flatMap((kind) => ["--with-ns", `${kind}:/proc/${pid}/ns/${kind}`]);
  const shown = await engine.shell(flags, "tr -s ' ' </proc/self/uid_map; ps -o args | grep -c '^sleep 1000'");
  expect(shown).toBe(" 0 300000 65536\n1");
});

/** Containers of this process's pid namespace, in which nothing ends with the first process but by the runtime. */
const sharedPids = ["--with-ns", `pid:/proc/${process.pid}/ns/pid`];

operation("kill of all", async (engine) => {
  const script = "sleep 31415001 & exec sleep 31415002";
  const name = await engine.start(sharedPids, "sh", "-c", script);
  await eventually(async () => `${processesWith("3141500").length}`, /^2$/);
  await engine.output("task", "kill", "--all", "--signal", "SIGKILL", name);
  await eventually(async () => `${processesWith("3141500").length}`, /^0$/);
  await eventually(async () => (await engine.task(name)).status, "STOPPED");
});

operation("what the first process leaves behind in a shared pid namespace", async (engine) => {
  const script = "sleep 27182001 & until [ -e /tmp/go ]; do sleep 0.1; done; exit 3";
  const name = await engine.start(sharedPids, "sh", "-c", script);
  await eventually(async () => `${processesWith("27182001").length}`, /^1$/);
  await engine.exec(name, [], "touch", "/tmp/go");
  await eventually(async () => (await engine.task(name)).status, "STOPPED");
  await eventually(async () => `${processesWith("27182001").length}`, /^0$/);
});

operation("kill of an exec", async (engine) => {
  const name = await engine.start([]);
  const ended = engine.call(
    "task",
    "exec",
    "--fifo-dir",
    engine.box.path("fifo"),
    "--exec-id",
    "one",
    name,
    "sleep",
    "16180",
  );
  await eventually(async () => `${processesWith("16180").length}`, /^1$/);
  await engine.output("task", "kill", "--exec-id", "one", "--signal", "SIGTERM", name);
  expect((await ended).code).toBe(143);
  expect((await engine.task(name)).status).toBe("RUNNING");
});
