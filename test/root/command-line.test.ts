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
