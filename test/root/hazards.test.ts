// Hazards of a runtime that is a JavaScript engine (DESIGN §5b): each of these was seen, and each test fails when its
// guard is taken away. Some are of engines that tsrun was built with once; they hold whatever engine it is built with.
// The peers pass them by being written in other languages.

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { describe, expect } from "vitest";
import { idle, sh } from "./harness/config.ts";
import { test } from "./harness/fixture.ts";
import { except, needs } from "./harness/needs.ts";
import { commandWords, runtimePath } from "./harness/runtime.ts";

const onlyOurs = except({ runc: "is no JavaScript program", crun: "is no JavaScript program" });

describe("files in the current directory", () => {
  test("run nothing and set nothing: bunfig.toml, .env, tsconfig.json, package.json", async ({ box }) => {
    const directory = box.makeDirectory("trap");
    const mark = box.path("mark");
    const write = (name: string, text: string) => writeFileSync(join(directory, name), text);
    write("preload.js", `require("fs").writeFileSync(${JSON.stringify(mark)}, "ran")`);
    write("bunfig.toml", 'preload = ["./preload.js"]\n[run]\npreload = ["./preload.js"]\n');
    write(
      ".env",
      `BUN_OPTIONS=--preload=./preload.js\nNODE_OPTIONS=--require=./preload.js\nXDG_RUNTIME_DIR=/nowhere\n`,
    );
    write("tsconfig.json", '{"compilerOptions":{"paths":{"node:fs":["./preload.js"]}}}');
    write("package.json", '{"imports":{"#x":"./preload.js"},"type":"commonjs"}');
    const container = box.container(sh("echo fine"));
    expect(await container.run([], { cwd: directory })).toMatchObject({ code: 0, stdout: "fine\n", stderr: "" });
    expect(existsSync(mark)).toBe(false);
  });
});

describe("the caller's environment", () => {
  // Engines of JavaScript take options from it: files to run, to write, servers to open.
  const trap = { NODE_OPTIONS: "--require=./preload.js", BUN_OPTIONS: "--preload=./preload.js", BUN_BE_BUN: "1" };
  needs(onlyOurs)("changes nothing of what tsrun is", async ({ box }) => {
    const directory = box.makeDirectory("trap");
    writeFileSync(join(directory, "preload.js"), 'require("fs").writeFileSync("mark", "ran")');
    const container = box.container(sh("echo fine"));
    const result = await container.run([], { cwd: directory, env: trap });
    expect(result).toMatchObject({ code: 0, stdout: "fine\n", stderr: "" });
    expect(readdirSync(directory)).toEqual(["preload.js"]);
  });
});

describe("standard streams", () => {
  test("stay blocking for the container and for the caller", async ({ box }) => {
    const container = box.container(sh("for f in 0 1 2; do grep flags /proc/self/fdinfo/$f; done"));
    const words = [...commandWords(), "--root", box.root, "run", "--bundle", container.bundle, container.id];
    // A shell's own pipes: our test's would be non-blocking by our own doing.
    const line = `"$@" </dev/null 2>&1 | cat; grep flags /proc/self/fdinfo/1`;
    const { stdout } = await execa("sh", ["-c", line, "sh", ...words], { env: { TSRUN_TEST: box.word } });
    const nonblocking = 0o4000;
    for (const [, flags] of stdout.matchAll(/flags:\s+(\d+)/g))
      expect(Number.parseInt(flags ?? "", 8) & nonblocking).toBe(0);
  });

  needs(except({ runc: "does not say why", crun: "dies of SIGXFSZ" }))(
    "a file size limit of the caller's is an error that is told, and nothing is left",
    async ({ box }) => {
      const container = box.container(idle());
      const words = [...commandWords(), "--root", box.root, "create", "--bundle", container.bundle, container.id];
      const result = await execa("sh", ["-c", 'ulimit -f 0; exec "$@"', "sh", ...words], {
        ...{ reject: false, timeout: 20_000, stdin: "ignore" },
        env: { TSRUN_TEST: box.word },
      });
      expect(result).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/EFBIG|file too large/i) });
      await expect(container.state()).rejects.toThrow();
    },
  );

  test("closed ones do no harm", async ({ box }) => {
    const container = box.container(idle());
    const words = [...commandWords(), "--root", box.root, "create", "--bundle", container.bundle, container.id];
    const result = await execa("sh", ["-c", '"$@" </dev/null >/dev/null 2>/dev/null <&- >&-', "sh", ...words], {
      ...{ reject: false, timeout: 20_000 },
      env: { TSRUN_TEST: box.word },
    });
    if (result.exitCode === 0) expect((await container.state()).status).toBe("created");
    else await expect(container.state()).rejects.toThrow();
  });
});

describe("the program", () => {
  needs(onlyOurs)("runs through a symbolic link from another directory", async ({ box }) => {
    const link = box.path("other-name");
    symlinkSync(runtimePath, link);
    const container = box.container(sh("echo linked"));
    const args = ["--root", box.root, "run", "--bundle", container.bundle, container.id];
    const result = await execa(link, args, { cwd: "/", env: {}, extendEnv: false });
    expect(result.stdout).toBe("linked");
  });

  test("a bundle that nobody else may read works, and so does one below a closed directory", async ({ box }) => {
    const container = box.container(sh("echo closed"));
    mkdirSync(box.path("private"), { recursive: true });
    chmodSync(container.bundle, 0o700);
    expect((await container.run()).stdout).toBe("closed\n");
  });
});

describe("init between create and start", () => {
  needs(onlyOurs)("is resident with less than 32 KB", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    const { pid } = await container.state();
    const rss = Number(/^Rss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
    console.log(`init is resident with ${rss} KiB`);
    expect(rss).toBeLessThan(32);
  });

  needs(onlyOurs)("is no file of the host: its program is a sealed memory file (CVE-2019-5736)", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    const { pid } = await container.state();
    expect(readlinkSync(`/proc/${pid}/exe`)).toMatch(/^\/memfd:/);
  });

  needs(onlyOurs)("holds no descriptor that leads to the host's files", async ({ box }) => {
    const container = box.container(idle());
    await container.create();
    const { pid } = await container.state();
    const links = readdirSync(`/proc/${pid}/fd`).filter((fd) => Number(fd) > 2);
    const targets = links.map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
    expect(targets.filter((target) => target.startsWith("/") && !/\/exec\.(fifo|failure)$/.test(target))).toEqual([]);
  });

  needs(onlyOurs)("dies when the runtime is killed at any moment of create", async ({ box }) => {
    for (let delay = 1; delay < 40; delay += 3) {
      const container = box.container(idle());
      const running = box.begin(["create", "--bundle", container.bundle, container.id]);
      await sleep(delay);
      running.kill("SIGKILL");
      expect((await container.delete("--force")).code, `killed after ${delay} ms`).toBe(0);
      await running; // not before: init may hold our pipe open
    }
  });
});
