// The flags of checkpoint and restore, each with a container that CRIU refuses without it, or with what it changes.

import { execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect } from "vitest";
import { cgroupFile, cgroupVersion, readCgroup } from "./harness/cgroup-files.ts";
import { type Json, merge, mounts, namespaces, sh } from "./harness/config.ts";
import { checkpoint, counting, criu, pause, restore, socketOptions } from "./harness/criu.ts";
import { except, kernelFile, type Missing, needs, program } from "./harness/needs.ts";
import { runtimePath } from "./harness/runtime.ts";
import { until } from "./harness/until.ts";

const COUNT = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.1; done";

const PARSER = "apparmor_parser";

/** Mounts that let the host's programs run. */
const HOST: readonly Json[] = ["/usr", "/lib", "/lib64"].map((path) => ({
  type: "bind",
  source: path,
  destination: path,
  options: ["rbind", "ro"],
}));

const ofTsrun = except({ runc: "refuses output in a file", crun: "too" });

describe("flags of checkpoint and restore [qemu]", { timeout: 120_000 }, () => {
  needs(
    ...criu,
    ofTsrun,
    kernelFile("/lib64"),
    program("flock"),
  )("--file-locks: locks are held again", async ({ box }) => {
    const container = box.container(mounts(...HOST), sh(`exec /usr/bin/flock /lock sh -c '${COUNT}'`));
    await container.runDetached();
    await container.untilOutput("1\n");
    const refused = await checkpoint(box, container);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/lock/i)]);
    expect((await container.state()).status).toBe("running");
    expect(await checkpoint(box, container, "--file-locks")).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container, "--file-locks")).toMatchObject({ code: 0, stderr: "" });
    expect((await container.exec(["/usr/bin/flock", "-n", "/lock", "true"])).code).toBe(1);
  });

  needs(...criu, ofTsrun)("--link-remap: an open file whose name is gone, but not its other one", async ({ box }) => {
    const container = box.container(sh(`exec 9>/one; ln /one /two; rm /one; ${COUNT}`));
    await container.runDetached();
    await container.untilOutput("1\n");
    const refused = await checkpoint(box, container);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("link-remap")]);
    expect(await checkpoint(box, container, "--link-remap")).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container)).toMatchObject({ code: 0, stderr: "" });
    expect((await container.exec(["sh", "-c", "echo told >/proc/1/fd/9; cat /two"])).stdout).toBe("told\n");
    expect(readdirSync(container.rootfs).filter((name) => name.startsWith("link_remap"))).toEqual([]);
  });

  needs(...criu, ofTsrun)("--ext-unix-sk: a socket of a log outside", async ({ box }) => {
    const shared = namespaces("pid", "ipc", "uts", "mount"); // CRIU knows the sockets of one network alone
    const volume = mounts({
      type: "bind",
      source: box.makeDirectory("sockets"),
      destination: "/sockets",
      options: ["rbind"],
    });
    const link = "ln -s /sockets/log /dev/log;";
    const logger = box.container(shared, volume, sh(`${link} exec syslogd -n -O /log`));
    await logger.runDetached();
    const container = box.container(shared, volume, sh(`${link} echo ready; exec crond -f -c /tmp`));
    await container.runDetached();
    const log = `${logger.rootfs}/log`;
    await until(() => existsSync(log) && readFileSync(log, "utf8").includes("crond"), "crond to be connected");
    const refused = await checkpoint(box, container);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringMatching(/unix/)]);
    expect(await checkpoint(box, container, "--ext-unix-sk")).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container, "--ext-unix-sk")).toMatchObject({ code: 0, stderr: "" });
    expect((await container.state()).status).toBe("running");
    expect(logger.readFile("log")).toContain("crond");
  });

  needs(
    ...criu,
    ofTsrun,
    kernelFile("/lib64"),
    program("perl"),
    socketOptions(),
  )("--tcp-skip-in-flight: a connection that was not accepted is left out", async ({ box }) => {
    const connect = [
      "use Socket; $| = 1; $at = sockaddr_in(5000, INADDR_LOOPBACK); socket $_, PF_INET, SOCK_STREAM, 0 for *S, *C",
      'bind S, $at; listen S, 5; connect C, $at; close C; print "ready\\n"; sleep 1 while 1',
    ];
    const container = box.container(mounts(...HOST), {
      process: { args: ["/usr/bin/perl", "-e", connect.join("; ")] },
    });
    await container.runDetached();
    await container.untilOutput("ready");
    const waiting = async () => {
      const sockets = (await container.exec(["cat", "/proc/net/tcp"])).stdout;
      const [, queue] = /:1388 00000000:0000 0A 00000000:(\d{8})/.exec(sockets) ?? [];
      return queue;
    };
    expect(await waiting()).toBe("00000001");
    const refused = await checkpoint(box, container);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("In-flight connection")]);
    expect(await checkpoint(box, container, "--tcp-skip-in-flight")).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container)).toMatchObject({ code: 0, stderr: "" });
    expect(await waiting()).toBe("00000000");
  });

  needs(
    ...criu,
    ofTsrun,
    program("script"),
  )("--shell-job: an open terminal of the caller's, beside the standard streams", async ({ box }) => {
    const container = box.container(sh("while :; do echo tick >&3; sleep 0.1; done"));
    /** Calls tsrun on a terminal of its own, descriptor 3, that stays for as long as the test; its standard output. */
    const onTerminal = (name: string, input: "" | "</dev/null", ...words: string[]) => {
      const command = [runtimePath, "--root", box.root, ...words].map((word) => `'${word}'`).join(" ");
      const quiet = `>>${box.path(name)} 2>&1; echo status $?; sleep 1000`;
      const child = spawn("script", ["-qefc", `exec 3<>$(tty); ${command} ${input} ${quiet}`, "/dev/null"], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      box.defer(() => void child.kill("SIGKILL"));
      let output = "";
      child.stdout.on("data", (data) => (output += data));
      return async (words: RegExp) => {
        while (!words.test(output)) await pause();
      };
    };
    const bundle = ["--detach", "--bundle", container.bundle];
    await onTerminal("run", "</dev/null", "run", ...bundle, "--preserve-fds", "1", container.id)(/tick/);
    const refused = await checkpoint(box, container);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("fd=3")]);
    expect(await checkpoint(box, container, "--shell-job")).toMatchObject({ code: 0, stderr: "" });
    const images = ["--image-path", box.path("images")];
    await onTerminal("refused", "", "restore", ...bundle, ...images, container.id)(/status 1/);
    expect(readFileSync(box.path("refused"), "utf8")).toMatch(/tty/);
    await onTerminal("restored", "", "restore", ...bundle, ...images, "--shell-job", container.id)(/tick/);
  });

  needs(...criu, ofTsrun)("of restore: those that change nothing here", async ({ box }) => {
    const container = box.container(counting());
    await container.runDetached();
    await container.untilOutput("1\n");
    expect(await checkpoint(box, container)).toMatchObject({ code: 0, stderr: "" });
    const context = ["--lsm-mount-context", "system_u:object_r:container_file_t:s0"]; // no mount has one
    const flags = ["--no-subreaper", "--no-pivot", "--shell-job", ...context];
    expect(await restore(box, container, ...flags)).toMatchObject({ code: 0, stderr: "" });
  });

  // tsrun makes the cgroup by the config before CRIU comes to it, which knows no limits of version 2.
  for (const [mode, limit] of [
    ["soft", "50"],
    ["full", cgroupVersion === "v1" ? "60" : "50"],
    ["ignore", "50"],
  ] as const)
    needs(...criu, ofTsrun)(
      `--manage-cgroups-mode ${mode}: limits are those of the ${limit === "60" ? "images" : "config"}`,
      async ({ box }) => {
        const container = box.container(merge(counting(), { linux: { resources: { pids: { limit: 50 } } } }));
        await container.runDetached();
        await container.untilOutput("1\n");
        expect(await box.call(["update", "--pids-limit", "60", container.id])).toMatchObject({ code: 0 });
        const flags = ["--manage-cgroups-mode", mode];
        expect(await checkpoint(box, container, ...flags)).toMatchObject({ code: 0, stderr: "" });
        expect(await restore(box, container, ...flags)).toMatchObject({ code: 0, stderr: "" });
        expect(readCgroup(container.id, "pids.max")).toBe(limit);
        expect(readFileSync(`/proc/${(await container.state()).pid}/cgroup`, "utf8")).toContain(`/${container.id}\n`);
      },
    );

  for (const [mode, kept] of [
    ["soft", "max"],
    ["full", "77"],
  ] as const)
    needs(
      ...criu,
      ofTsrun,
      cgroupVersion === "v2" ? undefined : "for cgroup v2",
    )(
      `--manage-cgroups-mode ${mode}: of cgroup v2 ${kept === "77" ? "its depth and number of descendants" : "nothing"}`,
      async ({ box }) => {
        const container = box.container(counting());
        await container.runDetached();
        await container.untilOutput("1\n");
        const files = ["cgroup.max.depth", "cgroup.max.descendants"];
        for (const file of files) writeFileSync(cgroupFile(container.id, file), "77");
        const flags = ["--manage-cgroups-mode", mode];
        expect(await checkpoint(box, container, ...flags)).toMatchObject({ code: 0, stderr: "" });
        expect(await restore(box, container, ...flags)).toMatchObject({ code: 0, stderr: "" });
        expect(files.map((file) => readCgroup(container.id, file))).toEqual([kept, kept]);
        expect((await container.state()).status).toBe("running");
      },
    );

  needs(...criu, ofTsrun)(
    "--manage-cgroups-mode strict wants cgroups that are not there; nothing is left",
    async ({ box }) => {
      const container = box.container(counting());
      await container.runDetached();
      await container.untilOutput("1\n");
      const flags = ["--manage-cgroups-mode", "strict"];
      expect(await checkpoint(box, container, ...flags)).toMatchObject({ code: 0, stderr: "" });
      const { code, stderr } = await restore(box, container, ...flags);
      expect([code, stderr]).toEqual([1, expect.stringContaining("existing cgroups")]);
      await expect(container.state()).rejects.toThrow("does not exist");
    },
  );

  needs(
    ...criu,
    ofTsrun,
    program("ip"),
  )("--empty-ns network: what is in it is left to the hooks", async ({ box }) => {
    const addPeer = [
      "pid=$(tr ',' '\\n' | sed -n 's/.*\"pid\": *\\([0-9]*\\).*/\\1/p'); PATH=$PATH:/sbin:/usr/sbin",
      `ip link add v$pid type veth peer name eth0 netns $pid`,
    ].join("; ");
    const hooks = { createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", addPeer] }] };
    const container = box.container(merge(counting(), { hooks }));
    expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
    await container.untilOutput("1\n");
    await container.exec(["ip", "address", "add", "10.9.8.7/24", "dev", "eth0"]);
    const addresses = async () => (await container.exec(["ip", "address"])).stdout;
    expect(await addresses()).toContain("10.9.8.7");
    expect(await checkpoint(box, container, "--empty-ns", "network")).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container, "--empty-ns", "network")).toMatchObject({ code: 0, stderr: "" });
    expect(await addresses()).toContain("eth0@");
    expect(await addresses()).not.toContain("10.9.8.7");
  });

  needs(
    ...criu,
    ofTsrun,
    apparmor(),
    program(PARSER),
  )("--lsm-profile: AppArmor confines by another profile", async ({ box }) => {
    const load = (name: string): string => {
      const profile = `${box.word}-${name}`;
      const rules = "file, capability, network, mount, umount, signal, ptrace, unix,";
      writeFileSync(box.path(name), `profile ${profile} flags=(attach_disconnected,mediate_deleted) { ${rules} }\n`);
      execFileSync(PARSER, ["--replace", "--skip-cache", box.path(name)]);
      box.defer(() => void execFileSync(PARSER, ["--remove", box.path(name)]));
      return profile;
    };
    const [first, second] = [load("first"), load("second")];
    const container = box.container(merge(counting(), { process: { apparmorProfile: first } }));
    expect(await container.runDetached()).toMatchObject({ code: 0, stderr: "" });
    await container.untilOutput("1\n");
    const profile = async () =>
      readFileSync(`/proc/${(await container.state()).pid}/attr/apparmor/current`, "utf8").trim();
    expect(await profile()).toBe(`${first} (enforce)`);
    expect(await checkpoint(box, container)).toMatchObject({ code: 0, stderr: "" });
    expect(await restore(box, container, "--lsm-profile", `apparmor:${second}`)).toMatchObject({ code: 0, stderr: "" });
    expect(await profile()).toBe(`${second} (enforce)`);
  });
});

function apparmor(): Missing {
  const path = "/sys/module/apparmor/parameters/enabled";
  return existsSync(path) && readFileSync(path, "utf8").startsWith("Y") ? undefined : "this kernel runs no AppArmor";
}
