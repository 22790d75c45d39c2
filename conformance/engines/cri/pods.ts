// Pods and containers through CRI, in the words of the tests: a pod that is gone when the test ends, a container that ran to its end,
// what it wrote. Containers are on the host's network unless the pod says otherwise, since not every place has CNI's plug-ins.

import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Json } from "../../../test/root/harness/config.ts";
import type { Sandbox } from "../../../test/root/harness/sandbox.ts";
import { cgroupParent, removeParentCgroups } from "../engine.ts";
import { scaled } from "../patience.ts";
import type { ContainerStatus, CriClient } from "./client.ts";
import { IMAGE } from "./images.ts";

/** What a pod is asked to be; `security` is its LinuxSandboxSecurityContext. */
export interface PodOptions {
  readonly handler?: string;
  readonly hostname?: string;
  readonly namespaces?: Json;
  readonly security?: Json;
  readonly sysctls?: Readonly<Record<string, string>>;
}

/** What a container is asked to be: `security` is its LinuxContainerSecurityContext, `more` other fields of its ContainerConfig. */
export interface ContainerOptions {
  readonly security?: Json;
  readonly resources?: Json;
  readonly more?: Json;
}

/** As kubelet says it of every pod; without it an engine wants the host's /etc/resolv.conf. */
export const DNS = { servers: ["192.0.2.53"], searches: ["example.org"] };

/** Sandboxes that have had a pod. */
const known = new WeakSet<Sandbox>();

/** Runs a pod that is stopped and removed when the test ends. */
export async function runPod(cri: CriClient, box: Sandbox, options: PodOptions = {}): Promise<Pod> {
  if (!known.has(box)) removeParentCgroups(box);
  known.add(box);
  const { handler = "tsrun", hostname = "", namespaces = {}, security = {}, sysctls = {} } = options;
  const config = {
    metadata: { name: box.word, uid: `${Date.now()}`, namespace: "tests" },
    hostname,
    log_directory: box.makeDirectory("logs"),
    labels: { test: box.word },
    dns_config: DNS,
    linux: {
      cgroup_parent: `/${cgroupParent(box).replace(/^\//, "")}`, // a path, also where it is a slice of systemd's
      security_context: { namespace_options: { network: "NODE", pid: "CONTAINER", ...namespaces }, ...security },
      sysctls,
    },
  };
  const { pod_sandbox_id } = await cri.call("RunPodSandbox", { config, runtime_handler: handler });
  const pod = new Pod(cri, pod_sandbox_id, config, namespaces);
  box.defer(() => pod.remove());
  return pod;
}

export class Pod {
  readonly cri: CriClient;
  readonly id: string;
  readonly #config: Json & { log_directory: string };
  readonly #namespaces: Json;
  #containers = 0;
  #removed = false;

  constructor(cri: CriClient, id: string, config: Json & { log_directory: string }, namespaces: Json) {
    this.cri = cri;
    this.id = id;
    this.#config = config;
    this.#namespaces = namespaces;
  }

  /** Creates a container of words, or of a shell script. */
  async create(command: string | readonly string[], options: ContainerOptions = {}): Promise<PodContainer> {
    const name = `c${this.#containers++}`;
    const { security = {}, resources = {}, more = {} } = options;
    const { namespace_options = {}, ...others } = security;
    const own = { network: "NODE", pid: "CONTAINER", ...this.#namespaces, ...(namespace_options as Json) };
    const config = {
      metadata: { name },
      image: { image: IMAGE },
      command: typeof command === "string" ? ["sh", "-c", command] : command,
      log_path: `${name}.log`,
      linux: { resources, security_context: { namespace_options: own, ...others } },
      ...more,
    };
    const request = { pod_sandbox_id: this.id, config, sandbox_config: this.#config };
    const { container_id } = await this.cri.call("CreateContainer", request);
    return new PodContainer(this.cri, container_id, `${this.#config.log_directory}/${name}.log`);
  }

  /** Creates a container and starts it. */
  async start(command: string | readonly string[], options: ContainerOptions = {}): Promise<PodContainer> {
    const container = await this.create(command, options);
    await container.start();
    return container;
  }

  /** Runs a container to its end; what it wrote to standard output. Fails when it does not end with 0. */
  async run(command: string | readonly string[], options: ContainerOptions = {}): Promise<string> {
    const container = await this.start(command, options);
    const { exit_code } = await container.ended();
    const output = container.log();
    await this.cri.call("RemoveContainer", { container_id: container.id });
    if (exit_code !== 0) throw new Error(`ended with ${exit_code}: ${output.stderr}`);
    return output.stdout;
  }

  /**
   * Stops it; asks twice where the shim ended before it had answered that the signal was sent, as kubelet does. On a busy machine
   * that is one stop of fifty, with runc too (containerd 1.7).
   */
  async stop(): Promise<void> {
    const stop = () => this.cri.call("StopPodSandbox", { pod_sandbox_id: this.id });
    await stop().catch((error: unknown) => (/ttrpc: closed/.test(String(error)) ? stop() : Promise.reject(error)));
  }

  /** Stops and removes it; once is enough. */
  async remove(): Promise<void> {
    if (this.#removed) return;
    await this.stop();
    await this.cri.call("RemovePodSandbox", { pod_sandbox_id: this.id });
    this.#removed = true;
  }
}

export class PodContainer {
  readonly cri: CriClient;
  readonly id: string;
  readonly #log: string;

  constructor(cri: CriClient, id: string, log: string) {
    this.cri = cri;
    this.id = id;
    this.#log = log;
  }

  async start(): Promise<void> {
    await this.cri.call("StartContainer", { container_id: this.id });
  }

  async status(): Promise<ContainerStatus> {
    return (await this.cri.call("ContainerStatus", { container_id: this.id })).status;
  }

  /** Its first process, as the host numbers it. */
  async pid(): Promise<number> {
    const { info } = await this.cri.call("ContainerStatus", { container_id: this.id, verbose: true });
    return Number(JSON.parse(info.info ?? "{}").pid);
  }

  /** Waits for its end. */
  async ended(): Promise<ContainerStatus> {
    for (let tries = 0; tries < 600; tries += 1) {
      const status = await this.status();
      if (status.state === "CONTAINER_EXITED") return status;
      await sleep(scaled(25));
    }
    throw new Error(`does not end:\n${JSON.stringify(this.log())}`);
  }

  /** Waits for a line of its output. */
  async says(line: string): Promise<void> {
    for (let tries = 0; tries < 600; tries += 1) {
      if (this.log().stdout.split("\n").includes(line)) return;
      await sleep(scaled(25));
    }
    throw new Error(`does not say "${line}":\n${JSON.stringify(this.log())}`);
  }

  /** Runs words, or a shell script, in it to the end. */
  async exec(command: string | readonly string[], timeout = 0) {
    const cmd = typeof command === "string" ? ["sh", "-c", command] : command;
    const { stdout, stderr, exit_code } = await this.cri.call("ExecSync", { container_id: this.id, cmd, timeout });
    return { code: exit_code, stdout: stdout.toString(), stderr: stderr.toString() };
  }

  /** Stops it: TERM, and KILL when it has not ended after `seconds`. */
  async stop(seconds: number): Promise<void> {
    await this.cri.call("StopContainer", { container_id: this.id, timeout: seconds });
  }

  /** What it wrote, out of the log that CRI prescribes: lines of a time, a stream, F for full or P for partial, and the text. */
  log(): { stdout: string; stderr: string } {
    const text = { stdout: "", stderr: "" };
    for (const line of readFileSync(this.#log, "utf8").split("\n")) {
      const [, stream, kind, content] = /^\S+ (stdout|stderr) ([FP]) (.*)$/.exec(line) ?? [];
      if (stream === "stdout" || stream === "stderr") text[stream] += kind === "F" ? `${content}\n` : content;
    }
    return text;
  }
}
