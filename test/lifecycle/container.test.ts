// The store: the claim to an id, the state that is replaced whole, and what is left when somebody is killed in between.

import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { Container } from "../../src/lifecycle/container.ts";
import { isLocked } from "../../src/lifecycle/lock.ts";
import { processStat } from "../../src/lifecycle/process-identity.ts";
import type { State } from "../../src/lifecycle/state-file.ts";
import { script, temporary } from "./harness.ts";
import { sample } from "./sample.ts";

// Whole processes, on machines that have other things to do.
vi.setConfig({ testTimeout: 60_000 });

/** A process that is alive for as long as the test. */
const alive = { pid: process.pid, pidStart: processStat("self")?.start ?? 0 };

/** A container in the store, unlocked, with this state. */
function stored(root: string, changes: Partial<State> = {}, id = "c1"): Container {
  const container = Container.create(root, id);
  container.update(sample({ id, ...changes }));
  container.unlock();
  return container;
}

describe("ids", () => {
  test.each(["..", ".", "a/b", "../c1", "/etc", "a b", "a\0b", "a\nb", "ü", "c1~", "x".repeat(255)])(
    "%j is refused",
    (id) => {
      const root = temporary();
      for (const use of ["create", "open", "removeLeftovers"] as const)
        expect(() => Container[use](root, id)).toThrow("invalid container ID format");
      expect(readdirSync(root)).toEqual([]);
    },
  );

  test("an empty one is refused in runc's words", () => {
    expect(() => Container.open(temporary(), "")).toThrow("container id cannot be empty");
  });

  test.each(["a", "A-Z_0.9+x", "...", ".hidden", "-rf", "x".repeat(254)])("%j is taken", (id) => {
    const root = temporary();
    stored(root, {}, id);
    expect(Container.open(root, id).state.id).toBe(id);
    expect(Container.list(root)).toEqual([id]);
  });
});

describe("create", () => {
  test("a second create of an id is refused and the first is unharmed", () => {
    const root = temporary();
    const first = stored(root, alive);
    expect(() => Container.create(root, "c1")).toThrow("container with given ID already exists");
    expect(Container.open(root, "c1").state).toEqual(first.state);
  });

  test("directories have runc's modes, whatever the umask", () => {
    const root = `${temporary()}/a/b`;
    const before = process.umask(0o077);
    try {
      const { directory, statePath } = stored(root);
      expect(statSync(directory).mode & 0o7777).toBe(0o700);
      expect(statSync(statePath).mode & 0o7777).toBe(0o600);
      expect(statSync(root).mode & 0o7777).toBe(0o700);
    } finally {
      process.umask(before);
    }
  });

  test("in the user's run-time directory the store is sticky", () => {
    const own = temporary();
    vi.stubEnv("XDG_RUNTIME_DIR", own);
    onTestFinished(() => void vi.unstubAllEnvs());
    stored(`${own}/tsrun`);
    expect(statSync(`${own}/tsrun`).mode & 0o7777).toBe(0o1700);
  });

  test("there is no container for others before its first state", () => {
    const root = temporary();
    using container = Container.create(root, "c1");
    expect(() => Container.open(root, "c1")).toThrow("container does not exist");
    expect(() => container.state).toThrow(/no state yet/);
  });
});

describe("update and remove", () => {
  test("they need the lock", () => {
    const root = temporary();
    stored(root);
    const container = Container.open(root, "c1");
    expect(() => container.update({ pid: 1 })).toThrow(/without its lock/);
    expect(() => container.remove()).toThrow(/without its lock/);
    expect(Container.open(root, "c1").state.pid).toBe(0);
  });

  test("an update keeps what it does not name and numbers beyond 2^53 do not stop it", () => {
    const root = temporary();
    stored(root, { annotations: { a: "1" } });
    using container = Container.open(root, "c1", { lock: true });
    container.update({
      pid: 7,
      hooks: { startContainer: [], poststart: [], poststop: [{ path: "/h", timeout: 2n ** 60n }] },
    });
    const { state } = Container.open(root, "c1");
    expect(state).toMatchObject({ pid: 7, annotations: { a: "1" }, hooks: { poststop: [{ timeout: 2 ** 60 }] } });
  });

  test("a remove leaves nothing and the id is free", () => {
    const root = temporary();
    stored(root);
    const container = Container.open(root, "c1", { lock: true });
    mkdirSync(`${container.directory}/notify`);
    writeFileSync(`${container.directory}/notify/socket`, "");
    container.remove();
    container[Symbol.dispose]();
    expect(readdirSync(root)).toEqual([]);
    Container.create(root, "c1").unlock();
  });

  test("who locks again after a wait learns that it was removed, even where the id is another's by then", () => {
    const root = temporary();
    const container = stored(root, alive);
    expect(container.lockAgain()).toBe(true);
    container.remove();
    expect(container.lockAgain()).toBe(false);
    stored(root, { ...alive, pidStart: alive.pidStart + 1 });
    expect(container.lockAgain()).toBe(false);
    expect(isLocked(container.directory)).toBe(false);
  });

  test("a remover does not touch the lock of a new container of the same id", () => {
    const root = temporary();
    stored(root);
    const old = Container.open(root, "c1", { lock: true });
    old.remove();
    using fresh = Container.create(root, "c1");
    old[Symbol.dispose]();
    old.unlock();
    expect(readdirSync(fresh.directory)).toEqual([]);
    expect(isLocked(fresh.directory)).toBe(true);
  });

  test("it follows no link out of the directory", () => {
    const root = temporary();
    const outside = `${temporary()}/kept`;
    writeFileSync(outside, "");
    stored(root);
    const container = Container.open(root, "c1", { lock: true });
    symlinkSync(outside, `${container.directory}/link`);
    container.remove();
    expect(existsSync(outside)).toBe(true);
  });

  test("a remove that was killed half way is finished by the next", () => {
    const root = temporary();
    mkdirSync(`${root}/c1~`);
    writeFileSync(`${root}/c1~/state.json`, "{}");
    expect(Container.list(root)).toEqual([]);
    stored(root);
    Container.open(root, "c1", { lock: true }).remove();
    expect(readdirSync(root)).toEqual([]);
  });
});

describe("leftovers of a create that was killed", () => {
  test("a directory without state is no container, keeps the id, and can be removed", () => {
    const root = temporary();
    mkdirSync(`${root}/c1`);
    writeFileSync(`${root}/c1/state.json.new`, '{"version":');
    expect(() => Container.open(root, "c1", { lock: true })).toThrow("container does not exist");
    expect(() => Container.create(root, "c1")).toThrow("already exists");
    expect(Container.removeLeftovers(root, "c1")).toBe(true);
    expect(Container.removeLeftovers(root, "c1")).toBe(false);
    expect(readdirSync(root)).toEqual([]);
  });

  test("a container with a state is no leftover", () => {
    const root = temporary();
    stored(root);
    expect(Container.removeLeftovers(root, "c1")).toBe(false);
    expect(Container.open(root, "c1").id).toBe("c1");
    expect(Container.open(root, "c1", { lock: true }).id).toBe("c1");
  });

  test("a create killed with SIGKILL leaves a container that says so, and its lock is free", async () => {
    const root = temporary();
    const { stderr } = await script(`
      const { Container } = await import(room + "/container.ts");
      const container = Container.create(${JSON.stringify(root)}, "c1");
      container.update(${JSON.stringify(sample({ phase: "creating" }))});
      process.kill(process.pid, "SIGKILL");`);
    expect(stderr).toBe("");
    expect(Container.open(root, "c1").status()).toBe("stopped");
    Container.open(root, "c1", { lock: true }).remove();
    expect(readdirSync(root)).toEqual([]);
  });
});

describe("status", () => {
  const fifo = (container: Container) => writeFileSync(container.fifoPath, "");

  test("without a process it is stopped", () => {
    expect(stored(temporary(), { pid: 0 }).status()).toBe("stopped");
  });

  test("with a process it is running, and created while the fifo is there", () => {
    const container = stored(temporary(), alive);
    expect(container.status()).toBe("running");
    fifo(container);
    expect(container.status()).toBe("created");
  });

  test("another process with the same pid is not the container's", () => {
    expect(stored(temporary(), { ...alive, pidStart: alive.pidStart - 1 }).status()).toBe("stopped");
  });

  test("a process that has ended and was not waited for is stopped, and the freezer is not asked", async () => {
    const root = temporary();
    // A shell that becomes a sleep before its child ends never waits for it.
    const { stdout, stderr } = await script(`
      import { spawn } from "node:child_process";
      const { Container } = await import(room + "/container.ts");
      const { processStat } = await import(room + "/process-identity.ts");
      const parent = spawn("sh", ["-c", "sleep 0.2 & echo $!; exec sleep 20"], { stdio: ["ignore", "pipe", "ignore"] });
      const pid = await new Promise((resolve) => parent.stdout.once("data", (data) => resolve(Number(data))));
      while (processStat(pid)?.state !== "Z") await new Promise((resolve) => setTimeout(resolve, 5));
      const container = Container.create(${JSON.stringify(root)}, "c1");
      container.update({ ...${JSON.stringify(sample())}, pid, pidStart: processStat(pid).start });
      console.log(container.status(() => { throw new Error("asked"); }));
      parent.kill("SIGKILL");`);
    expect(stderr).toBe("");
    expect(stdout).toBe("stopped\n");
  });

  test("a frozen one is paused, started or not", () => {
    const container = stored(temporary(), alive);
    expect(container.status(() => true)).toBe("paused");
    fifo(container);
    expect(container.status(() => true)).toBe("paused");
  });

  test("while create is at it, it is creating", async () => {
    const root = temporary();
    const { stdout } = await script(`
      const { Container } = await import(room + "/container.ts");
      const { execFileSync } = await import("node:child_process");
      const container = Container.create(${JSON.stringify(root)}, "c1");
      container.update(${JSON.stringify(sample({ phase: "creating" }))});
      const look = "const { Container } = await import(" + JSON.stringify(room + "/container.ts") + ");" +
        "console.log(Container.open(" + JSON.stringify(${JSON.stringify(root)}) + ", 'c1').status())";
      process.stdout.write(execFileSync(process.execPath, ["--input-type=module-typescript", "-e", look]));`);
    expect(stdout).toBe("creating\n");
  });
});

describe("readers and writers at once", () => {
  test("a reader never sees a state that is not whole", async () => {
    const root = temporary();
    stored(root, { annotations: { n: "0" } });
    const writer = script(`
      const { Container } = await import(room + "/container.ts");
      using container = Container.open(${JSON.stringify(root)}, "c1", { lock: true });
      for (let i = 0; i < 3000; i++)
        container.update({ annotations: { n: String(i), fill: "x".repeat((i * 97) % 20000), end: String(i) } });`);
    let seen = 0;
    let over = false;
    const done = writer.finally(() => {
      over = true;
    });
    while (!over) {
      for (let i = 0; i < 20; i++) {
        const { annotations } = Container.open(root, "c1").state;
        if (annotations.end !== undefined) expect(annotations.end).toBe(annotations.n);
        seen++;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await done).toMatchObject({ code: 0, stderr: "" });
    expect(seen).toBeGreaterThan(100);
    expect(Container.open(root, "c1").state.annotations.n).toBe("2999");
    expect(readdirSync(`${root}/c1`)).toEqual(["state.json"]);
  }, 30_000);

  test("a damaged state, or one of another version, is an error and not an absent container", () => {
    const root = temporary();
    const { statePath } = stored(root);
    for (const [text, words] of [
      ["", /cannot read .*state\.json: /],
      ["{", /cannot read .*state\.json: /],
      ["null", /not the state of a container/],
      ['{"version":2}', /version 2, not 1/],
      ['{"version":1}', /state\.json: not the state of a container: id/],
      ['{"version":1,"id":"c1","phase":"created","pidStart":1,"cgroups":{}}', /not the state of a container: pid$/],
    ] as const) {
      writeFileSync(statePath, text);
      expect(() => Container.open(root, "c1")).toThrow(words);
    }
  });

  test("two creates of one id in two processes: one wins", async () => {
    const root = temporary();
    const create = `
      const { Container } = await import(room + "/container.ts");
      for (let i = 0; i < 200; i++) {
        try { using c = Container.create(${JSON.stringify(root)}, "c" + i); console.log(i); }
        catch (error) { if (!error.message.includes("already exists")) throw error; }
      }`;
    const [a, b] = await Promise.all([script(create), script(create)]);
    expect([a.stderr, b.stderr]).toEqual(["", ""]);
    const won = `${a.stdout}${b.stdout}`.trim().split("\n").map(Number);
    expect(won.sort((x, y) => x - y)).toEqual(Array.from({ length: 200 }, (_, i) => i));
  });
});
