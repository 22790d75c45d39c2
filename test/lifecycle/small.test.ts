// The small parts: ids of processes, writing, the log, messages, the rule for bundles, the default directory.

import { appendFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync, type writeSync } from "node:fs";
import { execa } from "execa";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { nameOf } from "../../src/lifecycle/bundle-argument.ts";
import { defaultRoot, globalsOf, logOf } from "../../src/lifecycle/globals.ts";
import { Log, type LogSettings } from "../../src/lifecycle/log.ts";
import { messageOf } from "../../src/lifecycle/message.ts";
import { writeAll } from "../../src/lifecycle/output.ts";
import { isAlive, processStat, signalProcess } from "../../src/lifecycle/process-identity.ts";
import { closest } from "../../src/lifecycle/suggest.ts";
import { UsageError } from "../../src/lifecycle/usage-error.ts";
import { temporary } from "./harness.ts";

describe("a process's identity", () => {
  test("is read past a name with parentheses and spaces", async () => {
    const directory = temporary();
    const name = `${directory}/a) R 1 (b`;
    symlinkSync("/bin/sleep", name);
    const child = execa(name, ["60"], { reject: false });
    onTestFinished(() => void child.kill("SIGKILL"));
    await expect.poll(() => readFileSync(`/proc/${child.pid}/comm`, "utf8")).toBe("a) R 1 (b\n");
    const start = Number(readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[19]);
    expect(processStat(child.pid ?? 0)).toMatchObject({ start });
    expect(isAlive(child.pid ?? 0, start)).toBe(true);
    expect(isAlive(child.pid ?? 0, start + 1)).toBe(false);
  });

  test("is looked at when it is signalled: a later process with its number gets no signal of its", async () => {
    const child = execa("sleep", ["60"], { reject: false });
    const pid = child.pid ?? 0;
    const start = processStat(pid)?.start ?? 0;
    expect(signalProcess(pid, start - 1, 9)).toBe(false);
    expect(signalProcess(pid, start, 15)).toBe(true);
    expect((await child).signal).toBe("SIGTERM");
    expect(signalProcess(pid, start, 15)).toBe(false);
    expect(signalProcess(0, 0, 15)).toBe(false);
  });

  test("of none is undefined, and 0 and less are never alive", () => {
    expect(processStat(2 ** 22 + 1)).toBeUndefined();
    expect(isAlive(0, 0)).toBe(false);
    expect(isAlive(-1, 0)).toBe(false);
  });
});

describe("writing", () => {
  test("goes on after a partial write, at the byte and not at the letter", () => {
    const parts: string[] = [];
    const two = (_: number, bytes: Uint8Array, from: number) => {
      parts.push(Buffer.from(bytes.subarray(from, from + 2)).toString("hex"));
      return Math.min(2, bytes.length - from);
    };
    writeAll(1, "aüb", two as unknown as typeof writeSync);
    expect(parts.join("")).toBe(Buffer.from("aüb").toString("hex"));
  });

  test("waits for a full descriptor and fails of any other error", () => {
    const answers: (number | string)[] = ["EAGAIN", "EAGAIN", 3];
    const fake = (() => {
      const answer = answers.shift();
      if (typeof answer === "string") throw Object.assign(new Error(answer), { code: answer });
      return answer;
    }) as unknown as typeof writeSync;
    writeAll(1, "abc", fake);
    expect(answers).toEqual([]);
    answers.push("EPIPE");
    expect(() => writeAll(1, "abc", fake)).toThrow("EPIPE");
  });

  test("more than a pipe holds arrives whole through a non-blocking one", async () => {
    const text = "0123456789".repeat(50_000);
    const module = new URL("../../src/lifecycle/output.ts", import.meta.url).href;
    // The reader makes its end non-blocking, which the writer's end of a socket pair shares: O_NONBLOCK by Python.
    const python = `
import os, subprocess, sys, time
r, w = os.pipe(); os.set_blocking(w, False)
p = subprocess.Popen(sys.argv[1:], stdout=w); os.close(w); time.sleep(0.3)
n = 0
while True:
    b = os.read(r, 65536)
    if not b: break
    n += len(b)
print(n, p.wait())`;
    const script = `import { print } from ${JSON.stringify(module)}; print("0123456789".repeat(50_000));`;
    const node = new URL("../../node_modules/.bin/node", import.meta.url).pathname;
    const { stdout } = await execa("python3", ["-c", python, node, "--input-type=module-typescript", "-e", script]);
    expect(stdout).toBe(`${text.length} 0`);
  });
});

describe("the log", () => {
  function logged(settings: Partial<LogSettings>, write: (log: Log) => void): string {
    const file = `${temporary()}/log`;
    appendFileSync(file, "");
    write(new Log({ file, format: "text", level: "error", ...settings }));
    return readFileSync(file, "utf8").replaceAll(/time="[^"]*" /g, "");
  }

  test("has warnings and debug lines only when they were asked for", () => {
    const both = (log: Log) => {
      log.warn("w");
      log.debug("d");
    };
    expect(logged({}, both)).toBe("");
    expect(logged({ level: "warning" }, both)).toBe("level=warning msg=w\n");
    expect(logged({ level: "debug" }, both)).toBe("level=warning msg=w\nlevel=debug msg=d\n");
  });

  test("is a line a message, whatever is in it", () => {
    expect(logged({ level: "debug" }, (log) => log.debug('a "b"\nc'))).toBe('level=debug msg="a \\"b\\"\\nc"\n');
    const json = logged({ level: "debug", format: "json" }, (log) => log.debug('a "b"\nc'));
    expect(json.split("\n")).toHaveLength(2);
    expect(JSON.parse(json)).toMatchObject({ level: "debug", msg: 'a "b"\nc' });
  });
});

describe("the message of an error", () => {
  test.each([
    ["its own", new Error("a"), "a"],
    ["with a hint", new UsageError("a", { hint: "did you mean b?" }), "a (did you mean b?)"],
    ["with its cause", new Error("mounts[3]", { cause: new Error("EINVAL") }), "mounts[3]: EINVAL"],
    ["with a cause that it tells already", new Error("a: b", { cause: new Error("b") }), "a: b"],
    [
      "with what failed while cleaning up after it",
      new SuppressedError(new Error("rmdir"), new Error("mount"), "both"),
      "mount; and cleaning up failed: rmdir",
    ],
    ["that is none", "text", "text"],
  ])("%s", (_, error, message) => {
    expect(messageOf(error)).toBe(message);
  });
});

test.each([
  ["stat", "state"],
  ["bundel", "bundle"],
  ["pidfile", "pid-file"],
  ["no-pivto", "no-pivot"],
  ["x", undefined],
  ["frobnicate", undefined],
])("for %s, %s was meant", (word, meant) => {
  expect(closest(word, ["start", "state", "bundle", "pid-file", "no-pivot", "all"])).toBe(meant);
});

describe("a bundle named by its path", () => {
  test("needs a slash, a config.json, and no --bundle", () => {
    const directory = temporary();
    mkdirSync(`${directory}/web`);
    writeFileSync(`${directory}/config.json`, "{}");
    expect(nameOf(`${directory}/web`, false)).toEqual({ id: `${directory}/web` });
    writeFileSync(`${directory}/web/config.json`, "{}");
    expect(nameOf(`${directory}/web`, false)).toEqual({ id: "web", bundle: `${directory}/web` });
    expect(nameOf(`${directory}/web/`, false)).toEqual({ id: "web", bundle: `${directory}/web` });
    expect(nameOf(`${directory}/web/../web/.`, false)).toEqual({ id: "web", bundle: `${directory}/web` });
    expect(nameOf(`${directory}/web`, true)).toEqual({ id: `${directory}/web` });
    expect(nameOf("web", false)).toEqual({ id: "web" });
  });
});

describe("global options", () => {
  const globals = (given: Parameters<typeof logOf>[0]) => globalsOf(given, logOf(given));

  test.each([
    [{}, { cgroupManager: "cgroupfs", systemdCgroup: false, debug: false, rootless: "auto", rootGiven: false }],
    [{ systemdCgroup: true }, { cgroupManager: "systemd", systemdCgroup: true }],
    [{ cgroupManager: "systemd" }, { cgroupManager: "systemd", systemdCgroup: true }],
    [
      { cgroupManager: "disabled", systemdCgroup: true },
      { cgroupManager: "disabled", systemdCgroup: false },
    ],
    [{ logLevel: "debug" }, { debug: true }],
    [{ debug: true, logLevel: "error" }, { debug: true }],
    [{ rootless: "true" }, { rootless: true }],
    [{ rootless: "false" }, { rootless: false }],
    [{ root: "/a/../b/" }, { root: "/b", rootGiven: true }],
    [{ root: "x" }, { root: `${process.cwd()}/x` }],
  ])("%j", (given, expected) => {
    expect(globals(given)).toMatchObject(expected);
  });

  test("root's store is in /run, whatever XDG_RUNTIME_DIR is; without root rights it is there", () => {
    expect(defaultRoot({ XDG_RUNTIME_DIR: "/run/user/1", USER: "root" })).toBe("/run/tsrun");
    const euid = vi.spyOn(process, "geteuid").mockReturnValue(1000);
    onTestFinished(() => euid.mockRestore());
    expect(defaultRoot({ XDG_RUNTIME_DIR: "/run/user/1" })).toBe("/run/user/1/tsrun");
    expect(defaultRoot({})).toBe("/run/tsrun");
  });
});
