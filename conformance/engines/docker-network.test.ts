// Docker's bridge networks with NAT, on the default runtime: a published port, names of containers, the way out. The
// daemon's network namespace is the host here, and another one, at the end of a cable, is all that is outside of it.

import { spawn, spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { expect, vi } from "vitest";
import { type Missing, needs, program } from "../../test/root/harness/needs.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { dockerPrograms, type OwnDocker, ownDocker, until } from "./own-network.ts";

const HOST = "10.77.0.1";
const OUTSIDE = "10.77.0.2";
/** Says hello to whoever connects to port 80. */
const SERVER = ["busybox", "nc", "-ll", "-p", "80", "-e", "echo", "hello"];
/** Tells whoever connects to port 90 where he came from. */
const WHO = `require("node:net").createServer((socket) => socket.end(socket.remoteAddress + "\\n")).listen(90, "0.0.0.0")`;
/** Networks get their addresses from here, so that none is one of the cable's. */
const NETWORKS = { "default-address-pools": [{ base: "10.78.0.0/16", size: 24 }] };

// An emulated PC takes its time.
vi.setConfig({ testTimeout: 300_000 });

const networkTest = needs(...dockerPrograms, program("iptables"), natMissing());

/** Tries it: what lists an empty table of the packet filter may still know no NAT. */
function natMissing(): Missing {
  const rule = ["iptables", "--table", "nat", "--append", "POSTROUTING", "--jump", "MASQUERADE"];
  return spawnSync("unshare", ["--net", ...rule]).status === 0 ? undefined : "this kernel has no NAT";
}

/** Makes a network namespace at the end of a cable to the daemon's; what runs a program in it, and its output. */
async function outside(box: Sandbox, docker: OwnDocker): Promise<(...words: string[]) => string> {
  const holder = spawn("unshare", ["--net", "sleep", "infinity"], { stdio: "ignore" });
  box.defer(() => void holder.kill("SIGKILL"));
  const namespace = `/proc/${holder.pid}/ns/net`;
  await until(
    async () => readlinkSync(namespace),
    (its) => its !== readlinkSync("/proc/self/ns/net"),
  );
  const run = (...words: string[]): string =>
    spawnSync("nsenter", [`--net=${namespace}`, ...words], { encoding: "utf8", timeout: 20_000 }).stdout;
  docker.inNetwork("ip", ..."link add cable type veth peer name cable netns".split(" "), `${holder.pid}`);
  docker.inNetwork("ip", "address", "add", `${HOST}/24`, "dev", "cable");
  docker.inNetwork("ip", "link", "set", "cable", "up");
  run("ip", "address", "add", `${OUTSIDE}/24`, "dev", "cable");
  run("ip", "link", "set", "cable", "up");
  const server = spawn("nsenter", [`--net=${namespace}`, process.execPath, "--eval", WHO], { stdio: "ignore" });
  box.defer(() => void server.kill("SIGKILL"));
  return run;
}

/** What the program at an address and port says, asked from within a container; empty where none is reached. */
function asked({ call }: OwnDocker, container: string, address: string, port: number) {
  return async () => (await call("exec", container, "nc", "-w", "3", address, `${port}`)).stdout;
}

const said = (text: string): boolean => text !== "";

networkTest("docker network: published port, reached from the host and from outside [qemu]", async ({ box }) => {
  const docker = await ownDocker(box, NETWORKS);
  const fromOutside = await outside(box, docker);
  await docker.ask("run", "--detach", "--name", "web", "--publish", "8080:80", ...SERVER);
  expect(await docker.ask("inspect", "--format", "{{.HostConfig.Runtime}}", "web")).toBe("tested");
  expect(await docker.ask("port", "web", "80/tcp")).toContain("0.0.0.0:8080");
  const nc = (address: string) => ["busybox", "nc", "-w", "3", address, "8080"] as const;
  expect(await until(async () => fromOutside(...nc(HOST)), said)).toBe("hello\n");
  expect(docker.inNetwork(...nc("127.0.0.1"))).toBe("hello\n");
  expect(docker.inNetwork(...nc(HOST))).toBe("hello\n");
  await docker.ask("stop", "--time", "0", "web");
  expect(fromOutside(...nc(HOST)), "the port is closed").toBe("");
  await docker.ask("start", "web");
  expect(await until(async () => fromOutside(...nc(HOST)), said), "and open once more").toBe("hello\n");
  await docker.ask("rm", "--force", "web");
  expect(docker.inNetwork("iptables", "--table", "nat", "--list-rules")).not.toContain("8080");
});

networkTest(
  "docker network: containers by name on a user-defined network, connect, disconnect [qemu]",
  async ({ box }) => {
    const docker = await ownDocker(box, NETWORKS);
    const { ask, call } = docker;
    await ask("network", "create", "--opt", "com.docker.network.bridge.name=own0", "inner");
    await ask("run", "--detach", "--name", "db", "--network", "inner", "--network-alias", "store", ...SERVER);
    await ask("run", "--detach", "--name", "app", "--network", "inner", "busybox", "sleep", "1000");
    await ask("run", "--detach", "--name", "stranger", "busybox", "sleep", "1000");
    expect(docker.inNetwork("ip", "-brief", "link", "show", "master", "own0").match(/^veth/gm)).toHaveLength(2);
    expect(await until(asked(docker, "app", "db", 80), said)).toBe("hello\n");
    expect(await asked(docker, "app", "store", 80)(), "by its alias").toBe("hello\n");
    const address = await ask("inspect", "--format", "{{.NetworkSettings.Networks.inner.IPAddress}}", "db");
    expect(await asked(docker, "stranger", "db", 80)(), "its name is known on its network only").toBe("");
    expect(await asked(docker, "stranger", address, 80)(), "networks are kept apart").toBe("");
    await ask("network", "connect", "inner", "stranger");
    expect(await ask("exec", "stranger", "ls", "/sys/class/net")).toMatch(/eth0\neth1/);
    expect(await until(asked(docker, "stranger", "db", 80), said)).toBe("hello\n");
    await ask("network", "disconnect", "inner", "stranger");
    expect(await asked(docker, "stranger", "db", 80)()).toBe("");
    expect((await call("network", "rm", "inner")).code, "it is in use").not.toBe(0);
    await ask("rm", "--force", "db", "app", "stranger");
    await ask("network", "rm", "inner");
    expect(docker.inNetwork("ip", "-brief", "link")).not.toContain("own0");
  },
);

networkTest("docker network: outbound NAT from two networks, none from an internal one [qemu]", async ({ box }) => {
  const docker = await ownDocker(box, NETWORKS);
  const fromOutside = await outside(box, docker);
  await docker.ask("network", "create", "one");
  await docker.ask("network", "create", "two");
  await docker.ask("network", "create", "--internal", "closed");
  for (const network of ["one", "two", "closed"]) {
    await docker.ask("run", "--detach", "--name", `in-${network}`, "--network", network, "busybox", "sleep", "1000");
  }
  expect(fromOutside("ip", "route"), "outside knows no way to the containers").not.toContain("10.78.");
  expect(await until(asked(docker, "in-one", OUTSIDE, 90), said), "they come from the host").toBe(`${HOST}\n`);
  expect(await asked(docker, "in-two", OUTSIDE, 90)()).toBe(`${HOST}\n`);
  expect(await asked(docker, "in-closed", OUTSIDE, 90)()).toBe("");
});
