// --pidfd-socket of create, run and exec: a pidfd of the process, for whoever listens.

import { closeSync, existsSync, readFileSync } from "node:fs";
import { expect } from "vitest";
import { idle, sh } from "./harness/config.ts";
import { ConsoleSocket } from "./harness/console.ts";
import { DescriptorSocket } from "./harness/descriptor-socket.ts";
import { readable } from "./harness/libc.ts";
import { except, needs } from "./harness/needs.ts";
import type { Sandbox } from "./harness/sandbox.ts";
import { until } from "./harness/until.ts";

const both = needs(except({ runc: "1.1 has no such flag", crun: "has no such flag" }));

/** The descriptor that was sent, and the process that it is of. */
function received(box: Sandbox, socket: DescriptorSocket): { descriptor: number; pid: number } {
  const { descriptor, text } = socket.receive();
  box.defer(() => closeSync(descriptor));
  expect(text.length).toBeGreaterThan(0);
  const info = readFileSync(`/proc/self/fdinfo/${descriptor}`, "utf8");
  return { descriptor, pid: Number(/^Pid:\t(\d+)$/m.exec(info)?.[1]) };
}

/** A pidfd can be read from when its process has ended. */
function ended(descriptor: number): Promise<void> {
  return until(() => readable(descriptor), "the end of the pidfd's process");
}

both("create sends init's, which tells of its end", async ({ box }) => {
  const socket = new DescriptorSocket(box, "pidfd.sock");
  const container = box.container(idle());
  expect(await container.create(["--pidfd-socket", socket.path])).toMatchObject({ code: 0, stderr: "" });
  const { descriptor, pid } = received(box, socket);
  expect(pid).toBe((await container.state()).pid);
  expect(readable(descriptor)).toBe(false);
  await container.start();
  expect(readable(descriptor)).toBe(false);
  await container.kill("KILL");
  await ended(descriptor);
});

both("run sends it, beside a terminal, also to a socket with a long path", async ({ box }) => {
  box.makeDirectory("long".repeat(30));
  // A listener cannot be bound to such a path: it is bound by a short one, which is the same file.
  const socket = new DescriptorSocket(box, "pidfd.sock");
  const console = new ConsoleSocket(box);
  const container = box.container(idle(), { process: { terminal: true } });
  const path = `${box.path("long".repeat(30))}/../pidfd.sock`;
  const flags = ["--pidfd-socket", path, "--console-socket", console.path];
  expect(await container.runDetached(flags)).toMatchObject({ code: 0, stderr: "" });
  expect(received(box, socket).pid).toBe((await container.state()).pid);
  await console.receive().until(/ready/);
});

both("run in the foreground sends it", async ({ box }) => {
  const socket = new DescriptorSocket(box, "pidfd.sock");
  expect(await box.container(sh("exit 3")).run(["--pidfd-socket", socket.path])).toMatchObject({ code: 3, stderr: "" });
  await ended(received(box, socket).descriptor);
});

both("exec sends that of its own process", async ({ box }) => {
  const container = box.container(idle());
  expect(await container.runDetached()).toMatchObject({ code: 0 });
  const init = (await container.state()).pid;
  const [detached, waiting] = [new DescriptorSocket(box, "detached.sock"), new DescriptorSocket(box, "waiting.sock")];
  const pidFile = box.path("pid");
  const flags = ["--pidfd-socket", detached.path, "--pid-file", pidFile];
  expect(await container.execDetached(["sleep", "60"], flags)).toMatchObject({ code: 0, stderr: "" });
  const { pid } = received(box, detached);
  expect([pid, pid === init]).toEqual([Number(readFileSync(pidFile, "utf8")), false]);
  expect(await container.exec(["sh", "-c", "exit 4"], ["--pidfd-socket", waiting.path])).toMatchObject({ code: 4 });
  await ended(received(box, waiting).descriptor);
});

both("where nobody listens create fails and leaves nothing, and exec runs nothing", async ({ box }) => {
  const flags = ["--pidfd-socket", box.path("nobody.sock")];
  const first = box.container(idle());
  const said = await first.create(flags);
  expect(said).toMatchObject({ code: 1, stderr: expect.stringMatching(/nobody\.sock: connect.*ENOENT/) });
  expect(existsSync(`${box.root}/${first.id}`)).toBe(false);
  const container = box.container(idle());
  expect(await container.runDetached()).toMatchObject({ code: 0 });
  expect(await container.exec(["touch", "/ran"], flags)).toMatchObject({ code: 255 });
  expect(existsSync(`${container.rootfs}/ran`)).toBe(false);
});

both("nothing is sent for a program that is not there", async ({ box }) => {
  const socket = new DescriptorSocket(box, "pidfd.sock");
  const container = box.container({ process: { args: ["no-such-program"] } });
  expect(await container.create(["--pidfd-socket", socket.path])).toMatchObject({ code: 1 });
  expect(() => socket.receive()).toThrow("nobody has connected");
});
