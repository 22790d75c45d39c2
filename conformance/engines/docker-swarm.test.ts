// Docker Swarm on one node, with the runtime as the default one, which is all that Swarm lets one choose: services, their
// replicas, rolling updates. Their tasks are in the node's network, but for the last two tests: overlay networks need NAT, and
// the ingress network IPVS besides.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { expect, vi } from "vitest";
import type { Json } from "../../test/root/harness/config.ts";
import { needs } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { WITHOUT_NAT } from "./dockerd.ts";
import { limitOf } from "./engine.ts";
import { dockerPrograms, HOST, NETWORKS, type OwnDocker, outside, ownDocker, until } from "./own-network.ts";
import { scaled } from "./patience.ts";
import { ipvs, nat } from "./requirements.ts";

/** A task that says hello and waits until it is stopped. */
const TASK = ["busybox", "sh", "-c", `trap "exit 0" TERM; echo "hello $VERSION"; sleep 1000 & wait`];
/** Tasks count as stable at once, so that an update takes no longer than it must. */
const QUICK = [
  "--update-monitor",
  "0s",
  "--rollback-monitor",
  "0s",
  "--update-delay",
  "0s",
  "--stop-grace-period",
  "5s",
];

// A rolling update of ten tasks is twenty starts and ten stops, on a machine that may be busy.
vi.setConfig({ testTimeout: scaled(240_000) });

const swarmTest = needs(...dockerPrograms);

/** A node that is a swarm. */
async function swarm(box: Sandbox, settings: Json = WITHOUT_NAT): Promise<OwnDocker> {
  const docker = await ownDocker(box, settings);
  await docker.ask("swarm", "init", "--advertise-addr", "127.0.0.1");
  return docker;
}

/** Creates the service `web` and waits for its tasks. */
async function createService(docker: OwnDocker, replicas: number, ...options: string[]): Promise<void> {
  const common = ["service", "create", "--detach", "--name", "web", "--network", "host", "--replicas", `${replicas}`];
  await docker.ask(...common, ...QUICK, ...options, ...TASK);
  await untilRunning(docker, replicas);
}

/** Waits until just so many of the service's tasks run. */
async function untilRunning({ ask }: OwnDocker, replicas: number): Promise<void> {
  const expected = `${replicas}/${replicas}`;
  await until(
    () => ask("service", "ls", "--format", "{{.Replicas}}"),
    (running) => running === expected,
  );
  await until(
    async () => lines(await ask("ps", "--quiet")),
    (containers) => containers.length === replicas,
  );
}

/** The containers that run, with what each has in its environment for VERSION. */
async function versions({ ask }: OwnDocker): Promise<string[]> {
  const ids = lines(await ask("ps", "--quiet"));
  const format = "{{range .Config.Env}}{{println .}}{{end}}";
  const environment = lines(await ask("inspect", "--format", format, ...ids));
  return environment.filter((line) => line.startsWith("VERSION="));
}

/** Watches an update until it is done; returns the fewest tasks that ever ran. */
async function watchUpdate({ ask }: OwnDocker, done: string): Promise<number> {
  let fewest = Number.POSITIVE_INFINITY;
  await until(
    async () => {
      const [running = ""] = (await ask("service", "ls", "--format", "{{.Replicas}}")).split("/");
      fewest = Math.min(fewest, Number(running));
      return ask("service", "inspect", "--format", "{{.UpdateStatus.State}}", "web");
    },
    (state) => state === done,
  );
  return fewest;
}

function lines(text: string): string[] {
  return text === "" ? [] : text.split("\n");
}

swarmTest("docker swarm: service create with the default runtime, service logs", async ({ box }) => {
  const docker = await swarm(box);
  const { ask } = docker;
  const facts = await ask("info", "--format", "{{.DefaultRuntime}} {{.Swarm.LocalNodeState}} {{.Swarm.Nodes}}");
  expect(facts).toBe("tested active 1");
  await createService(docker, 2, "--env", "VERSION=7");
  const ids = lines(await ask("ps", "--quiet"));
  expect(lines(await ask("inspect", "--format", "{{.HostConfig.Runtime}}", ...ids))).toEqual(["tested", "tested"]);
  const tasks = lines(await ask("service", "ps", "--format", "{{.Name}} {{.DesiredState}} <{{.Error}}>", "web"));
  expect(tasks.sort()).toEqual(["web.1 Running <>", "web.2 Running <>"]);
  const logs = await until(
    async () => lines(await ask("service", "logs", "--raw", "web")),
    (all) => all.length >= 2,
  );
  expect(logs).toEqual(["hello 7", "hello 7"]);
});

swarmTest("docker swarm: limits, secrets, configs and tmpfs of a service", async ({ box }) => {
  const docker = await swarm(box);
  const { ask } = docker;
  writeFileSync(box.path("value"), "a value\n");
  await ask("secret", "create", "password", box.path("value"));
  await ask("config", "create", "settings", box.path("value"));
  const limits = ["--limit-memory", "48m", "--limit-pids", "33", "--limit-cpu", "0.5", "--ulimit", "nofile=64:64"];
  const rights = ["--user", "1000", "--cap-drop", "ALL", "--read-only", "--init"];
  const files = [
    ...["--secret", "source=password,mode=0444", "--config", "source=settings,target=/etc/settings"],
    ...["--mount", "type=tmpfs,target=/scratch,tmpfs-size=1m"],
  ];
  await createService(docker, 1, ...limits, ...rights, ...files);
  const id = await ask("ps", "--quiet");
  const pid = Number(await ask("inspect", "--format", "{{.State.Pid}}", id));
  expect(limitOf(pid, "memory.limit_in_bytes", "memory.max")).toBe(String(48 * 1024 * 1024));
  expect(limitOf(pid, "pids.max", "pids.max")).toBe("33");
  const script = [
    "cat /run/secrets/password /etc/settings; id -u; ulimit -n; grep CapBnd /proc/self/status",
    "touch /scratch/x && echo wrote; touch /x 2>/dev/null; echo $?; cat /proc/1/comm",
  ].join("; ");
  expect(lines(await ask("exec", id, "sh", "-c", script))).toEqual([
    ...["a value", "a value", "1000", "64", "CapBnd:\t0000000000000000"],
    ...["wrote", "1", expect.stringMatching(/init/)],
  ]);
});

swarmTest("docker swarm: scale to 10 replicas, rolling update of them", async ({ box }) => {
  const docker = await swarm(box);
  await createService(docker, 1, "--env", "VERSION=1", "--update-parallelism", "2");
  await docker.ask("service", "scale", "--detach", "web=10");
  await untilRunning(docker, 10);
  expect(await versions(docker)).toEqual(Array(10).fill("VERSION=1"));
  await docker.ask("service", "update", "--detach", "--env-add", "VERSION=2", "web");
  expect(await watchUpdate(docker, "completed"), "no more than two are down at a time").toBeGreaterThanOrEqual(8);
  await untilRunning(docker, 10);
  expect(await versions(docker)).toEqual(Array(10).fill("VERSION=2"));
  await docker.ask("service", "scale", "--detach", "web=2");
  await untilRunning(docker, 2);
});

swarmTest("docker swarm: update to another image with the new tasks first, rollback", async ({ box }) => {
  const docker = await swarm(box);
  const { ask } = docker;
  await ask("tag", "busybox", "busybox:2");
  await createService(docker, 3, "--update-order", "start-first", "--update-parallelism", "3");
  await ask("service", "update", "--detach", "--image", "busybox:2", "web");
  expect(await watchUpdate(docker, "completed"), "the old ones run until the new ones do").toBe(3);
  await untilRunning(docker, 3);
  expect(lines(await ask("ps", "--format", "{{.Image}}"))).toEqual(Array(3).fill("busybox:2"));
  await ask("service", "rollback", "--detach", "web");
  await watchUpdate(docker, "rollback_completed");
  await untilRunning(docker, 3);
  expect(lines(await ask("ps", "--format", "{{.Image}}"))).toEqual(Array(3).fill("busybox:latest"));
});

swarmTest("docker swarm: rollback of itself where the new tasks cannot start", async ({ box }) => {
  const docker = await swarm(box);
  const monitor = ["--update-monitor", "3s", "--update-failure-action", "rollback", "--update-parallelism", "2"];
  await createService(docker, 2, "--env", "VERSION=1", ...monitor);
  await docker.ask("service", "update", "--detach", "--env-add", "VERSION=2", "--args", "/no/such/program", "web");
  await watchUpdate(docker, "rollback_completed");
  await untilRunning(docker, 2);
  expect(await versions(docker)).toEqual(["VERSION=1", "VERSION=1"]);
  const errors = await docker.ask("service", "ps", "--no-trunc", "--format", "{{.Error}}", "web");
  expect(errors, "the tasks say what the runtime said").toMatch(/no\/such\/program/);
});

swarmTest("docker swarm: restart of a task that was killed", async ({ box }) => {
  const docker = await swarm(box);
  const { ask } = docker;
  await createService(docker, 2, "--restart-delay", "0s");
  const [first = ""] = lines(await ask("ps", "--quiet"));
  await ask("kill", first);
  await until(
    async () => lines(await ask("ps", "--quiet")),
    (ids) => ids.length === 2 && !ids.includes(first),
  );
  const shutDown = ["--filter", "desired-state=shutdown", "--no-trunc", "--format", "{{.Error}}"];
  expect(await ask("service", "ps", ...shutDown, "web")).toMatch(/^"task: non-zero exit \(137\)"$/);
});

swarmTest("docker swarm: replicated job", async ({ box }) => {
  const { ask } = await swarm(box);
  const job = ["--mode", "replicated-job", "--replicas", "3", "--max-concurrent", "3", "--restart-condition", "none"];
  await ask(...["service", "create", "--detach", "--name", "job", "--network", "host"], ...job, "busybox", "true");
  await until(
    async () => lines(await ask("service", "ps", "--format", "{{.CurrentState}}", "job")),
    (states) => states.length === 3 && states.every((state) => state.startsWith("Complete")),
  );
});

swarmTest("docker swarm: drain of the node, service removal, the node leaves", async ({ box }) => {
  const docker = await swarm(box);
  const { ask, call } = docker;
  await createService(docker, 2);
  const node = await ask("node", "ls", "--quiet");
  await ask("node", "update", "--availability", "drain", node);
  await until(
    () => ask("ps", "--quiet"),
    (ids) => ids === "",
  );
  await ask("node", "update", "--availability", "active", node);
  await untilRunning(docker, 2);
  await ask("service", "rm", "web");
  await until(
    () => ask("ps", "--all", "--quiet"),
    (ids) => ids === "",
  );
  expect(await ask("service", "ls", "--quiet")).toBe("");
  await ask("swarm", "leave", "--force");
  expect(await ask("info", "--format", "{{.Swarm.LocalNodeState}}")).toBe("inactive");
  expect((await call("node", "ls")).code, "not a swarm any more").not.toBe(0);
});

/** Tells whoever connects to port 80 which task it is. */
const WHICH = ["busybox", "sh", "-c", "trap 'exit 0' TERM; nc -ll -p 80 -e hostname & wait"];
const NAMED = ["--detach", "--name", "web", "--replicas", "3", "--hostname", "task-{{.Task.Slot}}"];

/** Creates the service of three tasks that tell their names, and waits for them. */
async function createNamed({ ask }: OwnDocker, ...options: string[]): Promise<void> {
  await ask("service", "create", ...NAMED, ...options, ...WHICH);
  await until(
    async () => lines(await ask("service", "ps", "--no-trunc", "--format", "{{.CurrentState}} {{.Error}}", "web")),
    (tasks) => tasks.filter((task) => task.startsWith("Running")).length === 3,
  );
}

/** Asks until each of the three tasks has answered. */
async function untilAllAnswered(ask: () => Promise<string>): Promise<void> {
  const seen = new Set<string>();
  await until(
    async () => [...seen.add((await ask()).trim())].filter((name) => /^task-[123]$/.test(name)),
    (names) => names.length === 3,
  );
}

needs(...dockerPrograms, nat())(
  "docker swarm: overlay network, tasks found by the service's name [qemu]",
  async ({ box }) => {
    const docker = await swarm(box, NETWORKS);
    const { ask, call } = docker;
    await ask("network", "create", "--driver", "overlay", "--attachable", "inner");
    await createNamed(docker, "--network", "inner", "--endpoint-mode", "dnsrr");
    await ask("run", "--detach", "--name", "app", "--network", "inner", "busybox", "sleep", "1000");
    await untilAllAnswered(async () => (await call("exec", "app", "nc", "-w", "3", "web", "80")).stdout);
    const addresses = await ask("exec", "app", "nslookup", "-type=a", "tasks.web");
    expect(addresses.match(/^Address: 10\.0\.\d+\.\d+$/gm)).toHaveLength(3);
  },
);

/**
 * Has the network namespace that spreads connections over the tasks forward their answers. It takes that setting from the machine's
 * first namespace, where a daemon of the machine's own sets it; ours sets it in the one that it runs in.
 */
async function forwardInIngress(box: Sandbox, { pid }: OwnDocker): Promise<void> {
  const namespace = `/proc/${pid}/root${box.path("exec/netns/ingress_sbox")}`;
  const words = [`--net=${namespace}`, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"];
  await until(
    async () => spawnSync("nsenter", words).status,
    (status) => status === 0,
  );
}

needs(
  ...dockerPrograms,
  nat(),
  ipvs(),
)("docker swarm: a published port, through the ingress network to every task [qemu]", async ({ box }) => {
  const docker = await swarm(box, NETWORKS);
  const { run } = await outside(box, docker);
  await createNamed(docker, "--publish", "8080:80");
  await forwardInIngress(box, docker);
  const port = (address: string): string[] => ["busybox", "nc", "-w", "5", address, "8080"];
  await untilAllAnswered(async () => run(...port(HOST)));
  await untilAllAnswered(async () => docker.inNetwork("sh", "-c", `${port("127.0.0.1").join(" ")} || true`));
});
