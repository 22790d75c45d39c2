// Seccomp filters in the kernel (config-linux.md "Seccomp"): what each action does to a program, and that Docker's default profile
// filters every system call as it does under runc.

import { execFileSync } from "node:child_process";
import { chownSync, copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { dockersProfile } from "../linux/seccomp/docker-profile.ts";
import { type Json, sh } from "./harness/config.ts";
import { test } from "./harness/fixture.ts";
import { except, needs, type Peers, program } from "./harness/needs.ts";
import { commandWords, repository, runtimePath } from "./harness/runtime.ts";
import type { Sandbox } from "./harness/sandbox.ts";

/** A profile that allows all but answers to mkdir in one way. */
function mkdirIs(action: string, more: Json = {}, profile: Json = {}): Json {
  const syscalls = [{ names: ["mkdir", "mkdirat"], action, ...more }];
  return { linux: { seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls, ...profile } } };
}
const MKDIR = sh("mkdir /a; echo $?; test -d /a && echo made");
const BAD_SYSTEM_CALL = 128 + 31;

describe.each<[string, Json]>([
  ["with no_new_privs", { process: { noNewPrivileges: true } }],
  ["without no_new_privs", {}],
])("a filter, %s", (_, privileges) => {
  test.for<[string, Json, string, string]>([
    ["SCMP_ACT_ALLOW", {}, "0\nmade\n", ""],
    ["SCMP_ACT_LOG", {}, "0\nmade\n", ""],
    ["SCMP_ACT_ERRNO", {}, "1\n", "Operation not permitted"],
    ["SCMP_ACT_ERRNO", { errnoRet: 28 }, "1\n", "No space left on device"],
    ["SCMP_ACT_TRACE", {}, "1\n", "Function not implemented"], // nobody traces
    ["SCMP_ACT_TRAP", {}, `${BAD_SYSTEM_CALL}\n`, "Bad system call"],
    ["SCMP_ACT_KILL", {}, `${BAD_SYSTEM_CALL}\n`, "Bad system call"],
    ["SCMP_ACT_KILL_THREAD", {}, `${BAD_SYSTEM_CALL}\n`, "Bad system call"],
    ["SCMP_ACT_KILL_PROCESS", {}, `${BAD_SYSTEM_CALL}\n`, "Bad system call"],
  ])("does %s %j", async ([action, more, stdout, stderr], { box }) => {
    const container = box.container(mkdirIs(action, more), MKDIR, privileges);
    const ran = await container.run();
    expect(ran.stdout).toBe(stdout);
    expect(ran.stderr).toContain(stderr);
  });

  test("is exec's too", async ({ box }) => {
    const container = box.container(
      mkdirIs("SCMP_ACT_ERRNO", { errnoRet: 28 }),
      sh("while :; do sleep 0.02; done"),
      privileges,
    );
    expect((await container.create()).code).toBe(0);
    expect((await container.start()).code).toBe(0);
    expect((await container.exec(["mkdir", "/a"])).stderr).toContain("No space left on device");
  });

  describe.each([1, 38])("that is older than statx and faccessat2, and answers them with errno %i,", (errnoRet) => {
    const syscalls = [{ names: ["statx", "faccessat2"], action: "SCMP_ACT_ERRNO", errnoRet }];
    const old = { linux: { seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls } } };

    test.for([
      ["echo", "here"],
      ["/bin/echo", "here"],
    ])("lets %j be found", async (args, { box }) => {
      const ran = await box.container(old, { process: { args } }, privileges).run();
      expect(ran).toMatchObject({ code: 0, stdout: "here\n", stderr: "" });
    });

    // In runc's words: engines look for them.
    for (const [arg, words, peers] of [
      ["nothing", "executable file not found in $PATH"],
      ["/bin/nothing", "no such file or directory"],
      ["/bin", "is a directory", { runc: "1.1 has other words where its own checks fail" }],
      ["/etc/passwd", "permission denied"],
    ] as [string, string, Peers?][])
      needs(except({ crun: "has words of its own", ...peers }))(`and ${arg} be no program`, async ({ box }) => {
        const ran = await box.container(old, { process: { args: [arg] } }, privileges).create();
        expect(ran.code).toBe(1);
        expect(ran.stderr).toContain(words);
      });
  });

  needs("process" in privileges ? undefined : except({ runc: "1.1 fails of it" }))(
    "may refuse getcwd, by which the runtime sees that process.cwd is inside",
    async ({ box }) => {
      const syscalls = [{ names: ["getcwd"], action: "SCMP_ACT_ERRNO" }];
      const seccomp = { defaultAction: "SCMP_ACT_ALLOW", syscalls };
      expect(await box.container({ linux: { seccomp } }, sh("echo here"), privileges).run()).toMatchObject({
        ...{ code: 0, stdout: "here\n" },
      });
    },
  );

  test("may refuse what only the runtime would like to call", async ({ box }) => {
    const syscalls = [{ names: ["madvise"], action: "SCMP_ACT_ERRNO" }];
    const container = box.container(
      { linux: { seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls } } },
      sh("echo here"),
      privileges,
    );
    expect(await container.create()).toMatchObject({ code: 0, stderr: "" });
    expect((await container.start()).code).toBe(0);
    await container.until("stopped");
    expect(container.output()).toBe("here\n");
  });
});

needs(except({ runc: "it keeps none", crun: "it has others" }))(
  "a kept program that allows all is taken from the runtime's own user alone",
  async ({ box }) => {
    const profile = mkdirIs("SCMP_ACT_ERRNO");
    expect((await box.container(profile, MKDIR).run()).stdout).toBe("1\n");
    const [kept = ""] = readdirSync(join(box.root, "seccomp~")).map((name) => join(box.root, "seccomp~", name));
    const content = readFileSync(kept);
    const length = content.readUInt32LE(4);
    const RETURN_ALLOW = Buffer.from("060000000000ff7f", "hex");
    for (const at of [8, 8 + length]) RETURN_ALLOW.copy(content, at);
    writeFileSync(kept, content);
    expect((await box.container(profile, MKDIR).run()).stdout).toBe("0\nmade\n");
    chownSync(kept, 1000, 1000);
    expect((await box.container(profile, MKDIR).run()).stdout).toBe("1\n");
  },
);

describe("Docker's default profile", () => {
  const PEER = ["/usr/sbin/runc", "/usr/bin/runc"].find((path) => existsSync(path)) ?? "runc";
  const X86 = process.arch === "x64" ? undefined : "the probe is for x86-64";

  needs(
    program("runc"),
    program("gcc"),
    X86,
    except({ crun: "1.8 answers calls that are newer than the profile with EPERM" }),
  )("filters every call as under runc", async ({ box }) => {
    const probe = box.path("probe");
    execFileSync("gcc", ["-O1", "-static", "-o", probe, join(repository, "test/root/harness/probe.c")]);
    for (const noNewPrivileges of [false, true]) {
      const ours = probed(box, runtimePath, probe, noNewPrivileges);
      const theirs = probed(box, PEER, probe, noNewPrivileges);
      expect(ours).toEqual(theirs);
      const count = (abi: string, result: string) =>
        ours.filter((line) => line.startsWith(`${abi} `) && line.endsWith(result)).length;
      expect(count("x86-64", " errno 1")).toBeGreaterThan(30);
      expect(count("x86-64", " errno 38")).toBeGreaterThan(100); // newer than the profile
      expect(count("x86-64", " made")).toBeGreaterThan(20);
      expect(count("x32", " errno 1")).toBeGreaterThan(30);
      if (ours.includes("i386 20 -1 made")) expect(count("i386", " errno 1")).toBeGreaterThan(30);
    }
  });
});

/** What the probe prints in a container of a runtime's. */
function probed(box: Sandbox, runtime: string, probe: string, noNewPrivileges: boolean): string[] {
  const container = box.container(
    { linux: { seccomp: dockersProfile() as unknown as Json } },
    { process: { args: ["/probe"], noNewPrivileges } },
  );
  copyFileSync(probe, join(container.rootfs, "probe"));
  const root = box.path("peer-state");
  mkdirSync(root, { recursive: true });
  const [program, ...words] = commandWords(runtime);
  const output = execFileSync(program, [...words, "--root", root, "run", "--bundle", container.bundle, container.id], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    timeout: 50_000,
  });
  return output.trim().split("\n");
}
