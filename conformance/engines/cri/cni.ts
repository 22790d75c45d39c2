// A network for pods, by the plug-ins of CNI where they are: a bridge of the sandbox's own, addresses that are for documentation
// (RFC 5737), and no NAT, which User Mode Linux lacks.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, writeFileSync } from "node:fs";
import type { Missing } from "../../../test/root/harness/needs.ts";
import type { Sandbox } from "../../../test/root/harness/sandbox.ts";

const FOLDERS = ["/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"];
const PROGRAMS = FOLDERS.find((folder) => existsSync(`${folder}/bridge`));

/** What the addresses of pods begin with. */
export const SUBNET = "198.51.100.";

/** What a test of the network needs. */
export const cniIsThere: Missing = PROGRAMS === undefined ? "CNI's plug-ins are not installed" : undefined;

/** Writes the network's configuration, where there are plug-ins for it. */
export function configureCni(box: Sandbox): { programs: string; folder: string } {
  const folder = box.makeDirectory("cni");
  if (PROGRAMS === undefined) return { programs: box.makeDirectory("no-plug-ins"), folder };
  // The name of a network device has at most 15 bytes.
  const bridge = `ts${createHash("sha256").update(box.word).digest("hex").slice(0, 8)}`;
  const plugin = {
    ...{ type: "bridge", bridge, isGateway: true, ipMasq: false },
    ipam: { type: "host-local", dataDir: box.path("cni-leases"), ranges: [[{ subnet: `${SUBNET}0/24` }]] },
  };
  const network = { cniVersion: "0.4.0", name: box.word, plugins: [plugin] };
  writeFileSync(`${folder}/10-tests.conflist`, JSON.stringify(network));
  box.defer(() => void spawnSync("ip", ["link", "delete", bridge], { stdio: "ignore" }));
  return { programs: PROGRAMS, folder };
}
