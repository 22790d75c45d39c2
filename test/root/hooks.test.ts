// The six kinds of hooks (config.md "POSIX-platform Hooks"): when they run and where, what they are told, and what
// becomes of the container when one fails.

import { existsSync, readFileSync, readlinkSync } from "node:fs";
import { describe, expect } from "vitest";
import { readCgroup } from "./harness/cgroup-files.ts";
import { idle, type Json, sh } from "./harness/config.ts";
import { test } from "./harness/fixture.ts";
import { except, needs } from "./harness/needs.ts";
import { runtimePath, settled } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";
import { PATIENCE, until } from "./harness/until.ts";

const KINDS = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"] as const;
type Kind = (typeof KINDS)[number];

/** Hooks that run in the container's file system after pivot_root; the others run in the runtime's. */
const INSIDE: readonly Kind[] = ["startContainer"];

/** A hook that runs a shell script with busybox, which host and container both have. */
function hook(kind: Kind, script: string, more: Json = {}): Json {
  const own = INSIDE.includes(kind)
    ? { path: "/bin/sh", args: ["sh"] }
    : { path: "/bin/busybox", args: ["busybox", "sh"] };
  return { path: own.path, args: [...own.args, "-c", script], env: ["PATH=/bin:/usr/bin"], ...more };
}

/** The file that hooks of a test append to: bound into the container so that those inside reach it too. */
function journal(box: Sandbox): { file: string; overrides: Json } {
  const directory = box.makeDirectory("journal");
  return { file: `${directory}/log`, overrides: { mounts: [...USUAL, bind(directory)] } };
}

const bind = (path: string): Json => ({ destination: path, type: "bind", source: path, options: ["bind"] });
const USUAL: Json[] = [
  { destination: "/proc", type: "proc", source: "proc" },
  { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "mode=755"] },
];

const hooks = (kinds: Partial<Record<Kind, Json[]>>): Json => ({ hooks: kinds });

describe("when hooks run", () => {
  needs(except({ runc: "1.1 runs poststart at create", crun: "1.8 may run poststart before startContainer" }))(
    "in the order of the specification, each kind at its point",
    async ({ box }) => {
      const { file, overrides } = journal(box);
      const all = Object.fromEntries(KINDS.map((kind) => [kind, [hook(kind, `echo ${kind} >>${file}`)]]));
      const container = box.container(sh(`echo program >>${file}`), overrides, hooks(all));
      const read = () => (existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : []);
      expect((await container.create()).code).toBe(0);
      expect(read()).toEqual(["prestart", "createRuntime", "createContainer"]);
      expect((await container.start()).code).toBe(0);
      expect(read().filter((word) => word !== "program")).toEqual([
        "prestart",
        "createRuntime",
        "createContainer",
        "startContainer",
        "poststart",
      ]);
      await container.until("stopped");
      expect(read()).toContain("program");
      await container.delete();
      expect(read().at(-1)).toBe("poststop");
    },
  );

  needs(except({ runc: "1.1 runs poststart before the program", crun: "1.8 may run poststart before startContainer" }))(
    "in the same order by run",
    async ({ box }) => {
      const { file, overrides } = journal(box);
      const all = Object.fromEntries(KINDS.map((kind) => [kind, [hook(kind, `echo ${kind} >>${file}`)]]));
      // The program is started before poststart: what it does first may come before.
      const waits = `until grep -q poststart ${file}; do sleep 0.02; done`;
      const container = box.container(sh(`${waits}; echo program >>${file}`), overrides, hooks(all));
      expect(await container.run()).toMatchObject({ code: 0, stderr: "" });
      expect(readFileSync(file, "utf8").trim().split("\n")).toEqual([
        ...KINDS.filter((kind) => kind !== "poststop"),
        "program",
        "poststop",
      ]);
    },
  );

  test("several of a kind run in the order of the list", async ({ box }) => {
    const { file, overrides } = journal(box);
    const list = [1, 2, 3].map((number) => hook("createRuntime", `echo ${number} >>${file}`));
    await box.container(overrides, hooks({ createRuntime: list })).create();
    expect(readFileSync(file, "utf8")).toBe("1\n2\n3\n");
  });

  test("that of poststart may change the container, as the engine meanwhile", async ({ box }) => {
    const container = box.container(idle());
    const call = `${runtimePath} --root ${box.root} update --pids-limit 33 ${container.id}`;
    container.configure(idle(), hooks({ poststart: [hook("poststart", call, { timeout: 20 })] }));
    await container.create();
    expect(await container.start()).toMatchObject({ code: 0, stderr: "" });
    expect(readCgroup(container.id, "pids.max")).toBe("33");
  });

  needs(except({ runc: "1.1 runs it at create", crun: "leaves the hook behind" }))(
    "one of poststart that never ends does not keep the container from being deleted",
    async ({ box }) => {
      const file = box.path("begun");
      const script = `touch ${file}; while :; do sleep 0.1; done`;
      const container = box.container(idle(), hooks({ poststart: [hook("poststart", script)] }));
      await container.create();
      const starting = box.begin(["start", container.id]);
      await until(() => existsSync(file), "the hook");
      expect(await container.delete("--force")).toMatchObject({ code: 0, stderr: "" });
      starting.kill("SIGTERM");
      await settled(starting);
    },
  );

  test("each in its namespaces, with the root file system as it is at its point", async ({ box }) => {
    const { file, overrides } = journal(box);
    const note = (kind: Kind) =>
      hook(kind, `echo ${kind} $(readlink /proc/self/ns/mnt) $(cat /etc/hostname) >>${file}`);
    const all = Object.fromEntries(KINDS.slice(0, 5).map((kind) => [kind, [note(kind)]]));
    const container = box.container(idle(), overrides, hooks(all));
    expect(await container.create()).toMatchObject({ code: 0 });
    await container.start();
    const { pid } = await container.state();
    const [own, inside] = ["self", pid].map((who) => readlinkSync(`/proc/${who}/ns/mnt`));
    const lines = new Map(
      readFileSync(file, "utf8")
        .trim()
        .split("\n")
        .map((line) => [line.split(" ")[0], line]),
    );
    const { runtimeKind } = await import("./harness/runtime.ts");
    // crun 1.8 under its private mount namespace: the runtime's namespace is not the tests' own.
    const runtimes = runtimeKind === "crun" ? lines.get("prestart")?.split(" ")[1] : own;
    for (const kind of ["prestart", "createRuntime", "poststart"]) {
      expect(lines.get(kind)?.split(" ")[1], kind).toBe(runtimes);
    }
    expect(lines.get("createContainer")?.split(" ")[1]).toBe(inside);
    expect(lines.get("startContainer")).toBe(`startContainer ${inside} file`);
    expect(lines.get("createContainer"), "before pivot_root").not.toMatch(/ file$/);
  });

  const stages: [kind: Kind, status: string[]][] = [
    ["prestart", ["created", "creating"]],
    ["createRuntime", ["creating", "created"]],
    ["createContainer", ["creating", "created"]],
    ["startContainer", ["created"]],
    ["poststart", ["running"]],
    ["poststop", ["stopped"]],
  ];
  for (const [kind, statuses] of stages) {
    needs(
      kind === "poststart" ? except({ runc: "1.1 runs it at create" }) : undefined,
      kind === "startContainer" ? except({ crun: "says otherwise" }) : undefined,
    )(`${kind} reads the state on stdin, in one line, as ${statuses[0]}`, async ({ box }) => {
      const { file, overrides } = journal(box);
      const list = { [kind]: [hook(kind, `cat >${file}`)] };
      const container = box.container(idle(), overrides, hooks(list), { annotations: { "a/b": "c/d" } });
      await container.create();
      await container.start();
      await container.delete("--force");
      const text = readFileSync(file, "utf8");
      expect(text.trim()).not.toContain("\n");
      expect(text).not.toContain("\\/");
      const state = JSON.parse(text) as Json;
      expect(state).toMatchObject({ id: container.id, bundle: container.bundle, annotations: { "a/b": "c/d" } });
      const { runtimeKind } = await import("./harness/runtime.ts");
      expect(runtimeKind === "tsrun" ? statuses.slice(0, 1) : statuses).toContain(state.status);
    });
  }
});

describe("what hooks get", () => {
  test("the environment given and no other", async ({ box }) => {
    const { file, overrides } = journal(box);
    const one = { path: "/bin/busybox", args: ["busybox", "cp", "/proc/self/environ", file], env: ["ONLY=this"] };
    await box.container(overrides, hooks({ createRuntime: [one] })).create();
    expect(readFileSync(file, "utf8")).toBe("ONLY=this\0");
  });

  needs(except({ crun: "runs createContainer in the bundle too" }))(
    "the bundle as their working directory, those of the container its root",
    async ({ box }) => {
      const { file, overrides } = journal(box);
      const note = (kind: Kind) => [hook(kind, `echo ${kind} $(pwd) >>${file}`)];
      const container = box.container(overrides, hooks(Object.fromEntries(KINDS.map((kind) => [kind, note(kind)]))));
      expect((await container.run()).code).toBe(0);
      const lines = readFileSync(file, "utf8").trim().split("\n");
      const places = { createContainer: container.rootfs, startContainer: "/" };
      const expected = KINDS.map((kind) => `${kind} ${{ ...places }[kind as keyof typeof places] ?? container.bundle}`);
      expect(lines.toSorted()).toEqual(expected.toSorted());
    },
  );

  test("their args as they are, the first included", async ({ box }) => {
    const { file, overrides } = journal(box);
    const one = {
      path: "/bin/sh",
      args: ["my-name", "-c", `echo "$0" "$1" >${file}`, "zero", "a b"],
      env: ["PATH=/bin"],
    };
    expect((await box.container(overrides, hooks({ createRuntime: [one] })).create()).code).toBe(0);
    expect(readFileSync(file, "utf8")).toBe("zero a b\n");
  });

  test("the limits of the cgroup are set before they run", async ({ box }) => {
    const { file, overrides } = journal(box);
    const one = hook(
      "prestart",
      `P=$(sed -n 's/.*"pid": *\\([0-9]*\\).*/\\1/p'); G=$(sed -n 's/.*:memory://p; s/^0:://p' /proc/$P/cgroup | head -n1); cd /sys/fs/cgroup; cat memory$G/memory.limit_in_bytes ./$G/memory.max 2>/dev/null >${file}; true`,
    );
    const limits = { linux: { resources: { memory: { limit: 33554432 } } } };
    expect(await box.container(overrides, limits, hooks({ prestart: [one] })).create()).toMatchObject({ code: 0 });
    expect(readFileSync(file, "utf8")).toBe("33554432\n");
  });
});

describe("hooks that fail", () => {
  for (const kind of ["prestart", "createRuntime", "createContainer"] as const) {
    needs(kind === "createContainer" ? undefined : except({ crun: "exits with 255" }))(
      `${kind}: create fails, says which, and leaves nothing`,
      async ({ box }) => {
        const container = box.container(
          idle(),
          hooks({ [kind]: [hook(kind, "exit 0"), hook(kind, "echo because >&2; exit 3")] }),
        );
        const result = await container.create();
        expect(result.code).toBe(1);
        expect(result.stderr).toMatch(/hook/);
        expect(result.stderr).toMatch(/3|because/);
        await expect(container.state()).rejects.toThrow();
      },
    );
  }

  needs(except({ crun: "1.8 runs none" }))(
    "createRuntime: what follows a container's end runs after it (runtime.md, lifecycle)",
    async ({ box }) => {
      const mark = box.path("poststop");
      const failing = { createRuntime: [hook("createRuntime", "exit 3")] };
      const container = box.container(idle(), hooks({ ...failing, poststop: [hook("poststop", `cat >${mark}`)] }));
      expect((await container.create()).code).toBe(1);
      expect(JSON.parse(readFileSync(mark, "utf8"))).toMatchObject({ id: container.id, status: "stopped" });
    },
  );

  const others: readonly (readonly [what: string, overrides: Json, verb: string])[] = [
    ["create finds no program", { process: { args: ["nosuch"] } }, "create"],
    ["run finds no program", { process: { args: ["nosuch"] } }, "run"],
    ["a poststart hook fails under run", { hooks: { poststart: [hook("poststart", "exit 5")] } }, "run"],
  ];
  for (const [what, fields, verb] of others) {
    needs(except({ crun: "1.8 runs none" }))(
      `where ${what}, what the hooks before it have set up is taken down by poststop hooks`,
      async ({ box }) => {
        const { file, overrides } = journal(box);
        const list = { createRuntime: [hook("createRuntime", `echo up >>${file}`)] };
        const down = { poststop: [hook("poststop", `echo down >>${file}`)] };
        const container = box.container(overrides, hooks({ ...list, ...down }), fields);
        expect((await box.call([verb, "--bundle", container.bundle, container.id])).code).toBe(1);
        expect(readFileSync(file, "utf8")).toBe("up\ndown\n");
      },
    );
  }

  needs(except({ runc: "1.1 fails inside init, start succeeds", crun: "start succeeds" }))(
    "startContainer: start fails and the program never runs",
    async ({ box }) => {
      const container = box.container(sh("echo ran"), hooks({ startContainer: [hook("startContainer", "exit 4")] }));
      await container.create();
      const result = await container.start();
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/startContainer|hook/);
      await container.until("stopped");
      expect(container.output()).toBe("");
    },
  );

  for (const kind of ["startContainer", "poststart"] as const) {
    needs(except({ runc: "1.1 runs no poststop hooks", crun: "1.8 runs none" }))(
      `${kind}: run fails, and what follows a container's end runs after it`,
      async ({ box }) => {
        const mark = box.path("poststop");
        const list = { [kind]: [hook(kind, "exit 4")], poststop: [hook("poststop", `cat >${mark}`)] };
        const container = box.container(idle(), hooks(list));
        const result = await container.run(["--pid-file", box.path("pid")]);
        expect(result.code).toBe(1);
        expect(result.stderr).toContain(`${kind} hook #0`);
        expect(JSON.parse(readFileSync(mark, "utf8"))).toMatchObject({ id: container.id, status: "stopped" });
        expect(existsSync(box.path("pid"))).toBe(false);
        await expect(container.state()).rejects.toThrow("does not exist");
      },
    );
  }

  needs(except({ runc: "1.1 deletes the container", crun: "1.8 only warns" }))(
    "poststart: start fails and the container is killed (spec 1.3)",
    async ({ box }) => {
      const container = box.container(idle(), hooks({ poststart: [hook("poststart", "exit 5")] }));
      await container.create();
      expect((await container.start()).code).toBe(1);
      await container.until("stopped");
    },
  );

  needs(except({ runc: "1.1 stops at the first", crun: "1.8 may die of a hook that does not read" }))(
    "poststop: the others still run, and delete succeeds",
    async ({ box }) => {
      const { file, overrides } = journal(box);
      const list = [hook("poststop", "exit 6"), hook("poststop", `echo second >>${file}`)];
      const container = box.container(overrides, hooks({ poststop: list }));
      await container.create();
      expect((await container.delete("--force")).code).toBe(0);
      expect(readFileSync(file, "utf8")).toBe("second\n");
    },
  );

  test("a hook that runs past its timeout is killed, and create fails", async ({ box }) => {
    const slow = hook("createRuntime", "sleep 1000", { timeout: 1 });
    const start = Date.now();
    const result = await box.container(idle(), hooks({ createRuntime: [slow] })).create();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/time/i);
    expect(Date.now() - start).toBeLessThan(PATIENCE);
  });

  needs(except({ crun: "exits with 255" }))("a hook that does not exist is said by path", async ({ box }) => {
    const result = await box.container(idle(), hooks({ createRuntime: [{ path: "/no/such/hook" }] })).create();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/\/no\/such\/hook|hook|no such file/i);
  });

  test("a hook that reads nothing of its stdin is no error", async ({ box }) => {
    const annotations = { big: "x".repeat(200_000) };
    const container = box.container(
      idle(),
      { annotations },
      hooks({ createRuntime: [hook("createRuntime", "exec <&-; exit 0")] }),
    );
    expect((await container.create()).code).toBe(0);
  });

  needs(except({ runc: "checks no paths", crun: "checks no paths" }))("a relative path is refused", async ({ box }) => {
    const result = await box.container(hooks({ createRuntime: [{ path: "bin/sh" }] })).create();
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/path/);
  });
});
