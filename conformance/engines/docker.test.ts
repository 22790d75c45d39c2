// Docker on the runtime: `dockerd --add-runtime` and its client.

import { spawnSync } from "node:child_process";
import { readFileSync, statSync } from "node:fs";
import { expect } from "vitest";
import { kernelFile, type Missing } from "../../test/root/harness/needs.ts";
import { eventually } from "./command-line.ts";
import { docker, dockerPrograms } from "./docker-daemon.ts";
import { callProgram, DOCKER_CLIENT } from "./engine.ts";
import { operationsOf } from "./operations.ts";
import { allCapabilities, bridge } from "./requirements.ts";
import { type Dialect, declareShared } from "./shared-operations.ts";
import { declareSharedOptions } from "./shared-options.ts";

/** Needs a client that sends what it is told of block devices: docker/cli#5321. */
function sentLimits(): Missing {
  const { stdout } = spawnSync(DOCKER_CLIENT, ["--version"], { encoding: "utf8" });
  return / version 26\./.test(stdout ?? "") ? "Docker's client 26 does not send limits of block devices" : undefined;
}

const operation = operationsOf("docker", dockerPrograms, (box) => docker(box, []));

const dialect: Dialect = {
  pids: "{{.PIDs}}",
  init: "docker-init",
  notFound: /executable file not found/,
  timers: undefined,
  oomKilled: undefined,
  propagation: undefined,
  privileges: allCapabilities(),
  deviceLimits: sentLimits(),
  events: ["--since=0", "--until=1s"],
};

declareShared(operation, dialect);
declareSharedOptions(operation, dialect);

operation(
  "published port",
  async (engine) => {
    const flags = ["--network=bridge", "--publish=127.0.0.1:8080:80"];
    const name = await engine.start(flags, "sh", "-c", "echo served >/tmp/page; httpd -f -h /tmp");
    const address = await engine.inspect(name, "{{.NetworkSettings.IPAddress}}");
    expect(address).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
    const pid = readFileSync(engine.box.path("docker.pid"), "utf8").trim();
    const fetch = (url: string) =>
      callProgram(engine.box, "nsenter", [`--net=/proc/${pid}/ns/net`, "busybox", "wget", "-qO-", url]);
    await eventually(async () => (await fetch(`http://${address}/page`)).stdout, "served");
    await eventually(async () => (await fetch("http://127.0.0.1:8080/page")).stdout, "served");
    const other = await engine.shell(["--network=bridge"], `wget -qO- http://${address}/page; ip -4 addr show eth0`);
    expect(other).toMatch(/^served\n(.*\n)*.*inet /);
  },
  bridge(),
);

operation(
  "AppArmor",
  async (engine) => {
    const who = ["cat", "/proc/self/attr/current"];
    expect((await engine.run([], ...who)).stdout).toBe("docker-default (enforce)\n");
    expect((await engine.run(["--security-opt=apparmor=unconfined"], ...who)).stdout).toBe("unconfined\n");
    const unknown = engine.box.word;
    const refused = await engine.run([`--security-opt=apparmor=${unknown}`], "true");
    expect(refused).toMatchObject({ code: 125, stderr: expect.stringContaining(unknown) });
    const name = await engine.start([]);
    expect(await engine.output("exec", "--user=1000", name, ...who)).toBe("docker-default (enforce)");
  },
  kernelFile("/sys/kernel/security/apparmor"),
);

/** Ids of the host that the second daemon's containers have, by files that only it sees. */
const REMAPPED = "300000";
const SUBORDINATE = [
  `echo nobody:${REMAPPED}:65536 >"$TMPDIR/ids"`,
  ...["uid", "gid"].map((kind) => `touch /etc/sub${kind} && mount --bind "$TMPDIR/ids" /etc/sub${kind}`),
];

const remapped = operationsOf("docker", dockerPrograms, async (box) => {
  box.makeReachable();
  const setUp = `TMPDIR=${box.directory}; ${SUBORDINATE.join(" && ")} || exit 1;`;
  return docker(box, ["--userns-remap", "nobody:nogroup", "--bridge=none"], setUp);
});

remapped("user namespace", async (engine) => {
  expect(await engine.shell([], "cat /proc/self/uid_map; id -u")).toMatch(/^ +0 +300000 +65536\n0$/);
  const name = await engine.start(["--tmpfs=/x", "--read-only"]);
  expect(statSync(`/proc/${await engine.pid(name)}`).uid).toBe(Number(REMAPPED));
  expect(await engine.output("exec", "--user=1000", name, "id", "-u")).toBe("1000");
  await engine.output("update", "--memory=64m", "--memory-swap=64m", name);
  await engine.output("stop", name);
  expect(await engine.shell(["--userns=host"], "cat /proc/self/uid_map")).toMatch(/^ +0 +0 +4294967295$/);
});

remapped("terminal in a user namespace", async (engine) => {
  const terminal = engine.runOnTerminal(["--interactive", "--tty"], "sh");
  await terminal.until(/# /);
  terminal.type("echo here >/dev/console; exit 7\n");
  await terminal.until(/\r\nhere\r\n/);
  expect(await terminal.ended()).toBe(7);
});
