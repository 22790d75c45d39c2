// `run` in the foreground: exit statuses, signals passed on, standard streams, descriptors, readiness; and `run -d`.

import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect } from "vitest";
import { idle, namespaces, sh } from "./harness/config.ts";
import { test } from "./harness/fixture.ts";
import { processesOf } from "./harness/leftovers.ts";
import { bindDatagram, receiveDatagram, sendDatagram } from "./harness/libc.ts";
import { except, needs } from "./harness/needs.ts";
import { handedOn, settled } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";
import { until } from "./harness/until.ts";

describe("the exit status of run", () => {
  for (const status of [0, 1, 7, 126, 255]) {
    test(`is the program's: ${status}`, async ({ box }) => {
      expect((await box.container(sh(`exit ${status}`)).run()).code).toBe(status);
    });
  }

  for (const [signal, number] of [
    ["KILL", 9],
    ["SEGV", 11],
    ["TERM", 15],
  ] as const) {
    test(`is 128 and the number when SIG${signal} kills it`, async ({ box }) => {
      // PID 1 is immune to its own signals: a child dies for it, and init takes over the status.
      const inside = box.container(sh(`sh -c 'kill -${signal} $$'; exit $?`));
      expect((await inside.run()).code).toBe(128 + number);
    });
  }

  test("is 137 when the container is killed from outside", async ({ box }) => {
    const container = box.container(idle());
    const running = container.beginRun();
    await ready(running);
    await container.kill("KILL");
    expect((await settled(running)).code).toBe(137);
  });
});

describe("run in the foreground", () => {
  test("passes stdin, stdout and stderr through", async ({ box }) => {
    const result = await box.container(sh("cat; echo err >&2")).run([], { input: "in\n" });
    expect(result).toMatchObject({ code: 0, stdout: "in\n", stderr: "err\n" });
  });

  test("passes on megabytes unharmed", async ({ box }) => {
    const result = await box.container(sh("head -c 5000000 /dev/zero | tr '\\0' x")).run();
    expect(result.stdout.length).toBe(5_000_000);
  });

  test("removes the container at its end", async ({ box }) => {
    const gone = box.container();
    await gone.run();
    await expect(gone.state()).rejects.toThrow();
  });

  needs(except({ runc: "1.1 removes it nevertheless", crun: "has no such flag" }))(
    "with --keep does not remove it",
    async ({ box }) => {
      const kept = box.container();
      await kept.run(["--keep"]);
      expect((await kept.state()).status).toBe("stopped");
    },
  );

  needs(except({ crun: "1.8 fails where the other was first" }))(
    "ends with the program's status when somebody else deletes the container",
    async ({ box }) => {
      const container = box.container(idle());
      const running = container.beginRun();
      await ready(running);
      expect((await container.delete("--force")).code).toBe(0);
      expect(await settled(running)).toMatchObject({ code: 137, stderr: "" });
    },
  );

  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const) {
    test(`passes on ${signal}`, async ({ box }) => {
      const name = signal.slice(3);
      const container = box.container(
        sh(`trap 'echo got ${name}; exit 9' ${name}; echo ready; while :; do sleep 0.02; done`),
      );
      const running = container.beginRun();
      await ready(running);
      running.kill(signal);
      expect(await settled(running)).toMatchObject({ code: 9, stdout: `ready\ngot ${name}\n` });
    });
  }

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    needs(except({ runc: "passes it on to a program without handlers", crun: "leaves the container" }))(
      `${signal} before the program runs ends all, and leaves nothing`,
      async ({ box }) => {
        const hook = (script: string) => ({ path: "/bin/sh", args: ["sh", "-c", script] });
        const createRuntime = [
          hook(`echo > ${box.path("begun")}; until [ -e ${box.path("signalled")} ]; do sleep 0.02; done`),
        ];
        const poststop = [hook(`echo > ${box.path("stopped")}`)];
        const container = box.container(sh("echo ran"), { hooks: { createRuntime, poststop } });
        const running = container.beginRun();
        await until(() => existsSync(box.path("begun")), "the hook");
        running.kill(signal);
        writeFileSync(box.path("signalled"), "");
        const code = signal === "SIGTERM" ? 143 : 130;
        expect(await settled(running)).toMatchObject({ code, stdout: "", stderr: "" });
        await expect(container.state()).rejects.toThrow("does not exist");
        expect(existsSync(box.path("stopped")), "poststop hook").toBe(true);
      },
    );
  }

  test("a runtime that is killed leaves a container that delete --force removes", async ({ box }) => {
    const container = box.container(idle());
    const running = container.beginRun();
    await ready(running);
    running.kill("SIGKILL");
    expect((await container.delete("--force")).code).toBe(0);
    await running; // not before: the container may hold our pipe open
  });

  test("is quick to end: two hundred and fifty short runs neither hang nor fail", { timeout: 300_000 }, async ({
    box,
  }) => {
    for (let round = 0; round < 50; round += 1) {
      const results = await Promise.all(Array.from({ length: 5 }, () => box.container().run()));
      expect(results.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    }
  });
});

describe("run --detach", () => {
  test("returns once the program runs, and no runtime process stays", async ({ box }) => {
    const container = box.container(idle());
    const file = box.path("pid");
    expect(await container.runDetached(["--pid-file", file])).toMatchObject({ code: 0 });
    const { pid, status } = await container.state();
    expect(status).toBe("running");
    expect(readFileSync(file, "utf8")).toBe(String(pid));
    const marked = processesOf(`TSRUN_TEST=${box.word}`);
    expect(marked).toEqual([]);
  });
});

describe("descriptors", () => {
  const list =
    "cd /proc/self/fd; for f in 3 4 5; do test -e $f && { printf '%s:' $f; cat /proc/self/fd/$f; }; done; echo";

  test("--preserve-fds hands on that many and no more", async ({ box }) => {
    const files = ["a", "b", "c"].map((name) => {
      writeFileSync(box.path(name), name);
      return openSync(box.path(name), "r");
    });
    try {
      const result = await box.container(sh(list)).run(["--preserve-fds", "2"], { descriptors: files });
      expect(result).toMatchObject({ code: 0, stdout: "3:a4:b\n" });
    } finally {
      files.forEach(closeSync);
    }
  });

  needs(except({ crun: "ignores it" }))("--preserve-fds refuses one that is not open", async ({ box }) => {
    for (const count of ["40", "99999999"]) {
      const result = await box.container(sh(list)).run(["--preserve-fds", count]);
      expect(result.code).toBe(1);
      expect(result.stderr).toMatch(/fd|descriptor \d/);
    }
  });

  needs(except({ runc: "opens others first", crun: "ignores it" }))(
    "--preserve-fds takes no descriptor of the runtime's own for the caller's",
    async ({ box }) => {
      const paths = namespaces("pid", "mount", "ipc=/proc/self/ns/ipc", "network=/proc/self/ns/net");
      const container = box.container(sh(list), paths, { hostname: undefined });
      const closed = ["sh", "-c", 'exec 3>&- 4>&-; exec "$@"', "sh"];
      const result = await container.run(["--preserve-fds", "2"], { under: closed });
      expect(result).toMatchObject({ code: 1, stderr: expect.stringContaining("descriptor 3 is not open") });
    },
  );

  needs(except({ crun: "1.8 sets no LISTEN_PID" }))(
    "LISTEN_FDS are handed on, with LISTEN_PID set to 1",
    async ({ box }) => {
      const container = box.container(sh("echo $LISTEN_FDS $LISTEN_PID $LISTEN_FDNAMES; readlink /proc/self/fd/3"));
      const descriptor = openSync("/dev/null", "r");
      try {
        const { execa } = await import("execa");
        const { commandWords } = await import("./harness/runtime.ts");
        const words = [...commandWords(), "--root", box.root, "run", "--bundle", container.bundle, container.id];
        // LISTEN_PID must be the runtime's own id: a shell that becomes it says so.
        const line = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"';
        const result = await execa("sh", ["-c", line, "sh", ...words], {
          stdio: ["ignore", "pipe", "pipe", handedOn(descriptor)],
          env: { TSRUN_TEST: box.word, LISTEN_FDNAMES: "name" },
        });
        expect(result.stdout).toMatch(/^1 1( name)?\n\/dev\/null$/);
      } finally {
        closeSync(descriptor);
      }
    },
  );
});

needs(except({ crun: "1.8 hands them on" }))(
  "LISTEN_FDS of another process, whose number LISTEN_PID is, are not",
  async ({ box }) => {
    const container = box.container(sh("echo $LISTEN_FDS $LISTEN_PID"));
    const env = { LISTEN_FDS: "2", LISTEN_PID: "1" };
    expect(await container.run([], { env })).toMatchObject({ code: 0, stdout: "\n", stderr: "" });
  },
);

describe("NOTIFY_SOCKET", () => {
  const program = sh("echo $NOTIFY_SOCKET; while :; do sleep 0.05; done");
  const ours = needs(except({ crun: "1.8 has no socket of its own in between" }));

  /** A service manager's socket, and what has been sent to it once that includes `last`. */
  function manager(box: Sandbox): { path: string; received: (last: string) => Promise<string> } {
    const path = box.path("notify.sock");
    const socket = bindDatagram(path);
    box.defer(() => closeSync(socket));
    let all = "";
    const received = async (last: string): Promise<string> => {
      while (!all.includes(last)) {
        all += receiveDatagram(socket) ?? "";
        await sleep(10);
      }
      return all;
    };
    return { path, received };
  }

  /** Has the container say that it is ready. */
  function sayReady(pid: number, inside: string): void {
    for (const text of ["STATUS=ignored\n", "READY=1\n"]) sendDatagram(`/proc/${pid}/root${inside.trim()}`, text);
  }

  const barrier = needs(except({ runc: "1.1 sends no BARRIER=1", crun: "1.8 has no socket of its own in between" }));
  barrier(
    "READY=1 from inside reaches the caller's socket, with the container's process id; delete need not wait for it",
    async ({ box }) => {
      const { path, received } = manager(box);
      const env = { NOTIFY_SOCKET: path };
      const container = box.container(program);
      expect((await container.create([], { env })).code).toBe(0);
      const starting = box.begin(["start", container.id], { env });
      const inside = await container.untilOutput("\n");
      const { pid } = await container.state();
      sayReady(pid, inside);
      const text = await received("BARRIER=1");
      expect(text).toContain("READY=1");
      expect(text).toMatch(new RegExp(`MAINPID=${pid}\\b`));
      await settled(starting);
      const silent = box.container(program);
      await silent.create([], { env });
      const waiting = box.begin(["start", silent.id], { env });
      await silent.untilOutput("\n");
      expect(await silent.delete("--force")).toMatchObject({ code: 0 });
      await settled(waiting);
    },
  );

  barrier("run --detach returns when the container is ready", async ({ box }) => {
    const { path, received } = manager(box);
    const container = box.container(program);
    const running = container.runDetached([], { env: { NOTIFY_SOCKET: path } });
    await container.untilRunning();
    const { pid } = await container.state();
    sayReady(pid, await container.untilOutput("\n"));
    expect(await received("BARRIER=1")).toMatch(new RegExp(`READY=1\\n.*MAINPID=${pid}\\b`, "s"));
    expect((await running).code).toBe(0);
  });

  ours("run in the foreground passes it on and remains the main process", async ({ box }) => {
    const { path, received } = manager(box);
    const container = box.container(program);
    const running = container.beginRun([], { env: { NOTIFY_SOCKET: path } });
    await container.untilRunning();
    const { pid } = await container.state();
    sayReady(pid, "/run/notify/notify.sock");
    expect(await received("MAINPID")).toMatch(new RegExp(`READY=1\\n.*MAINPID=${running.pid}\\b`, "s"));
    await container.kill("KILL");
    expect(await settled(running)).toMatchObject({ code: 137, stderr: "" });
  });
});

/** Waits for the line that `idle` and its like print. */
function ready(running: { stdout: NodeJS.ReadableStream | null }): Promise<void> {
  return new Promise((resolve) => {
    running.stdout?.on("data", (chunk: Buffer) => {
      if (String(chunk).includes("ready")) resolve();
    });
  });
}
