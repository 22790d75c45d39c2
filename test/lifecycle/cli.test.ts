// tsrun as a process: its words, streams and exit codes, which engines match on (REFERENCE §1.5, §1.6).

import { mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test, vi } from "vitest";
import { Container } from "../../src/lifecycle/container.ts";
import { processStat } from "../../src/lifecycle/process-identity.ts";
import type { State } from "../../src/lifecycle/state-file.ts";
import { temporary, tsrun } from "./harness.ts";
import { sample } from "./sample.ts";

// Whole processes, on machines that have other things to do.
vi.setConfig({ testTimeout: 60_000 });

const TIME = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z";

/** A store with these containers. */
function store(...states: Partial<State>[]): string {
  const root = temporary();
  for (const state of states) {
    using container = Container.create(root, state.id ?? "c1");
    container.update(sample(state));
  }
  return root;
}

describe("an error", () => {
  test("is one line of logrus text on stderr, nothing on stdout, and exit 1", async () => {
    const { code, stdout, stderr } = await tsrun(["--root", temporary(), "state", "nosuch"]);
    expect([code, stdout]).toEqual([1, ""]);
    expect(stderr).toMatch(new RegExp(`^time="${TIME}" level=error msg="container does not exist: nosuch"\n$`));
  });

  test("with --log is one line of JSON in the file, and bare on stderr", async () => {
    const root = temporary();
    writeFileSync(`${root}/log`, "before\n");
    const words = ["--root", root, "--log", `${root}/log`, "--log-format", "json", "state", "nosuch"];
    expect(await tsrun(words)).toEqual({ code: 1, stdout: "", stderr: "container does not exist: nosuch\n" });
    const [before, line, ...rest] = readFileSync(`${root}/log`, "utf8").split("\n");
    expect([before, rest]).toEqual(["before", [""]]);
    expect(JSON.parse(line ?? "")).toEqual({
      level: "error",
      msg: "container does not exist: nosuch",
      time: expect.stringMatching(new RegExp(`^${TIME}$`)),
    });
  });

  test("of the command line goes to the log that the command line names, too", async () => {
    const root = temporary();
    const { code, stderr } = await tsrun(["--log", `${root}/log`, "--log-format=json", "create", "--bundel", "x"]);
    expect(code).toBe(1);
    expect(stderr).toBe("flag provided but not defined: --bundel (did you mean --bundle?)\n");
    expect(JSON.parse(readFileSync(`${root}/log`, "utf8"))).toMatchObject({ level: "error" });
  });

  test("is told on stderr when the log cannot be written", async () => {
    const { code, stderr } = await tsrun(["--root", temporary(), "--log", "/nonexistent/log", "state", "x"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^cannot write the log: ENOENT.*\ncontainer does not exist: x\n$/);
  });

  test("with --debug comes with where it happened", async () => {
    const { stderr } = await tsrun(["--root", temporary(), "--debug", "state", "x"]);
    expect(stderr).toMatch(
      /level=error msg="container does not exist: x"\n.*level=debug msg="UsageError: container does not exist: x\\n +at /,
    );
  });

  test("when stdout is full is an error like any other", async () => {
    const root = store({});
    const { code, stderr } = await tsrun(["--root", root, "state", "c1"], {
      stdout: { fd: openSync("/dev/full", "w") },
    } as never);
    expect(code).toBe(1);
    expect(stderr).toMatch(/level=error msg="ENOSPC/);
  });
});

describe("a mistake on the command line", () => {
  test.each([
    [["create", "--bundel", "x"], "flag provided but not defined: --bundel (did you mean --bundle?)", "tsrun create: "],
    [["create", "--bundle"], "flag needs an argument: --bundle", "tsrun create: "],
    [["stat", "x"], "unknown command: stat (did you mean state?)", "tsrun: run OCI containers"],
    [["frobnicate"], "unknown command: frobnicate", "tsrun: run OCI containers"],
    [["constructor"], "unknown command: constructor", "tsrun: run OCI containers"],
    [
      ["--rot", "/x", "list"],
      "flag provided but not defined: --rot (did you mean --root?)",
      "tsrun: run OCI containers",
    ],
    [["state"], '"state" requires exactly 1 argument(s)', "tsrun state: "],
    [["state", "a", "b"], '"state" requires exactly 1 argument(s)', "tsrun state: "],
    [["kill", "a", "9", "b"], '"kill" requires a maximum of 2 argument(s)', "tsrun kill: "],
    [["exec"], '"exec" requires a minimum of 1 argument(s)', "tsrun exec: "],
    [["list", "--format=xml"], "invalid format: xml (must be table or json)", "tsrun list: "],
  ])("%j", async (words, message, help) => {
    const { code, stdout, stderr } = await tsrun(words);
    expect(code).toBe(1);
    expect(stdout.startsWith(`Incorrect usage: ${message}\n\n${help}`)).toBe(true);
    expect(stdout).toContain("Options:\n");
    expect(stderr).toContain(`level=error msg=${JSON.stringify(message)}\n`);
    expect(stderr.split("\n")).toHaveLength(2);
  });
});

describe("ids and directories", () => {
  test("an id that is none is refused in runc's words, without the help", async () => {
    const root = temporary();
    for (const id of ["../no-such-bundle", "a/b", ".."]) {
      const { code, stdout, stderr } = await tsrun(["--root", root, "state", id]);
      expect([code, stdout]).toEqual([1, ""]);
      expect(stderr).toContain('msg="invalid container ID format"');
    }
    expect((await tsrun(["--root", root, "state", ""])).stderr).toContain('msg="container id cannot be empty"');
  });

  test("the root directory cannot be --root, by whatever name", async () => {
    for (const root of ["/", "//", "/tmp/.."]) {
      expect((await tsrun(["--root", root, "list"])).stderr).toContain("cannot keep state in /");
    }
    expect((await tsrun(["--root", "", "list"], { cwd: "/" })).code).toBe(1);
  });
});

describe("state", () => {
  test("is runc's JSON, byte for byte", async () => {
    const root = store({
      annotations: { b: "2", a: 'x"' },
      pid: process.pid,
      pidStart: processStat("self")?.start ?? 0,
    });
    expect(await tsrun(["--root", root, "state", "c1"])).toEqual({
      code: 0,
      stderr: "",
      stdout: `{
  "ociVersion": "1.3.0",
  "id": "c1",
  "pid": ${process.pid},
  "status": "running",
  "bundle": "/bundle",
  "rootfs": "/bundle/rootfs",
  "created": "2026-01-02T03:04:05.678Z",
  "annotations": {
    "a": "x\\"",
    "b": "2"
  },
  "owner": ""
}`,
    });
  });

  test("of a container whose process has gone has pid 0, and no annotations where there are none", async () => {
    const { stdout } = await tsrun(["--root", store({ pid: process.pid, pidStart: 1 }), "state", "c1"]);
    expect(JSON.parse(stdout)).toMatchObject({ status: "stopped", pid: 0 });
    expect(stdout).not.toContain("annotations");
  });

  test("is found by the path of a bundle, when --root knows a container of its name", async () => {
    const root = store({ id: "web" });
    const bundle = `${temporary()}/web`;
    mkdirSync(bundle);
    expect((await tsrun(["--root", root, "state", bundle])).stderr).toContain("invalid container ID format");
    writeFileSync(`${bundle}/config.json`, "{}");
    expect(JSON.parse((await tsrun(["--root", root, "state", `${bundle}/`])).stdout)).toMatchObject({ id: "web" });
    expect(JSON.parse((await tsrun(["--root", root, "state", "./"], { cwd: bundle })).stdout)).toMatchObject({
      id: "web",
    });
  });
});

describe("list", () => {
  const long = "a-container-with-a-long-name";

  test("is runc's table, byte for byte", async () => {
    const root = store({ id: "b" }, { id: long, uid: 4_000_000, bundle: "/b" });
    expect(await tsrun(["--root", root, "list"])).toEqual({
      code: 0,
      stderr: "",
      stdout:
        "ID                             PID         STATUS      BUNDLE      CREATED                    OWNER\n" +
        `${long}   0           stopped     /b          2026-01-02T03:04:05.678Z   #4000000\n` +
        "b                              0           stopped     /bundle     2026-01-02T03:04:05.678Z   root\n",
    });
  });

  test("is one line of JSON, and null when there are none", async () => {
    const { stdout } = await tsrun(["--root", store({ id: "b" }), "list", "--format", "json"]);
    expect(stdout).toBe(
      '[{"ociVersion":"1.3.0","id":"b","pid":0,"status":"stopped","bundle":"/bundle","rootfs":"/bundle/rootfs",' +
        '"created":"2026-01-02T03:04:05.678Z","owner":"root"}]\n',
    );
    expect((await tsrun(["--root", temporary(), "list", "-f", "json"])).stdout).toBe("null\n");
    expect((await tsrun(["--root", temporary(), "list"])).stdout).toBe(
      "ID          PID         STATUS      BUNDLE      CREATED     OWNER\n",
    );
  });

  test("--quiet is ids alone, and none when there are none", async () => {
    expect((await tsrun(["--root", store({ id: "b" }, { id: "a" }), "list", "-q"])).stdout).toBe("a\nb\n");
    expect((await tsrun(["--root", temporary(), "list", "-q"])).stdout).toBe("");
  });

  test("names on stderr what it cannot load and shows the rest", async () => {
    const root = store({ id: "a" }, { id: "broken" });
    writeFileSync(`${root}/broken/state.json`, "{");
    mkdirSync(`${root}/half`);
    mkdirSync(`${root}/not an id`);
    writeFileSync(`${root}/a-file`, "");
    const { code, stdout, stderr } = await tsrun(["--root", root, "list", "-q"]);
    expect([code, stdout]).toEqual([0, "a\n"]);
    const lines = stderr.trimEnd().split("\n");
    expect(lines[0]).toMatch(/^load container broken: cannot read .*broken\/state\.json: /);
    expect(lines.slice(1)).toEqual([
      "load container half: container does not exist: half",
      "load container not an id: invalid container ID format",
    ]);
  });

  test("of a directory that is not there is an error when it was named, and empty when it is the default", async () => {
    const { code, stderr } = await tsrun(["--root", `${temporary()}/none`, "list"]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/no such file or directory/);
    const env = { XDG_RUNTIME_DIR: temporary() };
    expect(await tsrun(["list", "-f", "json"], { env, extendEnv: false })).toMatchObject({ code: 0, stderr: "" });
  });
});

describe("spec", () => {
  test("writes a config that it does not overwrite", async () => {
    const directory = temporary();
    expect(await tsrun(["spec", "--bundle", directory])).toEqual({ code: 0, stdout: "", stderr: "" });
    const text = readFileSync(`${directory}/config.json`, "utf8");
    expect(JSON.parse(text).process.args).toEqual(["sh"]);
    const again = await tsrun(["spec"], { cwd: directory });
    expect(again.code).toBe(1);
    expect(again.stderr).toContain('msg="File config.json exists. Remove it first"');
    expect(readFileSync(`${directory}/config.json`, "utf8")).toBe(text);
  });

  test("--rootless adds a user namespace", async () => {
    const directory = temporary();
    await tsrun(["spec", "--rootless"], { cwd: directory });
    const { linux } = JSON.parse(readFileSync(`${directory}/config.json`, "utf8"));
    expect(linux.namespaces.map((one: { type: string }) => one.type)).toContain("user");
  });
});

describe("what tsrun says of itself", () => {
  test("--version is four lines, and only the first has the word", async () => {
    for (const flag of ["--version", "-v"]) {
      const { code, stdout, stderr } = await tsrun([flag]);
      expect([code, stderr]).toEqual([0, ""]);
      expect(stdout).toMatch(/^tsrun version \d+\.\d+\.\d+\ncommit: .+\nspec: 1\.3\.0\nlibseccomp: .+\n$/);
      expect(stdout.match(/version/g)).toHaveLength(1);
    }
  });

  test("features is JSON, indented by four, and needs no container and no store", async () => {
    const { code, stdout, stderr } = await tsrun(["--root", "/nonexistent", "features"], { env: {}, extendEnv: false });
    expect([code, stderr]).toEqual([0, ""]);
    const features = JSON.parse(stdout);
    expect(stdout).toBe(`${JSON.stringify(features, null, 4)}\n`);
    expect(features).toMatchObject({ ociVersionMin: "1.0.0", ociVersionMax: "1.3.0" });
    expect(features.linux.capabilities).toContain("CAP_SYS_ADMIN");
    expect(features.mountOptions).toContain("rbind");
  });

  test("without words, and with --help, -h or help, it explains itself", async () => {
    const { code, stdout, stderr } = await tsrun(["--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatchSnapshot();
    for (const words of [[], ["-h"], ["help"]]) expect((await tsrun(words)).stdout).toBe(stdout);
  });

  test.each(["create", "exec", "list"])("%s --help, -h and help %s print the same", async (name) => {
    const { code, stdout, stderr } = await tsrun([name, "--help"]);
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatchSnapshot();
    expect(stdout).not.toContain("no-subreaper");
    expect((await tsrun([name, "-h"])).stdout).toBe(stdout);
    expect((await tsrun(["help", name])).stdout).toBe(stdout);
  });

  test("help of what is no command is a mistake with a suggestion", async () => {
    const { code, stderr } = await tsrun(["help", "craete"]);
    expect(code).toBe(1);
    expect(stderr).toContain("no help for craete: unknown command (did you mean create?)");
  });

  test("the help is the same whatever the language, the terminal and the directory", async () => {
    const cwd = temporary();
    writeFileSync(`${cwd}/package.json`, '{"yargs":{"short-option-groups":false},"version":"6.6.6"}');
    const { stdout } = await tsrun(["list", "-h"], { cwd, env: { LANG: "de_DE.UTF-8", COLUMNS: "40" } });
    expect(stdout).toBe((await tsrun(["list", "-h"])).stdout);
  });
});
