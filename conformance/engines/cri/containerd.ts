// containerd with its CRI service on the runtime under test, one for all tests of a file: it takes seconds to start. Each test
// has pods of its own, whose names and cgroups bear its sandbox's word, so that what it leaves behind is found to be its own.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect } from "vitest";
import { processesOf } from "../../../test/root/harness/leftovers.ts";
import { type Missing, program } from "../../../test/root/harness/needs.ts";
import { Sandbox } from "../../../test/root/harness/sandbox.ts";
import {
  cgroupDriver,
  client,
  keepForwarding,
  removeIfNew,
  runtimeProgram,
  socketPath,
  startDaemon,
  untilAnswers,
} from "../engine.ts";
import { scaled } from "../patience.ts";
import { CriClient } from "./client.ts";
import { configureCni } from "./cni.ts";
import { IMAGE, imagesTar, PAUSE_IMAGE } from "./images.ts";
import { adapt, blockOfPage, INSTALLED } from "./page.ts";

/** The version of containerd on the PATH, as numbers; [] without one. */
export const version: readonly number[] = (spawnSync("containerd", ["--version"], { encoding: "utf8" }).stdout ?? "")
  .replace(/^.* v?(\d+)\.(\d+)\.(\d+).*$/s, "$1 $2 $3")
  .split(" ")
  .filter((word) => /^\d+$/.test(word))
  .map(Number);

/** What every test of CRI needs. */
export const containerdIsThere: Missing = program("containerd") ?? program("ctr") ?? program("containerd-shim-runc-v2");

/** Needs containerd of a version or newer, for what it is that came with it. */
export function since(major: number, minor: number, what: string): Missing {
  const [a = 0, b = 0] = version;
  return a > major || (a === major && b >= minor) ? undefined : `containerd ${a}.${b} has no ${what}`;
}

/** The first lines of the page's blocks for containerd. */
const IN_ONE_FILE = "# /etc/containerd/config.toml, containerd 1.6 and 1.7";
const DROP_IN = "# /etc/containerd/conf.d/tsrun.toml, containerd 2";

/** Plug-ins that these tests have no use for and that want things, or make folders, outside of the sandbox. */
const DISABLED = [
  ...["devmapper", "zfs", "btrfs", "aufs", "blockfile", "erofs"].map((name) => `snapshotter.v1.${name}`),
  ...["internal.v1.opt", "nri.v1.nri"],
];

/** Starts containerd before a file's tests and stops it after them; the function gives its client. */
export function containerdOfFile(): () => CriClient {
  let box: Sandbox | undefined;
  let cri: CriClient | undefined;
  beforeAll(async () => {
    if (containerdIsThere !== undefined) return;
    box = new Sandbox();
    cri = await start(box);
  });
  afterAll(async () => {
    cri?.close();
    await box?.close();
  });
  return () => {
    if (cri === undefined) throw new Error("containerd was not started");
    return cri;
  };
}

async function start(box: Sandbox): Promise<CriClient> {
  removeIfNew(box, "/run/containerd", "/run/containerd/runc/k8s.io"); // the runtime's root
  keepForwarding(box);
  const socket = socketPath(box);
  startDaemon(box, "containerd", ["--config", configure(box, socket)]);
  box.defer(() => untilShimsEnded(box));
  const ctr = client(box, "ctr", ["--address", socket, "--namespace", "k8s.io"]);
  await untilAnswers(box, "containerd", () => ctr("version"));
  expect(await ctr("image", "import", imagesTar(box))).toMatchObject({ code: 0 });
  const cri = new CriClient(socket, box.path("containerd.log"));
  for (const image of [IMAGE, PAUSE_IMAGE]) await untilKnown(cri, image);
  return cri;
}

/** Writes the configuration: the page's lines about the runtime, and others that keep all the rest in the sandbox. */
function configure(box: Sandbox, socket: string): string {
  const [format, page] = (version[0] ?? 0) >= 2 ? [3, DROP_IN] : [2, IN_ONE_FILE];
  const withRuntime = adapt(blockOfPage(page), INSTALLED, runtimeProgram(box));
  const runtime = cgroupDriver === "systemd" ? withRuntime : adapt(withRuntime, "SystemdCgroup = true\n", "");
  const network = configureCni(box);
  const plugin = `plugins."io.containerd.${format === 3 ? "cri.v1.runtime" : "grpc.v1.cri"}"`;
  const disabled = DISABLED.map((name) => `"io.containerd.${name}"`).join(", ");
  writeFileSync(box.path("tsrun.toml"), runtime);
  const own = [
    `root = "${box.path("root")}"\nstate = "${box.path("run")}"\ndisabled_plugins = [${disabled}]`,
    format === 3 ? `imports = ["${box.path("tsrun.toml")}"]` : "",
    `[grpc]\naddress = "${socket}"`,
    `[${plugin}]\nrestrict_oom_score_adj = true\nnetns_mounts_under_state_dir = true`,
    format === 3 ? "" : `sandbox_image = "${PAUSE_IMAGE}"`,
    `[${plugin}.cni]\nbin_dir = "${network.programs}"\nconf_dir = "${network.folder}"`,
    format === 3 ? `[plugins."io.containerd.cri.v1.images".pinned_images]\nsandbox = "${PAUSE_IMAGE}"` : "",
  ].join("\n");
  const line = `version = ${format}\n`;
  // Version 1.6 takes what a plug-in is told from the last file alone, so there all of it is in one.
  writeFileSync(
    box.path("containerd.toml"),
    format === 3 ? `${line}${own}\n` : adapt(runtime, line, `${line}${own}\n`),
  );
  return box.path("containerd.toml");
}

/** A pod is removed before its shim has ended, and shims do not end with the daemon. */
async function untilShimsEnded(box: Sandbox): Promise<void> {
  for (let tries = 0; processesOf(box.word).length > 0 && tries < 200; tries += 1) await sleep(scaled(50));
}

/** CRI learns of an image that `ctr` brought by an event. */
async function untilKnown(cri: CriClient, image: string): Promise<void> {
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await cri.call("ImageStatus", { image: { image } })).image !== null) return;
    await sleep(scaled(50));
  }
  throw new Error(`CRI does not learn of the image ${image}`);
}
