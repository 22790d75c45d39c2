// Bad input: configurations that say something wrong, files that are not what they should be, flags that do not exist.
// Each is refused with status 1, with words that point at the mistake, and leaves nothing.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { idle, type Json } from "./harness/config.ts";
import { test } from "./harness/fixture.ts";
import { except, needs, type Peers } from "./harness/needs.ts";
import { refusalOf } from "./harness/run.ts";
import { repository } from "./harness/runtime.ts";

const pointers = except({ runc: "names no field", crun: "names no field" });
const unnamed = except({ runc: "names no file", crun: "names none, but for what is no JSON" });

describe("config.json", () => {
  needs(except({ crun: "gives no reason" }))("that is missing", async ({ box }) => {
    const container = box.container();
    rmSync(join(container.bundle, "config.json"));
    const result = await container.create();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/config\.json/);
    expect(result.stderr).toMatch(/not found|No such file/);
  });

  const broken: [name: string, text: string][] = [
    ["is empty", ""],
    ["is cut off", '{"ociVersion": "1.0.2", "process": {'],
    ["is no object", "[]"],
    ["is not JSON", "ociVersion: 1.0.2"],
  ];
  for (const [name, text] of broken) {
    test(`that ${name}`, async ({ box }) => {
      const container = box.container();
      container.writeConfig(text);
      expect((await container.create()).code).toBe(1);
      expect(existsSync(join(box.root, container.id))).toBe(false);
    });
  }

  test("that is a directory", async ({ box }) => {
    const container = box.container();
    rmSync(join(container.bundle, "config.json"));
    mkdirSync(join(container.bundle, "config.json"));
    expect((await container.create()).code).toBe(1);
  });

  const fields: [pointer: string, overrides: Json][] = [
    ["/ociVersion", { ociVersion: "one" }],
    ["/process/args", { process: { args: [] } }],
    ["/process/cwd", { process: { cwd: "relative" } }],
    ["/process/env/0", { process: { env: ["NOTHING"] } }],
    ["/process/user/uid", { process: { user: { uid: -1 } } }],
    ["/process/user/uid", { process: { user: { uid: "0" } } }],
    ["/process/rlimits/0/type", { process: { rlimits: [{ type: "RLIMIT_GALAXY", soft: 1, hard: 1 }] } }],
    ["/process/args/0", { process: { args: ["a\0b"] } }],
    ["/root/path", { root: { path: undefined } }],
    ["/hostname", { hostname: 5 }],
    ["/mounts/0/destination", { mounts: [{ type: "proc", source: "proc" }] }],
    ["/linux/namespaces/0/type", { linux: { namespaces: [{ type: "galaxy" }] } }],
    ["/linux/devices/0/type", { linux: { devices: [{ path: "/dev/x", type: "z" }] } }],
    ["/linux/rootfsPropagation", { linux: { rootfsPropagation: "sideways" } }],
    ["/linux/resources/memory/limit", { linux: { resources: { memory: { limit: 1.5 } } } }],
    ["/linux/resources/pids/limit", { linux: { resources: { pids: { limit: "many" } } } }],
    ["/hooks/createRuntime/0/path", { hooks: { createRuntime: [{ args: ["x"] }] } }],
  ];
  for (const [pointer, overrides] of fields) {
    needs(pointers)(
      `${pointer} that is wrong is named by its pointer: ${JSON.stringify(overrides)}`,
      async ({ box }) => {
        expect(await refusalOf(box, overrides)).toContain(pointer);
      },
    );
  }

  needs(pointers)("two mistakes are told at once", async ({ box }) => {
    const message = await refusalOf(box, { hostname: 5, process: { cwd: 7 } });
    expect(message).toContain("/hostname");
    expect(message).toContain("/process/cwd");
  });

  const duplicates: [name: string, overrides: Json][] = [
    ["rlimits", { process: { rlimits: [1, 2].map((soft) => ({ type: "RLIMIT_CORE", soft, hard: 9 })) } }],
    ["namespaces", { linux: { namespaces: ["mount", "pid", "pid"].map((type) => ({ type })) } }],
  ];
  for (const [name, overrides] of duplicates) {
    needs(except({ crun: "takes them", ...(name === "rlimits" ? { runc: "1.1 takes them" } : {}) }))(
      `duplicate ${name} are refused`,
      async ({ box }) => {
        expect(await refusalOf(box, overrides)).not.toBe("");
      },
    );
  }

  test("unknown fields are ignored, wherever they are", async ({ box }) => {
    const extra = { unknown: { deeply: [1] } };
    const container = box.container({ ...extra, process: extra, linux: { ...extra, resources: extra }, root: extra });
    expect((await container.run()).code).toBe(0);
  });

  test("annotations that would poison an object do not", async ({ box }) => {
    const container = box.container(idle());
    const config = readFileSync(join(container.bundle, "config.json"), "utf8");
    container.writeConfig(config.replace("{", '{"annotations":{"__proto__":"x","constructor":"y"},'));
    expect((await container.create()).code).toBe(0);
    const { stdout } = await box.call(["state", container.id]);
    expect(stdout).toContain('"__proto__": "x"');
  });

  const directory = join(repository, "test/spec/upstream/test/config/bad");
  const files = readdirSync(directory).map((name) => join(directory, name));
  for (const file of files) {
    needs(unnamed)(`the specification's own bad file ${file.split("/").at(-1)} is refused`, async ({ box }) => {
      const container = box.container();
      container.writeConfig(readFileSync(file, "utf8"));
      const result = await container.create();
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/config\.json/);
    });
  }
});

describe("the command line", () => {
  const usage = { crun: "exits with 64" };
  const rows: [name: string, args: string[], peers?: Peers][] = [
    ["a flag that does not exist", ["state", "--galaxy", "x"], usage],
    ["a global flag that does not exist", ["--galaxy", "state", "x"], usage],
    ["a flag without its value", ["create", "--bundle"], usage],
    ["a command without its id", ["state"]],
    ["a log format that does not exist", ["--log-format", "xml", "state", "x"]],
  ];
  for (const [name, args, peers = {}] of rows) {
    needs(except(peers))(`${name} is refused`, async ({ box }) => {
      const result = await box.call(args);
      expect(result.code).toBe(1);
      expect(result.stderr).not.toBe("");
    });
  }

  needs(except({ crun: "suggests nothing" }))("a wrong flag gets a suggestion", async ({ box }) => {
    const result = await box.call(["create", "--bundel", "/x", "id"]);
    expect(result.code).toBe(1);
    expect(result.stdout + result.stderr).toMatch(/--bundle/);
  });

  test("a command that does not exist is refused", async ({ box }) => {
    expect((await box.call(["galaxy"])).code).not.toBe(0);
  });
});
