// A container that moves: from one state directory and bundle to others, with its memory in files, through a page server, or
// after it, by lazy pages.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, openSync, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { describe, expect } from "vitest";
import type { Container } from "./harness/container.ts";
import { checkpoint, counting, criu, lastCount, lazyPages, memoryTracking, pause, SLOW } from "./harness/criu.ts";
import { except, needs } from "./harness/needs.ts";
import { Sandbox } from "./harness/sandbox.ts";

const ofTsrun = except({ runc: "refuses output in a file", crun: "too" });

describe("a container moves [qemu]", { timeout: 180_000 }, () => {
  needs(
    ...criu,
    ofTsrun,
    memoryTracking(),
  )("in files: most of its memory ahead, while it runs", async ({ box }) => {
    const there = elsewhere(box);
    const container = await counted(box);
    const ahead = ["checkpoint", "--pre-dump", "--image-path", box.path("ahead"), container.id];
    expect(await box.call(ahead, SLOW)).toMatchObject({ code: 0, stderr: "" });
    expect((await container.state()).status).toBe("running");
    const again = ["--pre-dump", "--parent-path", "../ahead", "--image-path", box.path("ahead2"), container.id];
    expect(await box.call(["checkpoint", ...again], SLOW)).toMatchObject({ code: 0, stderr: "" });
    const before = blocksOfPages(box.path("ahead"));
    const flags = ["--parent-path", "../ahead2", "--auto-dedup"];
    expect(await checkpoint(box, container, ...flags)).toMatchObject({ code: 0, stderr: "" });
    expect(sizeOfPages(box.path("images"))).toBeLessThan(sizeOfPages(box.path("ahead")));
    expect(blocksOfPages(box.path("ahead"))).toBeLessThan(before);
    await goesOn(there, container, box.path("images"));
  });

  needs(...criu, ofTsrun)("through a page server, with another id", async ({ box }) => {
    const there = elsewhere(box);
    const container = await counted(box);
    const received = there.makeDirectory("images");
    const port = await freePort();
    const server = start(there, "page-server", "--images-dir", received, "--port", port, "--address", "127.0.0.1");
    await listening(port);
    expect(await checkpoint(box, container, "--page-server", `127.0.0.1:${port}`)).toMatchObject({
      code: 0,
      stderr: "",
    });
    await server;
    expect(sizeOfPages(box.path("images"))).toBe(0);
    expect(sizeOfPages(received)).toBeGreaterThan(0);
    copyImages(box, there);
    await goesOn(there, container, received);
  });

  needs(
    ...criu,
    ofTsrun,
    lazyPages(),
  )("first, and then its memory, page by page as it is needed", async ({ box }) => {
    const there = elsewhere(box);
    const container = await counted(box);
    const port = await freePort();
    const status = openSync(box.path("status"), "w");
    const flags = [
      "--lazy-pages",
      "--page-server",
      `127.0.0.1:${port}`,
      "--status-fd",
      "3",
      "--image-path",
      box.path("images"),
    ];
    const left = box.call(["checkpoint", ...flags, container.id], { ...SLOW, descriptors: [status] });
    while (statSync(box.path("status")).size === 0) await pause();
    expect([...readFileSync(box.path("status"))]).toEqual([0]);
    const images = there.makeDirectory("images");
    copyImages(box, there);
    const work = there.makeDirectory("work");
    const address = ["--page-server", "--address", "127.0.0.1", "--port", port];
    const daemon = start(there, "lazy-pages", ...address, "--images-dir", images, "--work-dir", work);
    while (!existsSync(`${work}/lazy-pages.socket`)) await pause();
    await goesOn(there, container, images, "--lazy-pages", "--work-path", work);
    expect(await left).toMatchObject({ code: 0, stderr: "" });
    await daemon;
    await expect(container.state()).rejects.toThrow("does not exist");
  });
});

/** Another machine, so to say. */
function elsewhere(box: Sandbox): Sandbox {
  const there = new Sandbox();
  box.defer(() => there.close());
  return there;
}

/** A container that has counted to 3. */
async function counted(box: Sandbox): Promise<Container> {
  const container = box.container(counting());
  expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
  await container.untilOutput("3\n");
  return container;
}

/** Restores it there, under another id, and sees it count on. */
async function goesOn(there: Sandbox, from: Container, images: string, ...flags: string[]): Promise<void> {
  const before = lastCount(from.output());
  const to = there.container(counting());
  const args = ["restore", "--detach", "--bundle", to.bundle, "--image-path", images, ...flags, to.id];
  expect(await there.callDetached(args, there.path("restored"), SLOW)).toMatchObject({ code: 0, stderr: "" });
  const output = () => readFileSync(there.path("restored.out"), "utf8");
  while (!output().includes(`${before + 3}\n`)) await pause();
  expect(output().split("\n")[0]).toBe(String(before + 1));
  const { pid, status } = await to.state();
  expect([status, readFileSync(`/proc/${pid}/cgroup`, "utf8")]).toEqual(["running", expect.stringContaining(to.id)]);
  expect((await to.exec(["cat", "/etc/hostname"])).stdout).toBe("file\n");
}

/** Starts a program of CRIU's, which ends by itself; its log is in a folder of its own. */
async function start(there: Sandbox, command: string, ...args: string[]): Promise<void> {
  const log = ["-v4", "--log-file", there.path(`${command}.log`)];
  const child = spawn("criu", [command, ...args, ...log], { stdio: "ignore", cwd: there.directory });
  there.defer(() => void child.kill("SIGKILL"));
  const code = await new Promise((resolve) => child.once("exit", resolve));
  expect([command, code, readFileSync(there.path(`${command}.log`), "utf8")]).toEqual([command, 0, expect.anything()]);
}

async function freePort(): Promise<string> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return String(port);
}

/** Waits until somebody listens on a port. To connect would be to be the one that is listened to. */
async function listening(port: string): Promise<void> {
  const end = `:${Number(port).toString(16).toUpperCase().padStart(4, "0")} 00000000:0000 0A`;
  while (!readFileSync("/proc/net/tcp", "utf8").includes(end)) await pause();
}

/** All but what the page server has received. */
function copyImages(from: Sandbox, to: Sandbox): void {
  const [source, target] = [from.path("images"), to.path("images")];
  for (const name of readdirSync(source))
    if (!existsSync(`${target}/${name}`)) copyFileSync(`${source}/${name}`, `${target}/${name}`);
}

function pagesIn(directory: string): Stats[] {
  return readdirSync(directory)
    .filter((name) => /^pages-.*\.img$/.test(name))
    .map((name) => statSync(`${directory}/${name}`));
}

/** Bytes of memory in the images of a directory. */
function sizeOfPages(directory: string): number {
  return pagesIn(directory).reduce((sum, { size }) => sum + size, 0);
}

/** What they take on disk: less, once holes are punched in them. */
function blocksOfPages(directory: string): number {
  return pagesIn(directory).reduce((sum, { blocks }) => sum + blocks, 0);
}
