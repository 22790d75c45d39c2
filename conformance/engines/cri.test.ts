// Pods and containers as kubelet makes them: containerd's CRI service, its runtime class "tsrun" on the runtime under test.

import { readFileSync } from "node:fs";
import { expect } from "vitest";
import { needs } from "../../test/root/harness/needs.ts";
import { cniIsThere, SUBNET } from "./cri/cni.ts";
import { containerdIsThere, containerdOfFile } from "./cri/containerd.ts";
import { DNS, runPod } from "./cri/pods.ts";
import { Stream } from "./cri/stream.ts";
import { cgroupDriver, cgroupParent, limitOf, RUN_OUT_OF_MEMORY } from "./engine.ts";
import { scaled } from "./patience.ts";

const cri = containerdOfFile();
const needsCri = needs(containerdIsThere);

/** How long something may take to come about. */
const POLL = { timeout: scaled(20_000) };

/** A process that waits and that TERM ends. */
const WAITS = "trap 'echo bye; exit 7' TERM; echo ready; while :; do sleep 0.05; done";

needsCri("cri: version and status", async () => {
  expect(await cri().call("Version", {})).toMatchObject({ runtime_name: "containerd", runtime_api_version: "v1" });
  const { status } = await cri().call("Status", {});
  expect(status.conditions).toContainEqual(expect.objectContaining({ type: "RuntimeReady", status: true }));
});

needsCri("cri: pod on the host's network", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const { status } = await cri().call("PodSandboxStatus", { pod_sandbox_id: pod.id });
  expect(status).toMatchObject({ state: "SANDBOX_READY", runtime_handler: "tsrun" });
  const filter = { label_selector: { test: box.word } };
  expect((await cri().call("ListPodSandbox", { filter })).items).toMatchObject([
    { id: pod.id, state: "SANDBOX_READY" },
  ]);
  await pod.stop();
  const stopped = await cri().call("PodSandboxStatus", { pod_sandbox_id: pod.id });
  expect(stopped.status.state).toBe("SANDBOX_NOTREADY");
  await pod.remove();
  expect((await cri().call("ListPodSandbox", { filter })).items).toEqual([]);
});

needs(containerdIsThere, cniIsThere)("cri: pod with an address of its own, by CNI", async ({ box }) => {
  const pod = await runPod(cri(), box, { hostname: "a-pod", namespaces: { network: "POD" } });
  const { status } = await cri().call("PodSandboxStatus", { pod_sandbox_id: pod.id });
  const address = status.network?.ip ?? "none";
  expect(address.startsWith(SUBNET)).toBe(true);
  const script = "hostname; cat /etc/resolv.conf; ip -4 -o addr show dev eth0";
  const output = await pod.run(script);
  expect(output).toContain(`a-pod\nsearch ${DNS.searches}\nnameserver ${DNS.servers}\n`);
  expect(output).toContain(`inet ${address}/24`);
  // Two containers of a pod share its network.
  const server = await pod.start("nc -l -p 8080 -e echo hi");
  const calls = `for i in $(seq 200); do nc ${address} 8080 </dev/null && exit; sleep 0.1; done; exit 1`;
  expect(await pod.run(calls), server.log().stderr).toBe("hi\n");
  expect((await server.ended()).exit_code).toBe(0);
});

needsCri("cri: container created, started, its log, exit code, and removed", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const container = await pod.create("echo out $WORD; echo err >&2; pwd; exit 5", {
    more: { envs: [{ key: "WORD", value: "of mine" }], working_dir: "/tmp" },
  });
  expect(await container.status()).toMatchObject({ state: "CONTAINER_CREATED", started_at: "0" });
  await container.start();
  expect(await container.ended()).toMatchObject({ exit_code: 5, reason: "Error" });
  expect(container.log()).toEqual({ stdout: "out of mine\n/tmp\n", stderr: "err\n" });
  await cri().call("RemoveContainer", { container_id: container.id });
  const filter = { pod_sandbox_id: pod.id };
  expect((await cri().call("ListContainers", { filter })).containers).toEqual([]);
});

needsCri("cri: program that is not there", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const container = await pod.create(["no-such-program"]);
  await expect(container.start()).rejects.toThrow(/no-such-program.*executable file not found in \$PATH/);
  expect(await container.status()).toMatchObject({ state: "CONTAINER_EXITED", reason: "StartError" });
});

needsCri("cri: exec to its end", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const container = await pod.start(WAITS);
  expect(await container.exec("echo out; echo err >&2; exit 3")).toEqual({ code: 3, stdout: "out\n", stderr: "err\n" });
  expect(await container.exec(["id", "-u"])).toEqual({ code: 0, stdout: "0\n", stderr: "" });
  await expect(container.exec(["no-such-program"])).rejects.toThrow(/executable file not found/);
});

needsCri("cri: exec that is stopped when its time is over", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const container = await pod.start(WAITS);
  await expect(container.exec("exec sleep 1234", 1)).rejects.toThrow(/timeout|deadline/i);
  await expect.poll(async () => (await container.exec("ps -o args")).stdout, POLL).not.toContain("sleep 1234");
});

needsCri("cri: exec with streams", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const container = await pod.start(WAITS);
  const cmd = ["sh", "-c", "read line; echo got $line; echo err >&2; exit 4"];
  const streams = { stdin: true, stdout: true, stderr: true };
  const { url } = await cri().call("Exec", { container_id: container.id, cmd, ...streams });
  const stream = await Stream.open(url);
  stream.write("some words\n");
  expect(await stream.end()).toEqual({ code: 4, stdout: "got some words\n", stderr: "err\n" });
});

needsCri("cri: exec with a terminal", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const container = await pod.start(WAITS);
  const cmd = ["sh", "-c", "tty; until stty size | grep '45 123'; do sleep 0.1; done; read line; exit 6"];
  const { url } = await cri().call("Exec", { container_id: container.id, cmd, tty: true, stdin: true, stdout: true });
  const stream = await Stream.open(url);
  await expect.poll(() => stream.stdout, POLL).toContain("/dev/pts/0");
  stream.resize(123, 45);
  await expect.poll(() => stream.stdout, POLL).toContain("45 123");
  stream.write("\n");
  expect((await stream.end()).code).toBe(6);
});

needsCri("cri: attach to a container with a terminal", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const container = await pod.start("tty; read line; echo got $line; exit 2", { more: { tty: true, stdin: true } });
  const { url } = await cri().call("Attach", { container_id: container.id, tty: true, stdin: true, stdout: true });
  const stream = await Stream.open(url);
  await container.says("/dev/pts/0"); // the echo of what is typed would come amid it
  stream.write("some words\n");
  expect((await container.ended()).exit_code).toBe(2);
  expect(container.log().stdout).toContain("/dev/pts/0\n");
  await expect.poll(() => stream.stdout, POLL).toContain("got some words");
  stream.close();
});

needsCri("cri: statistics of containers and of the pod", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const container = await pod.start(`dd if=/dev/zero of=/dev/shm/x bs=1M count=8 2>/dev/null; ${WAITS}`);
  await container.says("ready");
  const { stats } = await cri().call("ContainerStats", { container_id: container.id });
  expect(Number(stats.cpu.usage_core_nano_seconds.value)).toBeGreaterThan(1e6);
  expect(Number(stats.memory.working_set_bytes.value)).toBeGreaterThan(0);
  const filter = { pod_sandbox_id: pod.id };
  const all = await cri().call("ListContainerStats", { filter });
  expect(all.stats.map(({ attributes }) => attributes.id)).toEqual([container.id]);
  const { linux } = (await cri().call("PodSandboxStats", { pod_sandbox_id: pod.id })).stats;
  expect(linux.containers.map(({ attributes }) => attributes.id)).toEqual([container.id]);
  expect(Number(linux.cpu.usage_core_nano_seconds.value)).toBeGreaterThan(1e6);
  expect(Number(linux.process.process_count.value)).toBeGreaterThanOrEqual(2);
});

needsCri("cri: limits, and limits changed while it runs", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const resources = { memory_limit_in_bytes: 64 << 20, cpu_shares: 512, cpu_quota: 50_000, cpu_period: 100_000 };
  const container = await pod.start(WAITS, { resources });
  const pid = await container.pid();
  // In the pod's own cgroup, which kubelet makes and limits.
  const name = cgroupDriver === "systemd" ? `cri-containerd-${container.id}.scope` : container.id;
  expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toContain(`/${cgroupParent(box).replace("/", "")}/${name}\n`);
  expect(limitOf(pid, "memory.limit_in_bytes", "memory.max")).toBe(`${64 << 20}`);
  const linux = { memory_limit_in_bytes: 96 << 20, cpu_shares: 1024, cpu_quota: 70_000, cpu_period: 100_000 };
  await cri().call("UpdateContainerResources", { container_id: container.id, linux });
  expect(limitOf(pid, "memory.limit_in_bytes", "memory.max")).toBe(`${96 << 20}`);
  expect(limitOf(pid, "cpu.cfs_quota_us", "cpu.max")).toMatch(/^70000( 100000)?$/);
});

needsCri("cri: stop within the grace period", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const container = await pod.start(WAITS);
  await container.says("ready");
  await container.stop(10);
  expect(await container.status()).toMatchObject({ state: "CONTAINER_EXITED", exit_code: 7 });
  expect(container.log().stdout).toBe("ready\nbye\n");
});

needsCri("cri: stop by force after the grace period", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const container = await pod.start("trap '' TERM; echo ready; while :; do sleep 0.05; done");
  await container.says("ready");
  const started = Date.now();
  await container.stop(1);
  expect(Date.now() - started).toBeGreaterThan(900);
  expect(await container.status()).toMatchObject({ state: "CONTAINER_EXITED", exit_code: 137 });
});

needsCri("cri: remove of what runs", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const container = await pod.start(WAITS);
  await cri().call("RemoveContainer", { container_id: container.id });
  const filter = { id: container.id };
  expect((await cri().call("ListContainers", { filter })).containers).toEqual([]);
});

needsCri("cri: OOM is told as OOMKilled", async ({ box }) => {
  const pod = await runPod(cri(), box);
  const resources = { memory_limit_in_bytes: 16 << 20, memory_swap_limit_in_bytes: 16 << 20 };
  const container = await pod.start(RUN_OUT_OF_MEMORY, { resources });
  expect(await container.ended()).toMatchObject({ exit_code: 137, reason: "OOMKilled" });
});
