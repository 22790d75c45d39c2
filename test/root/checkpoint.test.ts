// checkpoint and restore, by CRIU: where it is installed and the kernel has what it needs, which is the guest under QEMU.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { cgroupVersion } from "./harness/cgroup-files.ts";
import { idle, type Json, merge, mounts, namespaces, sh } from "./harness/config.ts";
import { ConsoleSocket } from "./harness/console.ts";
import type { Container } from "./harness/container.ts";
import {
  checkpoint,
  counting,
  criu,
  lastCount,
  mapped,
  memoryTracking,
  PIPED,
  pause,
  restore,
  SLOW,
  socketOptions,
} from "./harness/criu.ts";
import { except, needs, program } from "./harness/needs.ts";
import { runtimePath, settled } from "./harness/runtime.ts";

/** Sends itself bytes, into the file /got. (nc itself would end: its poll is interrupted by a checkpoint.) */
function connected(): Json {
  const ends = [
    "nc -l -p 5000 -e sh -c 'cat >/got'",
    "nc 127.0.0.1 5000 -e sh -c 'while :; do echo x; sleep 0.1; done'",
  ];
  return sh(`${ends[0]} & until ${ends[1]}; do sleep 0.1; done`);
}

describe("checkpoint and restore [qemu]", { timeout: 120_000 }, () => {
  needs(...criu, except({ runc: "refuses output in a file", crun: "too" }))(
    "it goes on where it was, with other files for its output, and is a container like any other",
    async ({ box }) => {
      const container = box.container(counting(), {
        linux: { maskedPaths: ["/proc/keys", "/proc/timer_list", "/proc/acpi"], readonlyPaths: ["/proc/sys"] },
      });
      await container.runDetached();
      await container.untilOutput("3\n");
      expect(await checkpoint(box, container)).toMatchObject({ code: 0, stdout: "", stderr: "" });
      await expect(container.state()).rejects.toThrow("does not exist");
      expect(readdirSync(box.path("images"))).toContain("descriptors.json");
      const before = lastCount(container.output());

      const pidFile = box.path("pid");
      expect(await restore(box, container, "--pid-file", pidFile)).toMatchObject({ code: 0, stderr: "" });
      const { pid, status } = await container.state();
      expect([status, String(pid)]).toEqual(["running", readFileSync(pidFile, "utf8")]);
      expect(readFileSync(`/proc/${pid}/cgroup`, "utf8")).toContain(container.id);
      while (!readFileSync(box.path("restored.out"), "utf8").includes(`${before + 2}\n`)) await pause();
      expect(lastCount(container.output())).toBe(before);

      const inside = await container.exec(["sh", "-c", "cat /proc/self/mountinfo; readlink /proc/self/ns/pid"]);
      expect(inside.code).toBe(0);
      // Of masks that are alike CRIU leaves all but the first writable.
      for (const path of ["/proc/keys", "/proc/timer_list"])
        if (existsSync(path)) expect(inside.stdout).toMatch(new RegExp(` ${path} ro[ ,]`));
      expect(inside.stdout).toMatch(/ \/proc\/sys ro[ ,]/);

      expect(await checkpoint(box, container, "--leave-running")).toMatchObject({ code: 0, stderr: "" });
      expect((await container.state()).pid).toBe(pid);
      await container.kill("TERM");
      await container.until("stopped");
      expect((await container.delete()).code).toBe(0);
    },
  );

  needs(...criu)("in the foreground it has tsrun's pipes, signals and status", async ({ box }) => {
    const container = box.container(counting());
    const running = container.beginRun([], PIPED);
    await new Promise((resolve) => running.stdout?.once("data", resolve));
    expect(await checkpoint(box, container, "--work-path", box.path("work"))).toMatchObject({ code: 0, stderr: "" });
    expect(existsSync(box.path("work/dump.log"))).toBe(true);
    const before = lastCount((await settled(running)).stdout);
    expect(before).toBeGreaterThan(0);

    const args = ["restore", "--bundle", container.bundle, "--image-path", box.path("images"), container.id];
    const restored = box.begin(args, PIPED);
    await new Promise((resolve) => restored.stdout?.once("data", resolve));
    restored.kill("SIGTERM");
    const { stdout, code } = await settled(restored);
    expect(stdout.split("\n")[0]).toBe(String(before + 1));
    expect([code, stdout.endsWith("term\n")]).toEqual([7, true]);
    await expect(container.state()).rejects.toThrow("does not exist");
  });

  needs(...criu)("a terminal goes to the console socket of the restore", async ({ box }) => {
    const container = box.container(sh("x=kept; while read y; do echo got $y, $x; done"), {
      process: { terminal: true },
    });
    const first = new ConsoleSocket(box, "first.sock");
    expect((await container.runDetached(["--console-socket", first.path])).code).toBe(0);
    const terminal = first.receive();
    terminal.write("one\n");
    await terminal.until(/got one, kept/);
    expect(await checkpoint(box, container)).toMatchObject({ code: 0, stderr: "" });

    const second = new ConsoleSocket(box, "second.sock");
    expect((await restore(box, container)).stderr).toContain("without setting console socket");
    expect(await restore(box, container, "--console-socket", second.path)).toMatchObject({ code: 0 });
    const again = second.receive();
    again.write("two\n");
    await again.until(/got two, kept/);
  });

  needs(
    ...criu,
    program("script"),
    except({ runc: "has pipes of its own", crun: "refuses a terminal outside" }),
  )("a terminal that tsrun was called on is that of the restore", async ({ box }) => {
    const onTerminal = (...args: string[]) => {
      const command = [runtimePath, "--root", box.root, ...args].map((word) => `'${word}'`).join(" ");
      const child = spawn("script", ["-qefc", command, "/dev/null"], { stdio: ["ignore", "pipe", "inherit"] });
      box.defer(() => void child.kill("SIGKILL"));
      let output = "";
      child.stdout.on("data", (data) => (output += data));
      const ended = new Promise((resolve) => child.once("close", resolve));
      return { seen: () => output, ended };
    };
    const container = box.container(counting());
    const first = onTerminal("run", "--bundle", container.bundle, container.id);
    while (!first.seen().includes("3\r\n")) await pause();
    expect(await checkpoint(box, container)).toMatchObject({ code: 0, stderr: "" });
    await first.ended;
    const args = ["restore", "--bundle", container.bundle, "--image-path", box.path("images"), container.id];
    const second = onTerminal(...args);
    while (!second.seen().includes(`${lastCount(first.seen()) + 2}\r\n`)) await pause();
    await container.kill("TERM");
    expect(await second.ended).toBe(7);
    expect(second.seen()).toMatch(/term\r\n$/);
  });

  needs(...criu)("bind mounts come from their sources, and namespaces that it shares are joined", async ({ box }) => {
    const holder = spawn("unshare", ["--net", "sleep", "1000"], { stdio: "ignore" });
    box.defer(() => void holder.kill("SIGKILL"));
    const shared = `/proc/${holder.pid}/ns/net`;
    const source = box.makeDirectory("volume");
    writeFileSync(box.path("volume/file"), "outside\n");
    const bind = { type: "bind", source, options: ["rbind", "ro", "nosuid"] };
    const file = { type: "bind", source: box.path("volume/file"), options: ["bind"] };
    const container = box.container(
      counting(),
      mounts({ ...bind, destination: "/link/volume" }, { ...file, destination: "/etc/one" }),
      namespaces("pid", `network=${shared}`, "ipc", "uts", "mount"),
    );
    spawnSync("ln", ["-s", "etc", `${container.rootfs}/link`]); // a destination is resolved inside the root
    while (statSync(shared).ino === statSync("/proc/self/ns/net").ino) await pause();
    await container.runDetached();
    await container.untilOutput("2\n");
    expect(await checkpoint(box, container)).toMatchObject({ code: 0, stderr: "" });
    writeFileSync(box.path("volume/file"), "later\n");
    expect(await restore(box, container)).toMatchObject({ code: 0, stderr: "" });
    const script = "cat /etc/volume/file /etc/one; readlink /proc/self/ns/net; grep /etc/volume /proc/self/mountinfo";
    const { stdout } = await container.exec(["sh", "-c", script]);
    expect(stdout).toContain(`later\nlater\nnet:[${statSync(shared).ino}]`);
    expect(stdout).toMatch(/ \/etc\/volume ro,nosuid/);
  });

  needs(...criu)("what CRIU cannot do it says, in the words of its log, and the container runs on", async ({ box }) => {
    const container = box.container(counting());
    const running = container.beginRun([], SLOW); // node's pipes are sockets
    await container.untilRunning();
    const { code, stderr } = await checkpoint(box, container);
    expect(code).toBe(1);
    expect(stderr).toMatch(/criu failed: dump: .*unix.*log file: .*images\/dump\.log/s);
    expect((await container.state()).status).toBe("running");
    await container.kill("TERM");
    expect(await settled(running)).toMatchObject({ code: 7, stdout: expect.stringContaining("term") });
  });

  needs(...criu, socketOptions())("open TCP connections go on", async ({ box }) => {
    const container = box.container(connected());
    await container.runDetached();
    await received(container, 1);
    expect(await checkpoint(box, container, "--tcp-established")).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container, "--tcp-established")).toMatchObject({ code: 0, stderr: "" });
    await received(container, container.readFile("got").length + 2);
  });

  needs(...criu)(
    "hooks of create run; where one fails nothing is left, and the images are good still",
    async ({ box }) => {
      const hook = (script: string): Json => ({
        hooks: { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", script] }] },
      });
      const container = box.container(counting());
      await container.runDetached();
      await container.untilOutput("1\n");
      expect((await checkpoint(box, container)).code).toBe(0);
      container.configure(merge(counting(), hook("echo on purpose >&2; exit 3")));
      const { code, stderr } = await restore(box, container);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/createRuntime.*on purpose/s)]);
      await expect(container.state()).rejects.toThrow("does not exist");
      const told = box.path("told");
      container.configure(merge(counting(), hook(`cat >${told}; readlink /proc/self/ns/pid >>${told}`)));
      expect(await restore(box, container)).toMatchObject({ code: 0 });
      const { pid } = await container.state();
      expect(readFileSync(told, "utf8")).toContain(`"pid":${pid}`);
    },
  );

  needs(...criu, except({ runc: "its images cannot be opened", crun: "the devices are no obstacle to it alone" }))(
    "a container with a user namespace comes back from images that only the host's root can open",
    async ({ box }) => {
      const container = mapped(box, { process: { user: { uid: 1000, gid: 1000 } } });
      await container.runDetached();
      await container.untilOutput("2\n");
      expect(await checkpoint(box, container)).toMatchObject({ code: 0, stderr: "" });
      const before = statSync(box.path("images"));
      expect(before.mode & 0o777).toBe(0o700);
      expect(await restore(box, container)).toMatchObject({ code: 0, stderr: "" });
      const { pid } = await container.state();
      expect(readFileSync(`/proc/${pid}/uid_map`, "utf8")).toMatch(/^\s*0\s+100000\s+65536\n$/);
      expect((await container.exec(["sh", "-c", "id -u; ls -ld /root"])).stdout).toMatch(/^1000\n.* root +root /);
      expect(statSync(box.path("restored.out")).uid).toBe(101_000);
      expect(existsSync(box.path("images/restore.log"))).toBe(true);
      const after = statSync(box.path("images"));
      expect([after.mode, after.uid]).toEqual([before.mode, before.uid]);
    },
  );

  needs(...criu, except({ runc: "refuses output in a file", crun: "too" }))(
    "a process that a signal has stopped stays stopped, and is no obstacle",
    async ({ box }) => {
      const container = box.container(sh("sleep 1000 & kill -STOP $!; echo $! stopped; wait"));
      await container.runDetached();
      const [pid] = (await container.untilOutput("stopped")).split(" ");
      const state = async () => (await container.exec(["cut", "-d ", "-f3", `/proc/${pid}/stat`])).stdout;
      expect(await state()).toBe("T\n");
      expect(await checkpoint(box, container)).toMatchObject({ code: 0, stderr: "" });
      expect(await restore(box, container)).toMatchObject({ code: 0, stderr: "" });
      expect(await state()).toBe("T\n");
    },
  );

  needs(...criu, except({ runc: "waits for ever", crun: "waits for ever" }))(
    "a process that a signal has stopped, which is paused as well, is refused on cgroup v1",
    async ({ box }) => {
      const container = box.container(sh("sleep 1000 & kill -STOP $!; echo $! stopped; wait"));
      await container.runDetached();
      await container.untilOutput("stopped");
      await box.call(["pause", container.id]);
      const result = await checkpoint(box, container);
      if (cgroupVersion === "v1") {
        const sorry = /process \d+ is stopped by a signal, .*paused.*: resume the container, or continue the process/;
        expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(sorry) });
        expect((await container.state()).status).toBe("paused");
      } else expect(result).toMatchObject({ code: 0, stderr: "" });
    },
  );

  needs(...criu, memoryTracking())("memory is written ahead, and then what has changed", async ({ box }) => {
    const container = box.container(counting());
    await container.runDetached();
    await container.untilOutput("1\n");
    expect(
      await box.call(["checkpoint", "--pre-dump", "--image-path", box.path("ahead"), container.id], SLOW),
    ).toMatchObject({
      code: 0,
      stderr: "",
    });
    expect((await container.state()).status).toBe("running");
    expect((await checkpoint(box, container, "--parent-path", "../none")).stderr).toContain("invalid --parent-path");
    expect(await checkpoint(box, container, "--parent-path", "../ahead")).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container)).toMatchObject({ code: 0, stderr: "" });
    expect((await container.state()).status).toBe("running");
  });
});

describe("checkpoint refuses", () => {
  needs(except({ runc: "1.1 names no flag", crun: "Debian's cannot" }))(
    "what does not run, and flags that say nothing",
    async ({ box }) => {
      const container = box.container(idle());
      const words = async (...flags: string[]) => (await checkpoint(box, container, ...flags)).stderr;
      expect(await words()).toContain("does not exist");
      await container.create();
      expect(await words()).toContain("Container cannot be checkpointed in created state");
      await container.start();
      expect(await words("--parent-path", "/tmp")).toContain("--parent-path");
      expect(await words("--empty-ns", "pid")).toContain("pid");
      expect(await words("--manage-cgroups-mode", "none")).toContain("manage-cgroups-mode");
      expect((await container.state()).status).toBe("running");
    },
  );

  needs(except({ runc: "asks criu first", crun: "has other words" }))(
    "without criu, saying so; and restore leaves nothing",
    async ({ box }) => {
      const container = box.container(idle());
      await container.runDetached();
      const without = { env: { PATH: "/nonexistent" } };
      const args = ["--image-path", box.path("images"), container.id];
      box.makeDirectory("empty");
      expect((await box.call(["checkpoint", ...args], without)).stderr).toContain("no program criu in PATH");
      expect((await container.state()).status).toBe("running");
      await container.delete("--force");
      const restoring = ["restore", "--bundle", container.bundle, ...args];
      const nothing = restoring.map((word) => (word === box.path("images") ? box.path("empty") : word));
      expect((await box.call(nothing, without)).stderr).toContain("descriptors.json");
      expect((await box.call(restoring, without)).stderr).toContain("no program criu in PATH");
      await expect(container.state()).rejects.toThrow("does not exist");
    },
  );
});

/** Waits until so many bytes have come in. */
async function received(container: Container, length: number): Promise<void> {
  const start = Date.now();
  while (!existsSync(`${container.rootfs}/got`) || container.readFile("got").length < length) {
    if (Date.now() - start > 20_000) throw new Error(`never ${length} bytes`);
    await pause();
  }
}
