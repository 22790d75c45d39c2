// A Docker daemon with its client, for many tests: in namespaces of its own, where a bridge and rules for it disturb nobody, and
// whose mounts are shared; the runtime is its default one.

import type { Json } from "../../test/root/harness/config.ts";
import { program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { CommandLine } from "./command-line.ts";
import { startDockerd } from "./dockerd.ts";
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
  const apart = `echo 1 >/proc/sys/net/ipv4/ip_forward; mount --make-rshared /; ${setUp}`;
  const network = ["--ip-forward=false", "--ip6tables=false", `--iptables=${withNat}`];
  const { words } = await startDockerd(box, {
    file: settings,
    flags: [...network, ...flags],
    storage: "overlay2",
    apart,
  });
  return new CommandLine(box, words, ["--network=none"]);
}
