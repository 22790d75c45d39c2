// The commands of a container's life, their outputs, exit codes and words (REFERENCE §1): engines match on them.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { idle, sh } from "./harness/config.ts";
import { test } from "./harness/fixture.ts";
import { except, needs } from "./harness/needs.ts";

const words = except({ crun: "has words of its own" });

describe("create, start, kill, delete", () => {
  test("goes through created, running and stopped, silently", async ({ box }) => {
    const container = box.container(idle());
    expect(await container.create()).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(await container.state()).toMatchObject({ id: container.id, status: "created", bundle: container.bundle });
    expect(await container.start()).toMatchObject({ code: 0, stdout: "", stderr: "" });
    await container.untilOutput("ready");
    expect((await container.state()).status).toBe("running");
    expect(await container.kill("TERM")).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect((await container.until("stopped")).pid).toBe(0);
    expect(await container.delete()).toMatchObject({ code: 0, stdout: "", stderr: "" });
    expect(existsSync(join(box.root, container.id))).toBe(false);
  });

  test("the program does not run before start", async ({ box }) => {
    const container = box.container(sh("echo ran"));
    await container.create();
    expect(container.output()).toBe("");
    await container.start();
    expect(await container.untilOutput("ran")).toBe("ran\n");
  });

  test("the init process is ours to wait for, and its process id is in the pid file, digits only", async ({ box }) => {
    const container = box.container(idle());
    const file = box.path("pid");
    await container.create(["--pid-file", file]);
    const { pid } = await container.state();
    expect(readFileSync(file, "utf8")).toBe(String(pid));
    const parent = /PPid:\t(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    expect(readFileSync(`/proc/${parent}/comm`, "utf8")).not.toMatch(/runc|crun|tsrun/);
  });

  test("a failed create leaves no pid file and no state", async ({ box }) => {
    const container = box.container({ process: { args: [] } });
    const result = await container.create(["--pid-file", box.path("pid")]);
    expect(result.code).toBe(1);
    expect(existsSync(box.path("pid"))).toBe(false);
    expect(existsSync(join(box.root, container.id))).toBe(false);
  });

  test("a container of the same id is refused and the first one is unharmed", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    const before = await container.state();
    const again = await box.call(["create", "--bundle", container.bundle, container.id]);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/exists/);
    expect(await container.state()).toEqual(before);
    expect((await container.start()).code).toBe(0);
  });

  test("the id can be used again after delete", async ({ box }) => {
    const container = box.container(idle());
    for (let round = 0; round < 3; round += 1) {
      expect((await container.create()).code).toBe(0);
      expect((await container.delete("--force")).code).toBe(0);
    }
  });

  needs(words)("start is refused for a running and for a stopped container", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    await container.start();
    const running = await container.start();
    expect(running.code).toBe(1);
    expect(running.stderr).toMatch(/running/);
    await container.kill("KILL");
    await container.until("stopped");
    const stopped = await container.start();
    expect(stopped.code).toBe(1);
    expect(stopped.stderr).toMatch(/stopped|created/);
  });

  const kills = [["9"], ["KILL"], ["SIGKILL"], ["kill"], ["sigkill"]];
  for (const args of kills) {
    const spelled = needs(args[0]?.match(/kill$/) ? except({ crun: "takes upper case only" }) : undefined);
    spelled(`kill takes the signal as ${args}`, async ({ box }) => {
      const container = box.container(idle());
      await container.create();
      await container.start();
      expect(await container.kill(...args)).toMatchObject({ code: 0, stderr: "" });
      await container.until("stopped");
    });
  }

  test("kill without a signal sends TERM", async ({ box }) => {
    const container = box.container(sh("trap 'echo got TERM; exit 7' TERM; echo ready; while :; do sleep 0.02; done"));
    await container.create();
    await container.start();
    await container.untilOutput("ready");
    expect((await container.kill()).code).toBe(0);
    await container.untilOutput("got TERM");
  });

  needs(except({ crun: "sends signal 0" }))("kill refuses a signal that does not exist", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    expect((await container.kill("SIGNOPE")).code).toBe(1);
    expect((await container.state()).status).toBe("created");
  });

  needs(words)(
    "kill of a stopped container says that it is not running, and kill --all is content",
    async ({ box }) => {
      const container = box.container();
      await container.create();
      await container.start();
      await container.until("stopped");
      const result = await container.kill("9");
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/container not running|not running/);
    },
  );

  test("kill --all of a stopped container is not an error", async ({ box }) => {
    const container = box.container();
    await container.create();
    await container.start();
    await container.until("stopped");
    expect((await box.call(["kill", "--all", container.id, "9"])).code).toBe(0);
  });

  needs(words)("delete refuses a running container unless forced", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    await container.start();
    const refused = await container.delete();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/not stopped|running/);
    expect((await container.state()).status).toBe("running");
    expect((await container.delete("--force")).code).toBe(0);
  });

  test("delete removes a container that was created and never started", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    expect(await container.delete(...(await peerNeedsForce()))).toMatchObject({ code: 0 });
  });

  test("a container that does not exist is an error for all but delete --force", async ({ box }) => {
    for (const args of [["state"], ["start"], ["kill"], ["delete"], ["exec"]]) {
      const more = args[0] === "exec" ? ["true"] : [];
      const result = await box.call([...args, "nobody", ...more]);
      expect(result.code, args.join()).not.toBe(0);
      expect(result.stderr, args.join()).toMatch(/does not exist|No such file/i);
      expect(result.stdout, args.join()).toBe("");
    }
    expect((await box.call(["delete", "--force", "nobody"])).code).toBe(0);
  });
});

describe("state, list and ps", () => {
  test("state has what engines read", async ({ box }) => {
    const container = box.container(idle(), { annotations: { "org.example.a": "b" } });
    await container.create();
    const state = await container.state();
    expect(state).toMatchObject({ id: container.id, annotations: { "org.example.a": "b" } });
    expect(state.ociVersion).toMatch(/^1\.\d+\.\d+/);
    expect(state.pid).toBeGreaterThan(1);
    expect(Math.abs(Date.parse(state.created ?? "") - Date.now())).toBeLessThan(60_000);
  });

  test("list shows containers as a table, as JSON and as ids", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    const table = await box.call(["list"]);
    expect(table.stdout.split("\n")[0]).toMatch(/^(ID|NAME) +PID +STATUS +BUNDLE/);
    expect(table.stdout).toContain(container.id);
    const json: unknown = JSON.parse((await box.call(["list", "--format", "json"])).stdout);
    expect(json).toMatchObject([{ id: container.id, status: "created", bundle: container.bundle }]);
    expect((await box.call(["list", "--quiet"])).stdout).toBe(`${container.id}\n`);
  });

  test("ps prints the host's process ids as JSON", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    await container.start();
    await container.untilOutput("ready");
    const { pid } = await container.state();
    const result = await box.call(["ps", "--format", "json", container.id]);
    expect(result.stderr).toBe("");
    expect(JSON.parse(result.stdout)).toContain(pid);
  });

  needs(except({ crun: "ps prints bare numbers" }))(
    "ps prints a table of the container's processes only",
    async ({ box }) => {
      const container = box.container(idle());
      await container.create();
      await container.start();
      const { pid } = await container.state();
      const result = await box.call(["ps", container.id]);
      const lines = result.stdout.trim().split("\n");
      expect(lines[0]).toMatch(/PID/);
      expect(lines.slice(1).some((line) => line.split(/ +/)[1] === String(pid))).toBe(true);
      expect(result.stdout).not.toMatch(/kthreadd/);
    },
  );
});

describe("the way callers call", () => {
  test("works with an empty environment and from any directory", async ({ box }) => {
    const container = box.container(idle());
    const bare = { bare: true, cwd: "/proc", env: {} };
    expect((await container.create([], bare)).code).toBe(0);
    expect(await container.start(bare)).toMatchObject({ code: 0, stderr: "" });
    expect((await box.call(["delete", "--force", container.id], bare)).code).toBe(0);
  });

  test("takes the bundle from the current directory", async ({ box }) => {
    const container = box.container(sh("echo here"));
    const result = await box.call(["run", container.id], { cwd: container.bundle });
    expect(result).toMatchObject({ code: 0, stdout: "here\n", stderr: "" });
  });

  needs(words)("writes one line of JSON to --log on failure, and the message to stderr", async ({ box }) => {
    const log = box.path("log.json");
    const result = await box.call(["--log", log, "--log-format", "json", "state", "nobody"]);
    expect(result.code).toBe(1);
    const lines = readFileSync(log, "utf8").trim().split("\n");
    expect(lines).toHaveLength(1);
    const line = JSON.parse(lines[0] ?? "") as Record<string, string>;
    expect(line).toMatchObject({ level: "error" });
    expect(Number.isNaN(Date.parse(line.time ?? ""))).toBe(false);
    expect(result.stderr).toContain("does not exist");
  });

  const refused = ["a/b", "..", ".", "", "a b", "ä"];
  for (const id of refused) {
    needs(except({ crun: "1.8 checks no ids" }))(`the id ${JSON.stringify(id)} is refused`, async ({ box }) => {
      const container = box.container();
      const result = await box.call(["create", "--bundle", container.bundle, id]);
      expect(result.code).not.toBe(0);
      expect(result.stderr).toMatch(/id|ID/);
    });
  }
});

/** runc 1.1 and tsrun delete a created container as it is; crun 1.8 wants --force. */
async function peerNeedsForce(): Promise<string[]> {
  const { runtimeKind } = await import("./harness/runtime.ts");
  return runtimeKind === "crun" ? ["--force"] : [];
}
