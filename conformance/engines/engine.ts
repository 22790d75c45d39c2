// What the tests of engines share: a folder of their own for everything that an engine keeps, a busybox image in the forms
// that engines import, daemons that are stopped by their process id, and the runtime as a path that an engine can call.

import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { arch, tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { cgroupsOf, processesOf } from "../../test/root/harness/leftovers.ts";
import { makeRootfs } from "../../test/root/harness/rootfs.ts";
import { commandWords, type Result, SYSTEMD_SOCKET } from "../../test/root/harness/runtime.ts";
import type { Sandbox } from "../../test/root/harness/sandbox.ts";
import { scaled } from "./patience.ts";

/** The runtime as one absolute path: engines call a program and nothing more. */
export function runtimeProgram(box: Sandbox): string {
  const words = commandWords();
  const [first] = words;
  if (words.length === 1 && first.startsWith("/")) return first;
  const path = box.path("runtime");
  const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
  // The PATH of now: the engine's may lead here (folderWithRunc).
  writeFileSync(path, `#!/bin/sh\nPATH="${enginePath()}"\nexport PATH\nexec ${quoted} "$@"\n`);
  chmodSync(path, 0o755);
  return path;
}

/** A folder for a PATH on which the runtime is `runc`: what has no word for another calls that. */
export function folderWithRunc(box: Sandbox): string {
  const directory = box.makeDirectory("bin");
  symlinkSync(runtimeProgram(box), join(directory, "runc"));
  return directory;
}

/**
 * A shell's script whose child is killed for want of memory. containerd's shim watches the cgroup only from `start` on, and where
 * systemd made that it goes with its last process: what comes too early or too late is not heard of, under runc as well.
 */
export const RUN_OUT_OF_MEMORY = "sleep 1; dd if=/dev/zero of=/dev/null bs=200M count=1; code=$?; sleep 2; exit $code";

/** Where systemd runs, engines have it make the cgroups, as they do when nothing is said. */
export const cgroupDriver = existsSync(SYSTEMD_SOCKET) ? "systemd" : "cgroupfs";

/** The parent of all cgroups that an engine makes for the sandbox: removed at the end. */
export function cgroupParent(box: Sandbox): string {
  if (cgroupDriver === "cgroupfs") return `/${box.word}`;
  const slice = `${box.word.replaceAll("-", "_")}.slice`;
  box.defer(() => void spawnSync("systemctl", ["stop", slice], { stdio: "ignore" }));
  return slice;
}

/** What the kernel has for a limit of a process's cgroup, by the file's name in version 1 and 2. */
export function limitOf(pid: number, v1: string, v2: string): string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, "utf8").split("\n");
  const controller = v1.slice(0, v1.indexOf("."));
  const own = lines.find((line) => line.split(":")[1]?.split(",").includes(controller));
  const unified = lines.find((line) => line.startsWith("0::"))?.slice(3) ?? "";
  const path = own === undefined ? `${unified}/${v2}` : `/${controller}${own.split(":")[2]}/${v1}`;
  return readFileSync(`/sys/fs/cgroup${path}`, "utf8").trim();
}

/** A tar of a busybox root file system: what `podman import` and `docker import` take. */
export function rootfsTar(box: Sandbox): string {
  const root = box.path("image-root");
  makeRootfs(root);
  const tar = box.path("rootfs.tar");
  execFileSync("tar", ["-C", root, "-cf", tar, "."]);
  return tar;
}

/** An image archive as `docker save` writes it, made by hand from the tar: what `ctr image import` takes. */
export function imageTar(box: Sandbox, name: string): string {
  const layer = rootfsTar(box);
  const digest = createHash("sha256").update(readFileSync(layer)).digest("hex");
  const config = {
    architecture: arch() === "arm64" ? "arm64" : "amd64",
    os: "linux",
    config: { Env: ["PATH=/bin"], Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: [`sha256:${digest}`] },
  };
  const manifest = [{ Config: "image.json", RepoTags: [name], Layers: ["rootfs.tar"] }];
  writeFileSync(box.path("image.json"), JSON.stringify(config));
  writeFileSync(box.path("manifest.json"), JSON.stringify(manifest));
  const tar = box.path("image.tar");
  execFileSync("tar", ["-C", box.directory, "-cf", tar, "manifest.json", "image.json", "rootfs.tar"]);
  return tar;
}

/** Starts a daemon that ends with the sandbox, its output in a log there. */
export function startDaemon(box: Sandbox, program: string, args: readonly string[]): void {
  const log = openSync(box.path(`${program}.log`), "a");
  const env = { ...process.env, PATH: enginePath() };
  const child = spawn(program, args, { stdio: ["ignore", log, log], env, cwd: box.directory });
  box.defer(() => stop(child));
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  const killer = setTimeout(() => child.kill("SIGKILL"), 10_000);
  await ended;
  clearTimeout(killer);
}

/** A client of an engine: runs one command, never throws. */
export function client(box: Sandbox, program: string, globals: readonly string[]) {
  return (...args: string[]): Promise<Result> => callProgram(box, program, [...globals, ...args]);
}

/** Runs a program for the sandbox, with what it reads; never throws. */
export async function callProgram(
  box: Sandbox,
  program: string,
  args: readonly string[],
  input?: string | Readable,
): Promise<Result> {
  const ended = await execa(program, args, {
    ...{ reject: false, stripFinalNewline: false, timeout: scaled(60_000) },
    ...(input === undefined ? { stdin: "ignore" as const } : { input }),
    ...{ env: engineEnvironment(box), cwd: box.directory },
  });
  return { code: ended.exitCode, signal: ended.signal, stdout: String(ended.stdout), stderr: String(ended.stderr) };
}

/** What is in the environment of an engine's programs beside the test's own. */
export function engineEnvironment(box: Sandbox): { PATH: string; TSRUN_ENGINE: string } {
  return { PATH: enginePath(), TSRUN_ENGINE: box.word };
}

/** Waits until a command succeeds: the daemon answers. */
export async function untilAnswers(box: Sandbox, daemon: string, ask: () => Promise<Result>): Promise<void> {
  const end = Date.now() + scaled(30_000);
  while (Date.now() < end) {
    if ((await ask()).code === 0) return;
    await sleep(100);
  }
  throw new Error(`${daemon} does not answer:\n${readFileSync(box.path(`${daemon}.log`), "utf8").slice(-2000)}`);
}

/** Has the host forward packets at the end as it did before: whoever makes a bridge network has it do so. */
export function keepForwarding(box: Sandbox): void {
  const before = FORWARDING.filter((path) => existsSync(path)).map((path) => [path, readFileSync(path)] as const);
  box.defer(() => {
    for (const [path, value] of before) writeFileSync(path, value);
  });
}

const FORWARDING = ["/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/ipv6/conf/all/forwarding"];

/** Removes, at the end, paths outside of the sandbox that the engine makes where they are missing now. */
export function removeIfNew(box: Sandbox, ...paths: readonly string[]): void {
  for (const path of paths.filter((each) => !existsSync(each))) {
    box.defer(() => rmSync(path, { recursive: true, force: true }));
  }
}

/** Removes, at the end, what containerd leaves among temporary files of each checkpoint. */
export function removeCheckpoints(box: Sandbox): void {
  const list = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith("ctrd-checkpoint"));
  const before = list();
  box.defer(() => {
    for (const name of list().filter((each) => !before.includes(each)))
      rmSync(join(tmpdir(), name), { recursive: true });
  });
}

/**
 * Removes, at the end, the engine's parent cgroups; one that is not empty stays, and the sandbox complains of it. Before
 * that it lets the engine's helpers end, which outlive its commands by a moment (conmon, `podman container cleanup`).
 */
export function removeParentCgroups(box: Sandbox): void {
  box.defer(async () => {
    for (let tries = 0; processesOf(box.word).length > 0 && tries < 400; tries += 1) await sleep(scaled(50));
    for (let tries = 0; !emptied(box) && tries < 400; tries += 1) await sleep(50);
  });
}

/** Whether every parent cgroup could be removed: the kernel says EBUSY until the last dead process was waited for. */
function emptied(box: Sandbox): boolean {
  const names = [box.word, "conmon", "buildkit"];
  const parents = cgroupsOf(box.word).filter((path) => names.some((name) => path.endsWith(name)));
  return parents.reverse().every((path) => {
    try {
      rmdirSync(path);
      return true;
    } catch {
      return false;
    }
  });
}

/** The PATH of engines: with what is for root. */
export function enginePath(): string {
  return [process.env.PATH, "/usr/sbin", "/sbin"].join(":");
}

/** Debian's client, by path where it is: another on the PATH may be newer than this daemon. */
export const DOCKER_CLIENT = existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker";

/** The path of a file in the sandbox's folder for an engine, made short: sockets have 107 bytes. */
export function socketPath(box: Sandbox): string {
  return join(box.directory, "s");
}
