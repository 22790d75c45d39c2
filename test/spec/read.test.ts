import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { loadConfig, loadProcess, loadResources } from "../../src/spec/load.ts";
import { FILE_MAX, readText } from "../../src/spec/read.ts";
import { minimalConfig } from "./fixtures.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "spec-read-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);

test("a config is read from its file, through a symbolic link too", () => {
  writeFileSync(at("real.json"), JSON.stringify(minimalConfig()));
  symlinkSync("real.json", at("config.json"));
  expect(loadConfig(at("config.json"))).toEqual(minimalConfig());
});

test("process and resources files are read and checked", () => {
  writeFileSync(at("process.json"), '{"cwd":"/","args":["sh"]}');
  writeFileSync(at("resources.json"), '{"memory":{"limit":9223372036854775807}}');
  expect(loadProcess(at("process.json"))).toEqual({ cwd: "/", args: ["sh"] });
  expect(loadResources(at("resources.json"))).toEqual({ memory: { limit: 9223372036854775807n } });
});

test("a missing file is told in the words that callers know", () => {
  expect(() => loadConfig(at("config.json"))).toThrow(`JSON specification file config.json not found in ${folder}`);
});

test("a file under a file is told with its errno", () => {
  writeFileSync(at("a"), "");
  expect(() => readText(at("a/config.json"))).toThrow(/^cannot open .*: ENOTDIR$/);
});

test("a FIFO without a writer is refused at once", () => {
  execFileSync("mkfifo", [at("fifo")]);
  // In a process of its own: an open that waits would wait for ever, and the test with it.
  const script = `import { readText } from "${new URL("../../src/spec/read.ts", import.meta.url)}"; readText(process.argv[1])`;
  const child = spawnSync(process.execPath, ["--input-type=module", "-e", script, at("fifo")], {
    encoding: "utf8",
    timeout: 20_000,
  });
  expect(child.signal).toBeNull();
  expect(child.stderr).toContain("fifo: is a FIFO, not a regular file");
});

test("a directory and a device are refused", () => {
  expect(() => readText(folder)).toThrow(/is a directory, not a regular file/);
  expect(() => readText("/dev/zero")).toThrow(/is a device, not a regular file/);
});

test("a socket is refused", async () => {
  const server = createServer().listen(at("socket"));
  await new Promise((done) => server.once("listening", done));
  try {
    expect(() => readText(at("socket"))).toThrow(/ENXIO/);
  } finally {
    await new Promise((done) => server.close(done));
  }
});

test("a file above the limit is refused before it is read, one at the limit is read", () => {
  writeFileSync(at("a"), "");
  truncateSync(at("a"), FILE_MAX + 1);
  expect(() => readText(at("a"))).toThrow(`has ${FILE_MAX + 1} bytes, more than the ${FILE_MAX} that are read`);
  truncateSync(at("a"), FILE_MAX);
  expect(readText(at("a")).length).toBe(FILE_MAX);
});

test("a file that tells no size is read to its end", () => {
  expect(readText("/proc/self/status")).toMatch(/^Name:/);
});

test("text that is not UTF-8 is refused, rather than changed", () => {
  writeFileSync(at("config.json"), Buffer.from([0x22, 0xff, 0x22]));
  expect(() => loadConfig(at("config.json"))).toThrow("config.json: is not UTF-8");
});
