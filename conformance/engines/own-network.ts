// Docker in namespaces of its own for mounts and the network, the runtime its default one: what the daemon makes of links,
// addresses and rules of the packet filter goes with it, and the machine's own network stays as it was.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { Json } from "../../test/root/harness/config.ts";
import { type Missing, program } from "../../test/root/harness/needs.ts";
import type { Result } from "../../test/root/harness/runtime.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { startDockerd } from "./dockerd.ts";
import { scaled } from "./patience.ts";

/** The daemon and what runs in its network namespace. */
export interface OwnDocker {
  /** Calls the client. */
  readonly call: (...args: string[]) => Promise<Result>;
  /** Calls the client, which must succeed, and returns what it printed, without the last newline. */
  readonly ask: (...args: string[]) => Promise<string>;
  /** Runs a program in the daemon's network namespace. */
  readonly inNetwork: (program: string, ...args: string[]) => string;
  /** The daemon's process. */
  readonly pid: number;
}

/** What the tests with such a daemon need. */
export const dockerPrograms: readonly Missing[] = ["dockerd", "docker", "containerd", "ip", "nsenter"].map(program);

/** The ends of the cable between the daemon's network namespace and the one outside. */
export const HOST = "10.77.0.1";
export const OUTSIDE = "10.77.0.2";

/** Networks get their addresses from here, so that none is one of the cable's. */
export const NETWORKS = { "default-address-pools": [{ base: "10.78.0.0/16", size: 24 }] };

/** Starts the daemon with the image `busybox`, its configuration under the settings. */
export async function ownDocker(box: Sandbox, settings: Json): Promise<OwnDocker> {
  const { call } = await startDockerd(box, { file: settings, apart: "" });
  const ask = async (...args: string[]): Promise<string> => {
    const result = await call(...args);
    expect(result, `docker ${args.join(" ")}`).toMatchObject({ code: 0 });
    return result.stdout.trimEnd();
  };
  box.defer(async () => {
    await call("swarm", "leave", "--force"); // it would start its tasks anew
    const left = (await call("ps", "--all", "--quiet")).stdout.split("\n").filter(Boolean);
    if (left.length > 0) await call("rm", "--force", ...left);
  });
  const pid = Number(readFileSync(box.path("docker.pid"), "utf8"));
  const inNetwork = (program: string, ...args: string[]): string =>
    execFileSync("nsenter", [`--net=/proc/${pid}/ns/net`, program, ...args], { encoding: "utf8" });
  return { call, ask, inNetwork, pid };
}

/** Waits until what is asked for is as it should be, and returns it; fails with the last answer. */
export async function until<T>(ask: () => Promise<T>, right: (answer: T) => boolean, seconds = 90): Promise<T> {
  const end = Date.now() + scaled(seconds * 1000);
  for (;;) {
    const answer = await ask();
    if (right(answer)) return answer;
    if (Date.now() > end) throw new Error(`still, after ${seconds} s: ${JSON.stringify(answer)}`);
    await sleep(300);
  }
}

/** A network namespace that has a cable to the daemon's. */
export interface Outside {
  readonly namespace: string;
  /** Runs a program in it and returns what it printed, whatever its status. */
  readonly run: (...words: string[]) => string;
}

/** Makes one, which ends with the sandbox. */
export async function outside(box: Sandbox, docker: OwnDocker): Promise<Outside> {
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
  return { namespace, run };
}
