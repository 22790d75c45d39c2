// A Docker daemon with its client, for many tests: in namespaces of its own, where a bridge and rules for it disturb nobody, and
// whose mounts are shared; the runtime is its default one.

import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Json } from "../../test/root/harness/config.ts";
import { processesOf } from "../../test/root/harness/leftovers.ts";
import { program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { CommandLine } from "./command-line.ts";
import {
  cgroupDriver,
  cgroupParent,
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
import { nat } from "./requirements.ts";

/** What every test of it needs. */
export const dockerPrograms = [program("dockerd"), program("docker"), program("containerd"), program("script")];
const withNat = nat() === undefined;

/** A daemon and its client. A script may run in its namespaces before it does; what it has no flags for are settings. */
export async function docker(
  box: Sandbox,
  flags: readonly string[],
  setUp = "",
  settings: Json = {},
): Promise<CommandLine> {
  removeIfNew(box, "/run/containerd", "/run/docker", "/var/lib/docker");
  removeParentCgroups(box);
  writeFileSync(box.path("daemon.json"), JSON.stringify(settings));
  const host = `unix://${socketPath(box)}`;
  startDaemon(box, "unshare", [
    ...[
      "--net",
      "--mount",
      "sh",
      "-c",
      `ip link set lo up; echo 1 >/proc/sys/net/ipv4/ip_forward; mount --make-rshared /; ${setUp} exec dockerd "$@"`,
      "sh",
    ],
    ...["--config-file", box.path("daemon.json"), "--data-root", box.path("data"), "--exec-root", box.path("exec")],
    ...["--pidfile", box.path("docker.pid"), "--host", host, "--storage-driver", "overlay2"],
    ...["--cgroup-parent", cgroupParent(box), "--exec-opt", `native.cgroupdriver=${cgroupDriver}`],
    ...["--ip-forward=false", "--ip6tables=false", `--iptables=${withNat}`],
    ...["--add-runtime", `tested=${runtimeProgram(box)}`, "--default-runtime", "tested", ...flags],
  ]);
  box.defer(() => shimsEnd(box));
  const engine = new CommandLine(
    box,
    [DOCKER_CLIENT, "--host", host, "--config", box.path("client")],
    ["--network=none"],
  );
  await untilAnswers(box, "unshare", () => engine.call("version"));
  await engine.output("import", rootfsTar(box), "busybox");
  return engine;
}

/** A shim that is about to end when its containerd does stays for a while, to tell it. */
async function shimsEnd(box: Sandbox): Promise<void> {
  const shims = () => processesOf(box.word).filter(({ why }) => why.includes("containerd-shim"));
  for (let tries = 0; shims().length > 0 && tries < 100; tries += 1) await sleep(scaled(100));
}
