// What comes to the runtime by way of its callers from somebody whom they do not trust: users and names from a hostile image,
// texts of configs, files of a bundle that change or lie about. CVE-2016-3697, CVE-2021-43784, CVE-2022-29162, CVE-2026-30892.

import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { idle, type Json, sh } from "../harness/config.ts";
import type { Container } from "../harness/container.ts";
import { test } from "../harness/fixture.ts";
import { except, needs } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";

async function running(box: Sandbox, ...overrides: Json[]): Promise<Container> {
  const container = box.container(idle(), ...overrides);
  expect((await container.runDetached()).code).toBe(0);
  await container.untilOutput("ready");
  return container;
}

describe("users of a hostile image", () => {
  const PASSWD = "1000:x:0:0:root:/:/bin/sh\n1:x:0:0::/:/bin/sh\nroot:x:0:0:root:/root:/bin/sh\n";

  test("are numbers, whatever its passwd file calls them (CVE-2016-3697)", async ({ box }) => {
    const container = box.container(idle());
    container.writeFile("etc/passwd", PASSWD);
    container.writeFile("etc/group", "1000:x:0:\n1:x:0:\n");
    await container.runDetached();
    await container.untilOutput("ready");
    for (const user of ["1000", "1", "1000:1", "1:1000"]) {
      const { stdout } = await container.exec(["sh", "-c", "id -u; id -g; id -G"], ["--user", user]);
      expect(stdout.split("\n").slice(0, 3), user).not.toContain("0:");
      expect(stdout.split("\n")[0], user).toBe(user.split(":")[0]);
    }
  });

  needs(except({ crun: "CVE-2026-30892", runc: '1.1 takes "+0" for root' }))(
    "that are no numbers are nobody (CVE-2026-30892)",
    async ({ box }) => {
      const container = await running(box);
      const words = [
        " ",
        "1x",
        "x1",
        "0x0",
        "1e3",
        "+0",
        "-1",
        "1.0",
        "01 ",
        "root",
        "4294967295",
        "4294967296",
        "18446744073709551616",
        "1:",
        ":1",
        ":",
        "1::1",
        "1:2:3",
        "١",
      ];
      for (const user of words) {
        const result = await container.exec(["id"], [`--user=${user}`]);
        expect([result.code === 0, result.stdout], JSON.stringify(user)).toEqual([
          false,
          expect.not.stringContaining("uid="),
        ]);
      }
    },
  );

  test("inherit no capability by a file of the image's (CVE-2022-29162)", async ({ box }) => {
    const container = await running(box);
    const caps = ["sh", "-c", "grep CapInh /proc/self/status"];
    for (const flags of [
      [],
      ["--cap", "CAP_SYS_TIME"],
      ["--user", "1000"],
      ["--user", "1000", "--cap", "CAP_SYS_TIME"],
    ])
      expect((await container.exec(caps, flags)).stdout, flags.join(" ")).toBe("CapInh:\t0000000000000000\n");
    const run = await box.container(sh("grep CapInh /proc/self/status")).run();
    expect(run.stdout).toBe("CapInh:\t0000000000000000\n");
  });
});

describe("texts of any length and content (CVE-2021-43784)", () => {
  // There is no netlink message between tsrun and the process that it makes, and no length of 16 bits: wire.ts.
  for (const length of [65_535, 65_536, 65_540, 131_000]) {
    test(`arrive whole: ${length} bytes`, async ({ box }) => {
      const word = "w".repeat(length);
      const process = {
        args: ["sh", "-c", "printf %s $WORD | wc -c; printf %s $1 | wc -c", "sh", word],
        env: ["PATH=/bin", `WORD=${word}`],
      };
      expect((await box.container({ process }).run()).stdout).toBe(`${length}\n${length}\n`);
    });
  }

  const NUL = "a\u0000b";
  const fields: [name: string, override: Json][] = [
    ["process.args", { process: { args: ["true", NUL] } }],
    ["process.env", { process: { env: [`A=${NUL}`] } }],
    ["process.cwd", { process: { cwd: `/${NUL}` } }],
    ["mounts.destination", { mounts: [{ destination: `/${NUL}`, type: "tmpfs", source: "t" }] }],
    ["mounts.source", { mounts: [{ destination: "/m", type: "bind", source: `/etc${NUL}`, options: ["bind"] }] }],
    ["mounts.options", { mounts: [{ destination: "/m", type: "tmpfs", source: "t", options: [`size=1${NUL}`] }] }],
    ["linux.maskedPaths", { linux: { maskedPaths: [`/proc/${NUL}`] } }],
    ["linux.sysctl", { linux: { sysctl: { "kernel.msgmax": NUL } } }],
    ["linux.cgroupsPath", { linux: { cgroupsPath: `/${NUL}` } }],
    ["root.path", { root: { path: `rootfs${NUL}` } }],
  ];
  for (const [name, override] of fields) {
    needs(except({ crun: "cuts it off" }))(`with NUL inside are refused, not cut: ${name}`, async ({ box }) => {
      const result = await box.container(override).run();
      expect(result.code).not.toBe(0);
      expect(result.stdout).toBe("");
    });
  }
});

describe("a bundle", () => {
  needs(except({ runc: "reads it anew for exec", crun: "reads it anew for exec" }))(
    "that changes behind create changes nothing",
    async ({ box }) => {
      const container = box.container(idle(), { process: { capabilities: undefined, noNewPrivileges: true } });
      await container.create();
      container.configure(sh("echo other"), {
        hooks: {
          poststart: [{ path: "/bin/false" }],
          poststop: [{ path: "/bin/touch", args: ["touch", box.path("hooked")] }],
        },
      });
      expect((await container.start()).code).toBe(0);
      await container.untilOutput("ready");
      const { stdout } = await container.exec(["sh", "-c", "grep -E 'NoNewPrivs|CapEff' /proc/self/status"]);
      expect(stdout).toBe("CapEff:\t0000000000000000\nNoNewPrivs:\t1\n");
      expect((await container.delete("--force")).code).toBe(0);
      expect(existsSync(box.path("hooked"))).toBe(false);
    },
  );

  test("that is the current directory gives tsrun no code and no settings", async ({ box }) => {
    const container = box.container(sh("echo fine"));
    const mark = box.path("mark");
    const script = `require("fs").writeFileSync(${JSON.stringify(mark)}, "ran")`;
    for (const name of ["preload.js", "index.js", "node_modules/koffi/index.js", "node_modules/tsrun/index.js"]) {
      mkdirSync(join(container.bundle, name, ".."), { recursive: true });
      writeFileSync(join(container.bundle, name), script);
    }
    for (const name of ["libc.so.6", "libseccomp.so.2", "libsystemd.so.0", "tsrun-agent"])
      writeFileSync(join(container.bundle, name), "not a library", { mode: 0o755 });
    writeFileSync(join(container.bundle, ".env"), "NODE_OPTIONS=--require=./preload.js\nTSRUN_ROOT=/nowhere\n");
    writeFileSync(join(container.bundle, "bunfig.toml"), 'preload = ["./preload.js"]\n');
    writeFileSync(join(container.bundle, "package.json"), '{"type":"commonjs","main":"preload.js"}');
    box.defer(() => rmSync(join(box.root, "seccomp~"), { recursive: true, force: true })); // compiled filters are kept
    const seccomp = { seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [] } };
    container.configure(sh("echo fine"), { linux: seccomp });
    const result = await box.call(["run", container.id], { cwd: container.bundle });
    expect(result).toMatchObject({ code: 0, stdout: "fine\n", stderr: "" });
    expect(existsSync(mark)).toBe(false);
  });
});

describe("control characters of somebody's", () => {
  const CODES = "\x1b]0;title\x07\x9b2J";

  const ofTsrun = except({ runc: "hands them on", crun: "too" });

  needs(ofTsrun)("in an image's entry point reach no terminal", async ({ box }) => {
    const container = box.container({ process: { args: [CODES] } });
    const run = ["run", "--bundle", container.bundle, container.id];
    for (const log of [["--log", box.path("log")], []]) {
      const { stderr } = await box.call([...log, ...run]);
      expect(stderr).toContain("\\x9b2J");
      expect(stderr.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
    }
  });

  needs(ofTsrun)("in the name of a container's directory neither", async ({ box }) => {
    const directory = join(box.root, "\x1b]0;title\x07");
    mkdirSync(directory, { recursive: true });
    expect((await box.call(["list"])).stderr).toContain("load container \\x1b]0;title\\x07: invalid");
    rmSync(directory, { recursive: true });
  });
});
