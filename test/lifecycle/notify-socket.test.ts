// Readiness, passed from a container to a service manager. The manager is a process of its own that writes down what it is
// sent, since the relay blocks; what it does not want of a message (a descriptor) is closed, as sd_notify_barrier(3) has it.

import { closeSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { execa } from "execa";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  announceReady,
  makeNotifyDirectory,
  managerSocket,
  notifyAdditions,
  notifyDirectory,
  openNotify,
  relayNotify,
  saysReady,
} from "../../src/lifecycle/notify-socket.ts";
import { connectDatagram, receive, send } from "../../src/linux/datagram.ts";
import { call, pidfdOpen } from "../../src/linux/local.ts";
import { pipe } from "../../src/linux/pipe.ts";
import { POLLHUP, POLLIN, poll } from "../../src/linux/poll.ts";
import type { Config } from "../../src/spec/config.gen.ts";
import { node, repository, temporary } from "./harness.ts";

/** Runs a module with what these tests use of the sources in scope, in a process that ends with the test. */
function run(text: string) {
  const load = `
    const { appendFileSync } = await import("node:fs");
    const { connectDatagram, receive, send } = await import("${repository}src/linux/datagram.ts");
    const { call } = await import("${repository}src/linux/local.ts");
    const { poll } = await import("${repository}src/linux/poll.ts");
    const sleep = (ms) => poll([], ms);\n`;
  // The last argument is what the script takes for its own path, from which koffi is looked for.
  const words = ["--input-type=module-typescript", "-e", load + text, `${repository}bin/tsrun.ts`];
  const child = execa(node, words, { reject: false });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

/** A service manager on a path or an abstract name. It waits before it reads its third message. */
async function manager(address: string, waits = 0): Promise<() => string[]> {
  const log = `${temporary()}/log`;
  run(`
    const bytes = new TextEncoder().encode(${JSON.stringify(address)}.replace(/^@/, "\\0"));
    const socket = call("", "socket", 1, 2, 0);
    call("", "bind", socket, Uint8Array.of(1, 0, ...bytes), 2 + bytes.length);
    appendFileSync(${JSON.stringify(log)}, "bound\\n");
    for (let i = 0; ; i++) {
      poll([{ fd: socket, events: 1 }]);
      if (i === 2) sleep(${waits});
      appendFileSync(${JSON.stringify(log)}, JSON.stringify(receive(socket)) + "\\n");
    }`);
  await expect.poll(() => existsSync(log)).toBe(true);
  return () =>
    readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => JSON.parse(line));
}

/** A container's notify directory with its socket, and one that sends to it. */
function notifySocket(): { socket: number; sender: number; path: string } {
  const directory = notifyDirectory(temporary());
  makeNotifyDirectory(directory);
  const socket = openNotify(directory) ?? -1;
  const path = `${directory}/notify.sock`;
  const sender = connectDatagram(path);
  onTestFinished(() => [socket, sender].forEach((fd) => void closeSync(fd)));
  return { socket, sender, path };
}

/** A process that sleeps, with its pidfd. */
function sleeper(seconds: number): { pid: number; pidfd: number } {
  const child = execa("sleep", [String(seconds)], { reject: false });
  onTestFinished(() => void child.kill("SIGKILL"));
  const pidfd = pidfdOpen(child.pid ?? 0);
  onTestFinished(() => closeSync(pidfd));
  return { pid: child.pid ?? 0, pidfd };
}

const config = (more: Partial<Config> = {}): Config => ({ ociVersion: "1.3.0", root: { path: "rootfs" }, ...more });

describe("the configuration", () => {
  test("gets a read-only mount and an entry of the environment", () => {
    expect(notifyAdditions(config(), notifyDirectory("/run/tsrun/box"))).toEqual({
      mount: {
        destination: "/run/notify",
        type: "bind",
        source: "/run/tsrun/box/notify",
        options: ["bind", "ro", "nosuid", "noexec", "nodev"],
      },
      env: "NOTIFY_SOCKET=/run/notify/notify.sock",
    });
  });

  test("is left alone where the caller mounts a /run/notify of its own", () => {
    for (const destination of ["/run/notify", "/run/notify/"])
      expect(notifyAdditions(config({ mounts: [{ destination }] }), "/d")).toBeUndefined();
    expect(notifyAdditions(config({ mounts: [{ destination: "/run/notify-other" }] }), "/d")).toBeDefined();
  });
});

describe("the manager's address", () => {
  test("is a path, an abstract name, or none", () => {
    for (const address of ["/run/systemd/notify", "@/org/freedesktop/x"])
      expect(managerSocket({ NOTIFY_SOCKET: address })).toBe(address);
    expect(managerSocket({})).toBeUndefined();
    expect(managerSocket({ NOTIFY_SOCKET: "" })).toBeUndefined();
  });

  test("is refused when it is anything else", () => {
    for (const address of ["run/notify", "vsock:2:1234", "@", "/"])
      expect(() => managerSocket({ NOTIFY_SOCKET: address }), address).toThrow(/NOTIFY_SOCKET is no path/);
    expect(managerSocket({ NOTIFY_SOCKET: `/${"x".repeat(106)}` })).toBeDefined();
    expect(() => managerSocket({ NOTIFY_SOCKET: `/${"x".repeat(107)}` })).toThrow(/too long/);
  });
});

describe("the container's socket", () => {
  test("can be sent to by every user of the container, whatever tsrun's umask, and replaced by none", () => {
    const umask = process.umask(0o077);
    onTestFinished(() => void process.umask(umask));
    const { path } = notifySocket();
    expect(statSync(path).mode & 0o7777).toBe(0o777);
    expect(statSync(path.replace(/\/[^/]*$/, "")).mode & 0o7777).toBe(0o755);
  });

  test("lies in a directory of any length, takes the place of an older one, and is close-on-exec", () => {
    const container = temporary() + "/x".repeat(150);
    mkdirSync(container, { recursive: true });
    const directory = notifyDirectory(container);
    makeNotifyDirectory(directory);
    const sockets = [openNotify(directory) ?? -1, openNotify(directory) ?? -1];
    onTestFinished(() => sockets.forEach((fd) => void closeSync(fd)));
    expect(statSync(`${directory}/notify.sock`).isSocket()).toBe(true);
    const F_GETFD = 1;
    expect(sockets.map((fd) => call("", "fcntl", fd, F_GETFD, 0))).toEqual([1, 1]);
  });

  test("is not made where create made no directory for it", () => {
    expect(openNotify(notifyDirectory(temporary()))).toBeUndefined();
  });

  test("is read for READY=1 alone, as a line of any message", () => {
    const { socket, sender } = notifySocket();
    expect(saysReady(socket)).toBe(false);
    for (const text of ["STATUS=READY=1", "READY=0", "READY=10", " READY=1", "MAINPID=1", ""]) send(sender, text);
    expect(saysReady(socket)).toBe(false);
    for (const text of ["READY=1", "READY=1\n", "STATUS=warm\nREADY=1\nWATCHDOG=1"]) {
      send(sender, text);
      expect(saysReady(socket), text).toBe(true);
    }
  });

  test("takes no descriptor from the container", () => {
    const { socket, sender } = notifySocket();
    const [ours, theirs] = pipe();
    onTestFinished(() => closeSync(ours));
    send(sender, "FDSTORE=1", theirs);
    closeSync(theirs);
    expect(poll([{ fd: ours, events: POLLIN }], 0), "it is under way").toEqual([0]);
    expect(receive(socket)).toBe("FDSTORE=1");
    expect(poll([{ fd: ours, events: POLLIN }], 0), "it is closed").toEqual([POLLHUP]);
  });
});

describe("the relay", () => {
  const TOLD = ["READY=1\n", "MAINPID=4711\n", "BARRIER=1"];

  test("tells the manager that the container is ready, then its process, and waits until that was read", async () => {
    const address = `${temporary()}/manager`;
    const told = await manager(address, 300);
    const start = performance.now();
    announceReady(address, 4711);
    expect(performance.now() - start, "the barrier carries a descriptor").toBeGreaterThan(290);
    await expect.poll(told).toEqual(TOLD);
  });

  test("finds a manager with an abstract name", async () => {
    const address = `@notify-test/${process.pid}`;
    const told = await manager(address);
    announceReady(address, 4711);
    await expect.poll(told).toEqual(TOLD);
  });

  test("does not wait for ever for a manager that knows no barrier, and says when there is none", async () => {
    const address = `${temporary()}/manager`;
    await manager(address, 60_000);
    const start = performance.now();
    announceReady(address, 4711, 200);
    expect(performance.now() - start).toBeGreaterThan(190);
    expect(performance.now() - start).toBeLessThan(20_000);
    expect(() => announceReady(`${address}-gone`, 4711)).toThrow(/manager-gone: connect.*ENOENT/);
  });

  test("waits for a container that is not ready yet, and passes nothing else on", async () => {
    const address = `${temporary()}/manager`;
    const told = await manager(address);
    const { socket, path } = notifySocket();
    run(`const to = connectDatagram("${path}");
      send(to, "STATUS=starting\\nMAINPID=1\\nERRNO=5"); sleep(200); send(to, "READY=1\\nMAINPID=1"); sleep(60_000);`);
    const container = sleeper(60);
    expect(relayNotify(socket, container, address)).toBe(true);
    await expect.poll(told).toEqual(["READY=1\n", `MAINPID=${container.pid}\n`, "BARRIER=1"]);
  });

  test("ends with a container that ends without being ready; the manager hears nothing", async () => {
    const address = `${temporary()}/manager`;
    const told = await manager(address);
    expect(relayNotify(notifySocket().socket, sleeper(0.2), address)).toBe(false);
    expect(told()).toEqual([]);
  });

  test("announces a container that was ready and ended at once", async () => {
    const address = `${temporary()}/manager`;
    const told = await manager(address);
    const { socket, sender } = notifySocket();
    const container = sleeper(0);
    poll([{ fd: container.pidfd, events: POLLIN }]);
    send(sender, "READY=1");
    expect(relayNotify(socket, container, address)).toBe(true);
    await expect.poll(told).toHaveLength(3);
  });
});
