// The command line as callers and people write it, where runc's, the library's under it and ours could differ: empty
// values, odd signals and ids, paths that are the caller's, what is on which stream (REFERENCE §1.1, §1.2, §1.5).

import { describe, expect } from "vitest";
import { idle, type Json } from "./harness/config.ts";
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

  needs(except({ crun: "refuses it", runc: "1.1 warns always" }))("is ignored, silently", async ({ box }) => {
    expect(await box.container(unknown).run()).toMatchObject({ code: 0, stdout: "", stderr: "" });
  });

  needs(except({ crun: "refuses it", runc: "has no --log-level" }))(
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
