// The command line as callers and people write it, where runc's, the library's under it and ours could differ: empty
// values, odd signals and ids, paths that are the caller's, what is on which stream (REFERENCE §1.1, §1.2, §1.5).

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { idle, type Json, sh } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { test } from "./harness/fixture.ts";
import { except, needs } from "./harness/needs.ts";
import type { Sandbox } from "./harness/sandbox.ts";

async function running(box: Sandbox, ...overrides: Json[]): Promise<Container> {
  const container = box.container(idle(), ...overrides);
  expect((await container.runDetached()).code).toBe(0);
  await container.untilOutput("ready");
  return container;
}

describe("a flag with an empty value is as one that was not given", () => {
  needs(except({ crun: "takes the empty words" }))("before the command and after it", async ({ box }) => {
    const container = box.container(idle());
    const flags = ["--pid-file", "", "--console-socket="];
    expect(await container.create(flags)).toMatchObject({ code: 0, stderr: "" });
    const result = await box.call(["--log", "", "--log-format", "", "state", container.id]);
    expect(result).toMatchObject({ code: 0, stderr: "" });
  });

  needs(except({ crun: "takes the empty words" }))("of exec", async ({ box }) => {
    const container = await running(box);
    const flags = ["--process", "", "--pid-file", "", "--user", "", "--cwd", "", "--console-socket", ""];
    expect(await container.exec(["pwd"], flags)).toMatchObject({ code: 0, stdout: "/\n", stderr: "" });
  });
});

describe("kill", () => {
  test("with signal 0 asks whether the container is there, and disturbs nothing", async ({ box }) => {
    const container = await running(box);
    expect(await container.kill("0")).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect((await container.state()).status).toBe("running");
    await container.kill("KILL");
    await container.until("stopped");
    expect((await container.kill("0")).code).toBe(1);
  });

  needs(except({ crun: "takes it for no signal" }))("with an empty signal sends TERM", async ({ box }) => {
    const container = await running(box);
    expect(await container.kill("")).toMatchObject({ code: 0, stdout: "", stderr: "" });
    await container.until("stopped");
  });
});

describe("exec with a flag that says nothing sensible is refused, with status 255 and without the help", () => {
  const rows: readonly (readonly [flags: string[], words: RegExp])[] = [
    [["--env", "NOTHING"], /--env: not NAME=VALUE: \\"NOTHING\\"/],
    [["--env", "=x"], /--env: not NAME=VALUE: \\"=x\\"/],
    [["--env", ""], /--env: not NAME=VALUE/],
    [["--cwd", "bin"], /--cwd: not an absolute path: \\"bin\\"/],
    [["--cap", "NET_ADMN"], /--cap: unknown capability: \\"NET_ADMN\\"/],
  ];
  for (const [flags, words] of rows) {
    needs(except({ runc: "has words of its own, or 1.1 ignores it", crun: "ignores it" }))(
      flags.join(" "),
      async ({ box }) => {
        const container = await running(box);
        const result = await container.exec(["true"], flags);
        expect(result).toMatchObject({ code: 255, stdout: "" });
        expect(result.stderr).toMatch(words);
      },
    );
  }

  needs(except({ crun: "exits with 1" }))("no command at all", async ({ box }) => {
    const container = await running(box);
    const result = await container.exec([]);
    expect(result).toMatchObject({ code: 255, stdout: "" });
    expect(result.stderr).toContain("exec failed: process args cannot be empty");
  });
});

describe("a capability that the kernel does not know", () => {
  const unknown = { process: { capabilities: { bounding: ["CAP_GALAXY", "CAP_KILL"] } } };

  needs(except({ runc: "1.1 warns always" }))("is ignored, silently", async ({ box }) => {
    expect(await box.container(unknown).run()).toMatchObject({ code: 0, stdout: "", stderr: "" });
  });

  needs(except({ runc: "has no --log-level", crun: "has no --log-level" }))(
    "is warned of where warnings are asked for, and deprecated things with it",
    async ({ box }) => {
      const container = box.container(unknown);
      const words = ["--log-level", "warning", "run", "--bundle", container.bundle, container.id];
      const { code, stderr } = await box.call(words);
      expect(code).toBe(0);
      expect(stderr).toMatch(
        /^time="[^"]+" level=warning msg="\/process\/capabilities\/bounding\/0: unknown capability .*CAP_GALAXY.* is ignored"\n$/,
      );
    },
  );
});

describe("the pid file", () => {
  const noPidFile = async (box: Sandbox, flags: string[], ...overrides: Json[]) => {
    const container = box.container(idle(), ...overrides);
    const file = box.path("pid");
    const result = await container.runDetached(["--pid-file", file, ...flags]);
    expect(result.code).toBe(1);
    expect(existsSync(file)).toBe(false);
    await expect(container.state()).rejects.toThrow("does not exist");
  };

  needs(except({ crun: "1.8 ignores the hook's failure" }))(
    "is not there when a poststart hook has ended the container",
    ({ box }) => noPidFile(box, [], { hooks: { poststart: [{ path: "/bin/false" }] } }),
  );

  needs(except({ runc: "has words of its own", crun: "has words of its own" }))(
    "that cannot be written ends the process, and is named",
    async ({ box }) => {
      const file = box.path("none/pid");
      const container = box.container(idle());
      const created = await container.create(["--pid-file", file]);
      expect(created.code).toBe(1);
      expect(created.stderr).toMatch(
        /tsrun create failed: --pid-file: ENOENT: no such file or directory, openat '.*\/none'/,
      );
      await expect(container.state()).rejects.toThrow("does not exist");
      const other = await running(box);
      const result = await other.execDetached(["sleep", "20"], ["--pid-file", file]);
      expect(result.code).toBe(255);
      expect(other.output()).not.toContain("sleep");
      expect((await other.exec(["sh", "-c", "cat /proc/[0-9]*/cmdline"])).stdout).not.toContain("sleep\0" + "20");
    },
  );
});

describe("paths", () => {
  needs(except({ crun: "1.8 takes them from the bundle" }))(
    "are the caller's: bundle, pid file, log and root from where it stands, none of them the bundle's",
    async ({ box }) => {
      const container = box.container(idle());
      const words = ["--root", "state", "--log", "log", "--log-format", "json"];
      const { callDetached, call } = await import("./harness/runtime.ts");
      const options = { cwd: box.directory, env: { TSRUN_TEST: box.word } };
      const bundle = `bundle-${container.id}`;
      const created = await callDetached(
        [...words, "create", "--bundle", bundle, "--pid-file", "pid", container.id],
        box.path("out"),
        options,
      );
      expect(created.code).toBe(0);
      expect(existsSync(box.path("pid"))).toBe(true);
      expect((await container.state()).bundle).toBe(container.bundle);
      expect((await call([...words, "state", "nobody"], options)).code).toBe(1);
      expect(existsSync(box.path("log"))).toBe(true);
      writeFileSync(
        `${container.bundle}/process.json`,
        JSON.stringify({ args: ["pwd"], cwd: "/", env: ["PATH=/bin"] }),
      );
      expect((await container.start()).code).toBe(0);
      const exec = ["exec", "--process", `${bundle}/process.json`, container.id];
      expect(await call([...words, ...exec], options)).toMatchObject({ code: 0, stdout: "/\n" });
    },
  );
});

describe("ids", () => {
  for (const id of ["+a", "_", ".a", "...", "a".repeat(254)]) {
    needs(id.startsWith(".") ? except({ crun: "names a key so, which the kernel refuses" }) : undefined)(
      `${id.length > 9 ? "of 254 characters" : id} is one, from create to delete`,
      async ({ box }) => {
        const container = box.container(idle());
        const made = await box.callDetached(["create", "--bundle", container.bundle, id], box.path("out"));
        expect(made).toMatchObject({ code: 0, stderr: "" });
        expect((await box.call(["list", "--quiet"])).stdout).toBe(`${id}\n`);
        expect(await box.call(["delete", "--force", id])).toMatchObject({ code: 0, stderr: "" });
        expect((await box.call(["list", "--quiet"])).stdout).toBe("");
      },
    );
  }

  needs(except({ runc: "takes 255", crun: "checks no ids" }))(
    "of 255 characters, to whose directory no letter could be added, is refused",
    async ({ box }) => {
      const container = box.container(idle());
      const made = await box.call(["create", "--bundle", container.bundle, "a".repeat(255)]);
      expect(made.code).toBe(1);
      expect(made.stderr).toContain("invalid container ID format");
    },
  );

  test("that begin with a dash are reached after --", async ({ box }) => {
    const container = box.container(idle());
    const made = await box.callDetached(["create", "--bundle", container.bundle, "--", "-x"], box.path("out"));
    expect(made.code).toBe(0);
    expect((await box.call(["delete", "--force", "--", "-x"])).code).toBe(0);
  });
});

describe("without cgroups", () => {
  needs(except({ runc: "has no --cgroup-manager", crun: "1.8 fails on hosts with both versions" }))(
    "a container lives and is signalled, and ps says that it cannot know",
    async ({ box }) => {
      const container = box.container(idle());
      const words = ["--cgroup-manager", "disabled", "run", "--detach", "--bundle", container.bundle, container.id];
      expect((await box.callDetached(words, box.path("out"))).code).toBe(0);
      const listed = await box.call(["ps", "--format", "json", container.id]);
      expect(listed).toMatchObject({ code: 1, stdout: "" });
      expect(listed.stderr).toContain("the container is not using cgroups");
      expect((await box.call(["kill", "--all", container.id, "KILL"])).code).toBe(0);
      await container.until("stopped");
    },
  );
});

describe("--debug", () => {
  needs(except({ runc: "names no process of its own", crun: "has nothing to tell" }))(
    "tells the command, the process and its cgroups: on stderr, or in the log and then not on stderr",
    async ({ box }) => {
      const container = box.container(sh("echo out"));
      const words = ["run", "--bundle", container.bundle, container.id];
      const { code, stdout, stderr } = await box.call(["--debug", ...words]);
      expect([code, stdout]).toEqual([0, "out\n"]);
      expect(stderr).toMatch(/^time="[^"]+" level=debug msg="tsrun \d[^"]*: run \S+, state in [^"]*"\n/);
      expect(stderr).toMatch(/level=debug msg="init is process \d+; /);
      const log = box.path("log");
      const quiet = await box.call(["--debug", "--log", log, "--log-format", "json", ...words]);
      expect(quiet).toMatchObject({ code: 0, stdout: "out\n", stderr: "" });
      const lines = readFileSync(log, "utf8").trimEnd().split("\n");
      expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual(["debug", "debug"]);
    },
  );
});
