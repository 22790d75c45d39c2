// The page's commands (steps.ts), in order, with dockerd on tsrun. Only in the project's own guest, which is thrown away: Docker has its
// usual folders there, and users are added.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, openSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { makeRootfs } from "../../test/root/harness/rootfs.ts";
import { repository } from "../../test/root/harness/runtime.ts";
import { pageOf } from "./page.ts";
import type { Command } from "./step.ts";
import { STEPS } from "./steps.ts";

const missing = existsSync("/usr/local/sbin/vm-agent") ? undefined : "runs in the project's guest only";
const REMAPPED = "unix:///run/remapped.sock";
const LOG = "/tmp/dockerd.log";

const env = {
  ...process.env,
  PATH: `${repository}/dist:${process.env.PATH}:/usr/sbin:/sbin`,
  DOCKER_CLI_HINTS: "false",
  REMAPPED,
};

/** A daemon, once it answers. It ends with the guest. */
async function dockerd(host: string, ...args: string[]): Promise<void> {
  const log = openSync(LOG, "a");
  const common = ["--iptables=false", "--ip6tables=false", "--add-runtime", `tsrun=${repository}/dist/tsrun`];
  spawn("dockerd", ["--host", host, ...common, "--default-runtime", "tsrun", ...args], {
    stdio: ["ignore", log, log],
    env,
  });
  for (let tries = 0; tries < 300; tries++) {
    if (spawnSync("docker", ["--host", host, "version"], { env }).status === 0) {
      execFileSync("docker", ["--host", host, "import", "/tmp/image.tar", "busybox"], { env });
      return;
    }
    await sleep(100);
  }
  throw new Error(readFileSync(LOG, "utf8").slice(-2000));
}

beforeAll(async () => {
  if (missing !== undefined) return;
  makeRootfs("/tmp/image");
  execFileSync("tar", ["-C", "/tmp/image", "-cf", "/tmp/image.tar", "."]);
  spawnSync("modprobe", ["loop"]);
  writeFileSync("/tmp/disk", "");
  truncateSync("/tmp/disk", 4 << 20);
  execFileSync("losetup", ["/dev/loop9", "/tmp/disk"], { env });
  writeFileSync("/proc/sys/net/ipv4/ip_forward", "1"); // or Docker warns at each run
  writeFileSync("/etc/docker/daemon.json", "{}");
  execFileSync("useradd", ["--system", "dockremap"], { env });
  for (const file of ["subuid", "subgid"]) execFileSync("sh", ["-c", `echo dockremap:300000:65536 >>/etc/${file}`]);
  writeFileSync("/usr/local/bin/docker-api", API, { mode: 0o755 });
  const own = ["--data-root", "/var/lib/remapped", "--exec-root", "/run/remapped", "--pidfile", "/run/remapped.pid"];
  // First, since a daemon without a bridge removes the other's.
  await dockerd(REMAPPED, ...own, "--userns-remap", "default", "--bridge=none");
  await dockerd("unix:///var/run/docker.sock", "--storage-driver", "overlay2");
}, 120_000);

/** Asks the daemon without its client. */
const API = `#!/usr/bin/python3
import http.client, socket, sys
connection = http.client.HTTPConnection("localhost")
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.connect("/var/run/docker.sock")
connection.request("POST", "/v1.45" + sys.argv[1], sys.argv[2], {"Content-Type": "application/json"})
print(connection.getresponse().read().decode().strip())
`;

const outputs = new Map<string, string>();

function run({ line, shows, status = 0 }: Command): void {
  const result = spawnSync("sh", ["-c", `${line} 2>&1`], { env, encoding: "utf8", timeout: 60_000 });
  outputs.set(line, result.stdout);
  expect(result.status, `${line}\n${result.stdout}`).toBe(status);
  for (const text of shows) {
    if (typeof text === "string") expect(result.stdout, line).toContain(text);
    else expect(result.stdout, line).toMatch(text);
  }
}

describe("the article", () => {
  for (const { title, commands } of STEPS) {
    test(title, { timeout: 180_000 }, ({ skip }) => {
      if (missing !== undefined) skip(missing);
      for (const command of commands) run(command);
    });
  }

  test("is a page", ({ skip }) => {
    const file = process.env.ARTICLE_PAGE;
    if (missing !== undefined || file === undefined) skip("nobody has asked for the page: npm run article");
    else writeFileSync(file, pageOf(STEPS, outputs));
  });
});
