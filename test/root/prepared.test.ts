// Plans of the small commands, left by create and run without the engine: src/lifecycle/prepared.ts. What tells who ran a
// command: with a state.json that nobody can read, tsrun itself fails, and a prepared plan does not notice.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { SLOT_SIZE, SLOTS } from "../../src/linux/prepared-file.ts";
import { idle, type Json, namespaces } from "./harness/config.ts";
import type { Container } from "./harness/container.ts";
import { needs } from "./harness/needs.ts";
import { runtimeKind, runtimePath } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";

const [major = 0, minor = 0] = release().split(".").map(Number);
const tells = major > 6 || (major === 6 && minor >= 9);
const own =
  runtimeKind !== "tsrun"
    ? "only tsrun prepares commands"
    : tells
      ? undefined
      : "this kernel's pidfds do not tell processes apart (Linux 6.9)";

const placeOf = (box: Sandbox, { id }: Container, name: string) => join(box.root, id, name);

/** Makes the container's state unreadable for as long as `commands` take. */
async function withoutEngine(box: Sandbox, container: Container, commands: () => Promise<void>): Promise<void> {
  const path = placeOf(box, container, "state.json");
  const state = readFileSync(path);
  writeFileSync(path, "not a state");
  await commands();
  if (existsSync(path)) writeFileSync(path, state);
}

async function created(box: Sandbox, ...overrides: Json[]): Promise<Container> {
  const container = box.container(...overrides);
  expect(await container.create()).toMatchObject({ code: 0 });
  return container;
}

const well = { code: 0, stdout: "", stderr: "" };

describe("prepared commands", () => {
  needs(own)("start, kill and delete a container, which the engine sees as its own work", async ({ box }) => {
    const container = await created(box, idle());
    await withoutEngine(box, container, async () => {
      expect(await container.start()).toEqual(expect.objectContaining(well));
    });
    await container.untilOutput("ready");
    rmSync(placeOf(box, container, "prepared"));
    expect((await container.state()).status).toBe("running");
  });

  needs(own)("end with nothing left", async ({ box }) => {
    const container = await created(box, idle());
    await withoutEngine(box, container, async () => {
      expect(await container.start()).toMatchObject(well);
      await container.untilOutput("ready");
      expect(await container.kill("KILL")).toMatchObject(well);
      while ((await container.state()).status !== "stopped");
      expect(await container.delete()).toMatchObject(well);
    });
    expect(existsSync(placeOf(box, container, ""))).toBe(false); // and the sandbox looks for the rest
  });

  needs(own)("delete what was not started, and with --force what runs", async ({ box }) => {
    const waiting = await created(box, idle());
    await withoutEngine(box, waiting, async () => expect(await waiting.delete()).toMatchObject(well));
    const running = box.container(idle());
    await running.runDetached();
    await withoutEngine(box, running, async () => {
      expect((await running.delete()).code).toBe(1); // the engine is asked, and cannot read
      expect(await running.delete("--force")).toMatchObject(well);
    });
    for (const container of [waiting, running]) expect(existsSync(placeOf(box, container, ""))).toBe(false);
  });

  needs(own)("print the state that the engine prints", async ({ box }) => {
    const container = await created(box, idle(), { annotations: { b: 'quoted " é', a: "" } });
    const same = async (status: string) => {
      const mine = { stdout: "" };
      await withoutEngine(box, container, async () => {
        Object.assign(mine, await box.call(["state", container.id]));
      });
      expect(JSON.parse(mine.stdout)).toMatchObject({ status });
      // An option that no plan is run with.
      expect(mine).toEqual(await box.call(["--log-level", "error", "state", container.id]));
    };
    await same("created");
    await container.start();
    await container.untilOutput("ready");
    await same("running");
    await container.kill("KILL");
    await container.until("stopped");
    await same("stopped");
  });

  needs(own)("leave a start that fails to the engine, which says why", async ({ box }) => {
    const container = box.container({ process: { args: ["/lost"] } });
    container.writeFile("lost", "#!/no/interpreter\n", 0o755);
    await container.create();
    const { code, stderr } = await container.start();
    expect(code).toBe(1);
    expect(stderr).toMatch(/execve\(\/lost.*ENOENT/);
    expect((await container.until("stopped")).pid).toBe(0);
    expect((await container.start()).stderr).toMatch(/has stopped/);
  });

  needs(own)("refuse a second start, and one of a container that was killed", async ({ box }) => {
    const container = await created(box, idle());
    await container.start();
    expect((await container.start()).stderr).toMatch(/already running/);
    const dead = await created(box, idle());
    await dead.kill("KILL");
    await dead.until("stopped");
    expect((await dead.start()).stderr).toMatch(/has stopped/);
  });

  needs(own)("let one of two starts, and one of two deletes, succeed", async ({ box }) => {
    for (let round = 0; round < 20; round += 1) {
      const container = await created(box, idle());
      const starts = await Promise.all([container.start(), container.start()]);
      expect(starts.map(({ code }) => code).sort()).toEqual([0, 1]);
      const deletes = await Promise.all([container.delete("--force"), container.delete("--force")]);
      expect(deletes.map(({ code }) => code)).toEqual([0, 0]);
    }
  });

  needs(own)("are not prepared where more is to be done than they do", async ({ box }) => {
    const hook = (file: string) => ({ path: "/bin/sh", args: ["sh", "-c", `echo >> ${box.path(file)}`] });
    const container = await created(box, idle(), { hooks: { poststart: [hook("up")], poststop: [hook("down")] } });
    expect((await container.start()).code).toBe(0);
    expect(existsSync(box.path("up"))).toBe(true);
    expect((await container.delete("--force")).code).toBe(0);
    expect(existsSync(box.path("down"))).toBe(true);
    const shared = await created(box, idle(), namespaces("mount", "uts", "ipc", "network"));
    expect(existsSync(placeOf(box, shared, "prepared"))).toBe(false);
  });
});

/** Writes another number wherever a plan of the command has this one as an argument. Returns how often it did. */
function patch(file: string, command: keyof typeof SLOTS, from: Uint8Array, to: Uint8Array): number {
  const bytes = readFileSync(file);
  const end = (SLOTS[command] + 1) * SLOT_SIZE;
  let count = 0;
  for (let at = SLOTS[command] * SLOT_SIZE; at < Math.min(end, bytes.length - 8); at += 8) {
    if (!bytes.subarray(at, at + from.length).equals(from)) continue;
    bytes.set(to, at);
    count += 1;
  }
  writeFileSync(file, bytes);
  return count;
}

const word = (value: number) => new Uint8Array(BigUint64Array.of(BigInt(value)).buffer);

describe("a prepared plan", () => {
  needs(own)("does nothing to a process that has the number of an init that is gone", async ({ box }) => {
    const container = await created(box, idle());
    const { pid } = await container.state();
    const bystander = spawn("sleep", ["60"]);
    box.defer(() => void bystander.kill("SIGKILL"));
    const file = placeOf(box, container, "prepared");
    for (const command of ["kill", "delete", "forceDelete", "state"] as const)
      expect(patch(file, command, word(pid), word(bystander.pid ?? 0)), command).toBe(1);
    await withoutEngine(box, container, async () => {
      for (const args of [
        ["kill", container.id, "KILL"],
        ["delete", "--force", container.id],
        ["state", container.id],
      ])
        expect((await box.call(args)).code).toBe(1);
    });
    expect(bystander.exitCode ?? bystander.signalCode).toBe(null);
    expect((await container.state()).pid).toBe(pid);
  });

  needs(own)("does nothing after the machine was booted again", async ({ box }) => {
    const container = await created(box, idle());
    const boot = readFileSync("/proc/sys/kernel/random/boot_id");
    const compared = word(boot.readUInt32LE(4));
    for (const command of ["kill", "forceDelete", "state"] as const)
      expect(patch(placeOf(box, container, "prepared"), command, compared, word(1)), command).toBe(1);
    await withoutEngine(box, container, async () => {
      for (const args of [
        ["kill", container.id, "KILL"],
        ["delete", "--force", container.id],
        ["state", container.id],
      ])
        expect((await box.call(args)).code).toBe(1);
    });
    expect((await container.state()).status).toBe("created");
  });

  needs(own)("does nothing to a container whose lock another command holds", async ({ box }) => {
    const container = await created(box, idle());
    await withoutEngine(box, container, async () => {
      const words = ["timeout", "2", runtimePath, "--root", box.root, "start", container.id];
      const holder = spawnSync("flock", ["-x", placeOf(box, container, ""), ...words], { encoding: "utf8" });
      expect(holder.status).not.toBe(0);
    });
    expect((await container.state()).status).toBe("created");
  });
});
