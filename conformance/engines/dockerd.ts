// Docker's daemon with the runtime under test as its default one, and all that it keeps in the sandbox.

import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Json } from "../../test/root/harness/config.ts";
import { processesOf } from "../../test/root/harness/leftovers.ts";
import type { Result } from "../../test/root/harness/runtime.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import {
  cgroupDriver,
  cgroupParent,
  client,
  DOCKER_CLIENT,
  removeIfNew,
  removeParentCgroups,
  rootfsTar,
  runtimeProgram,
  socketPath,
  startDaemon,
  untilAnswers,
} from "./engine.ts";
import { scaled } from "./patience.ts";

/** What one daemon is told that another is not. */
export interface DockerdSettings {
  /** Its daemon.json. What flags say it may not say, too. */
  readonly file?: Json;
  /** The flags that name its runtime: `--add-runtime`, unless the file does. */
  readonly runtime?: readonly string[];
  readonly flags?: readonly string[];
  readonly storage?: "vfs" | "overlay2";
  /** Has it in namespaces of its own for mounts and the network: the commands there before it, each with its semicolon. */
  readonly apart?: string;
}

/** No rules of the packet filter, and no bridge: where the kernel has no NAT. */
export const WITHOUT_NAT: Json = { iptables: false, ip6tables: false, "ip-forward": false, bridge: "none" };

/** How its client is called. */
export interface DockerClient {
  /** The program and what stands before every command. */
  readonly words: readonly [program: string, ...globals: string[]];
  readonly call: (...args: string[]) => Promise<Result>;
}

/** Starts the daemon, which ends with the sandbox, and imports the image `busybox`. */
export async function startDockerd(
  box: Sandbox,
  { file = {}, runtime = runtimeFlags(box), flags = [], storage = "vfs", apart }: DockerdSettings,
): Promise<DockerClient> {
  removeIfNew(box, "/run/containerd", "/run/docker", "/var/lib/docker");
  removeParentCgroups(box);
  writeFileSync(box.path("daemon.json"), JSON.stringify(file));
  const host = `unix://${socketPath(box)}`;
  const args = [
    ...["--config-file", box.path("daemon.json"), "--data-root", box.path("data"), "--exec-root", box.path("exec")],
    ...["--pidfile", box.path("docker.pid"), "--host", host, "--storage-driver", storage],
    ...["--cgroup-parent", cgroupParent(box), "--exec-opt", `native.cgroupdriver=${cgroupDriver}`],
    ...[...runtime, ...flags],
  ];
  const script = ["--net", "--mount", "sh", "-c", `ip link set lo up; ${apart} exec dockerd "$@"`, "sh"];
  const [program, words] = apart === undefined ? ["dockerd", args] : ["unshare", [...script, ...args]];
  startDaemon(box, program, words);
  box.defer(() => untilShimsEnded(box));
  const globals = ["--host", host, "--config", box.path("client")];
  const call = client(box, DOCKER_CLIENT, globals);
  await untilAnswers(box, program, () => call("version"));
  expect(await call("import", rootfsTar(box), "busybox")).toMatchObject({ code: 0 });
  return { words: [DOCKER_CLIENT, ...globals], call };
}

function runtimeFlags(box: Sandbox): readonly string[] {
  return ["--add-runtime", `tested=${runtimeProgram(box)}`, "--default-runtime", "tested"];
}

/** A shim that is about to end when its containerd does stays for a while, to tell it. */
async function untilShimsEnded(box: Sandbox): Promise<void> {
  const shims = () => processesOf(box.word).filter(({ why }) => why.includes("containerd-shim"));
  for (let tries = 0; shims().length > 0 && tries < 100; tries += 1) await sleep(scaled(100));
}
