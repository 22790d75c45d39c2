// Docker's bridge networks with NAT, on the default runtime: a published port, names of containers, the way out. The
// daemon's network namespace is the host here, and another one, at the end of a cable, is all that is outside of it.

import { spawn } from "node:child_process";
import { expect, vi } from "vitest";
import { needs, program } from "../../test/root/harness/needs.ts";
import {
  dockerPrograms,
  HOST,
  NETWORKS,
  natMissing,
  OUTSIDE,
  type OwnDocker,
  outside,
  ownDocker,
  until,
} from "./own-network.ts";

/** Says hello to whoever connects to port 80. */
const SERVER = ["busybox", "nc", "-ll", "-p", "80", "-e", "echo", "hello"];
/** Tells whoever connects to port 90 where he came from. */
const WHO = `require("node:net").createServer((socket) => socket.end(socket.remoteAddress + "\\n")).listen(90, "0.0.0.0")`;

// An emulated PC takes its time.
vi.setConfig({ testTimeout: 600_000 });

const networkTest = needs(...dockerPrograms, program("iptables"), natMissing());

/** What the program at an address and port says, asked from within a container; empty where none is reached. */
function asked({ call }: OwnDocker, container: string, address: string, port: number) {
  return async () => (await call("exec", container, "nc", "-w", "3", address, `${port}`)).stdout;
}

const said = (text: string): boolean => text !== "";

networkTest("docker network: published port, reached from the host and from outside [qemu]", async ({ box }) => {
  const docker = await ownDocker(box, NETWORKS);
  const { run: fromOutside } = await outside(box, docker);
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
  const { namespace, run } = await outside(box, docker);
  const server = spawn("nsenter", [`--net=${namespace}`, process.execPath, "--eval", WHO], { stdio: "ignore" });
  box.defer(() => void server.kill("SIGKILL"));
  await docker.ask("network", "create", "one");
  await docker.ask("network", "create", "two");
  await docker.ask("network", "create", "--internal", "closed");
  for (const network of ["one", "two", "closed"]) {
    await docker.ask("run", "--detach", "--name", `in-${network}`, "--network", network, "busybox", "sleep", "1000");
  }
  expect(run("ip", "route"), "outside knows no way to the containers").not.toContain("10.78.");
  expect(await until(asked(docker, "in-one", OUTSIDE, 90), said), "they come from the host").toBe(`${HOST}\n`);
  expect(await asked(docker, "in-two", OUTSIDE, 90)()).toBe(`${HOST}\n`);
  expect(await asked(docker, "in-closed", OUTSIDE, 90)()).toBe("");
});
