// The program for AArch64, whole: cross-built as `npm run build -- --arch=arm64` does it, and run in qemu's user mode by
// machines of the other kind. What can be wrong in one architecture alone: the image of the heap and where pages end, how C
// functions are called, numbers of system calls, flags.
//
// No container is run. Of the calls that make one, qemu 7.2 does not know clone3, openat2, fsopen, fsmount, open_tree,
// move_mount and mount_setattr (ENOSYS); nor does the kernel execute the agent's memfd (ENOEXEC), unless
// binfmt_misc names qemu for the whole machine. The agent and its protocol are tested in test/linux/agent.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toolsFor } from "../../scripts/engine.ts";
import { agentImage } from "../../src/linux/agent/image.ts";
import { AGENT_SOCKET } from "../../src/linux/agent/wire.ts";
import { facts } from "../linux/libc-checks.ts";
import { minimalConfig } from "../spec/fixtures.ts";
import { EngineProgram, missing } from "./program.ts";
import { decoded, disposal, verdictOf } from "./same-on-node.ts";

const ARCH = "arm64";
/** The largest page that its kernels are set up with. */
const PAGE = 0x1_0000;
const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const why = missing(ARCH);
/** Declares a test; where the tools are missing it is skipped with that reason. */
function test(name: string, body: () => void): void {
  if (why === undefined) it(name, body);
  else it(name, ({ skip }) => skip(why));
}

let folder: string;
let checks: EngineProgram;
const made = new DisposableStack();
beforeAll(async () => {
  if (why !== undefined) return;
  folder = made.adopt(mkdtempSync(join(tmpdir(), "arm64-")), (path) => rmSync(path, { recursive: true }));
  execFileSync(process.execPath, [at("../../scripts/build.ts"), `--arch=${ARCH}`, `--to=${folder}`], { stdio: "pipe" });
  checks = made.use(await EngineProgram.build(at("checks.ts"), ARCH));
}, 120_000); // the emulator compiles all of tsrun's JavaScript
afterAll(() => made.dispose());

/** A program of the architecture that has ended. */
function run(program: string, words: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  const [command = program, ...rest] = [...toolsFor(ARCH).emulator, program, ...words];
  return spawnSync(command, rest, { encoding: "utf8", ...options });
}

/** tsrun with a store of its own. */
const tsrun = (...words: string[]) => run(join(folder, "tsrun"), ["--root", join(folder, "store"), ...words]);

function resultOf(name: string, given: unknown = null): unknown {
  const { stdout, stderr } = run(checks.path, [name, JSON.stringify(given)]);
  expect(stderr).toBe("");
  return JSON.parse(stdout);
}

describe("tsrun on AArch64", () => {
  test("tells its version and what it can do", () => {
    expect(tsrun("--version")).toMatchObject({ status: 0, stdout: expect.stringMatching(/^tsrun version \d/) });
    expect(tsrun("help")).toMatchObject({ status: 0, stdout: expect.stringContaining("Usage: tsrun") });
    const { status, stdout } = tsrun("features");
    expect([status, JSON.parse(stdout)]).toMatchObject([
      0,
      { ociVersionMax: "1.3.0", linux: { cgroup: { v2: true } } },
    ]);
  });

  test("has no containers before the first one", () => {
    mkdirSync(join(folder, "store"));
    expect(tsrun("list", "--format=json")).toMatchObject({ status: 0, stdout: "null\n", stderr: "" });
    const { status, stderr } = tsrun("state", "nosuch");
    expect([status, stderr]).toEqual([1, expect.stringContaining('msg="container does not exist: nosuch"')]);
  });

  test("writes a config that it does not overwrite", () => {
    const bundle = mkdtempSync(join(folder, "bundle-"));
    expect(tsrun("spec", "--bundle", bundle)).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(JSON.parse(readFileSync(join(bundle, "config.json"), "utf8")).process.args).toEqual(["sh"]);
    expect(tsrun("spec", "--bundle", bundle)).toMatchObject({ status: 1, stderr: expect.stringMatching(/exists/) });
  });

  test("refuses a config, and says where it is wrong", () => {
    const bundle = mkdtempSync(join(folder, "bundle-"));
    const config = { ...minimalConfig(), process: { cwd: "/", args: [7] } };
    writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
    const { status, stderr } = tsrun("create", "--bundle", bundle, "c1");
    expect([status, stderr]).toEqual([1, expect.stringContaining("/process/args/0: must be a string, not 7")]);
  });

  test("has its agent beside it", () => {
    expect(readFileSync(join(folder, "tsrun-agent"))).toEqual(Buffer.from(agentImage(ARCH, AGENT_SOCKET)));
  });

  test("can be mapped by kernels with the largest pages", () => {
    const loaded = segments(readFileSync(join(folder, "tsrun")));
    for (const { offset, address } of loaded) expect(offset % PAGE).toBe(address % PAGE);
    const ends = loaded.map(({ address, size }) => Math.ceil((address + size) / PAGE) * PAGE);
    for (const [i, { address }] of loaded.slice(1).entries()) expect(address).toBeGreaterThanOrEqual(ends[i] ?? 0);
    expect(loaded.at(-1)).toMatchObject({
      address: 0x1000_0000,
      size: expect.toSatisfy((size) => size > 0 && size % PAGE === 0),
    });
  });
});

/** The segments that are loaded, lowest first. elf(5). */
function segments(executable: Buffer) {
  const count = executable.readUInt16LE(56);
  const headers = Array.from({ length: count }, (_, i) => executable.subarray(64 + 56 * i));
  const word = (header: Buffer, offset: number) => Number(header.readBigUInt64LE(offset));
  return headers
    .filter((header) => header.readUInt32LE(0) === 1) // PT_LOAD
    .map((header) => ({ offset: word(header, 8), address: word(header, 16), size: word(header, 40) }));
}

describe("The engine on AArch64", () => {
  test("calls the C library as Node does", () => {
    const empty = expect.any(Number); // what readlink answers to no buffer: qemu says it of /proc/self/exe, not the kernel
    expect(resultOf("libc")).toEqual({ ...facts(), empty });
  });

  test("has what Node has", () => {
    const config = JSON.stringify(minimalConfig());
    const configs = [
      config,
      config.replace('"/"', '"x"'),
      '{"linux":{"resources":{"pids":{"limit":18446744073709551615}}}}',
    ];
    expect(JSON.stringify(resultOf("configs", configs))).toBe(JSON.stringify(configs.map(verdictOf)));
    const arrays = [[65, 195, 164, 0xff], [0xef, 0xbb, 0xbf, 66], [0xf0, 0x9f, 0x98], []];
    expect(resultOf("decode", arrays)).toEqual(arrays.map((bytes) => decoded(Uint8Array.from(bytes))));
    const texts = ["\ud800", "a\udfff\ud83d\ude00", ""];
    expect(resultOf("encode", texts)).toEqual(texts.map((text) => [...new TextEncoder().encode(text)]));
    expect(resultOf("disposal")).toEqual(disposal());
  });

  test("knows the process that was started", () => {
    const env = { A: "1", EMPTY: "", TZ: "UTC" };
    const { pid, stdout } = run(checks.path, ["process", "null", "--x", "\u00e4"], { cwd: "/usr", env });
    expect(JSON.parse(stdout)).toEqual({
      arguments: ["process", "null", "--x", "\u00e4"],
      environment: env,
      directory: "/usr",
      ids: [pid, process.pid, process.geteuid?.()],
      architecture: ARCH,
    });
  });

  test("keeps what is in its heap", () => {
    expect(resultOf("churn", 100)).toBe(true); // 50 MB, which take the emulator seconds
  });

  test("ends recursion in an exception, not in a crash", () => {
    expect([resultOf("deep", 100), resultOf("deep", 1_000_000)]).toEqual([100, "InternalError"]);
  });

  test("tells an error that nothing caught, with where it came from", () => {
    const stderr = expect.stringMatching(/^tsrun: internal error: Error: on purpose\n +at .*fatal/);
    expect(run(checks.path, ["fatal"])).toMatchObject({ status: 1, stdout: "", stderr });
  });
});
