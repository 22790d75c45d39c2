// Attacks on what the runtime trusts /proc and /sys to be: something else mounted there or in their place, so that masks,
// read-only paths and kernel parameters go to files of the attacker's. CVE-2019-16884, CVE-2019-19921, CVE-2023-27561,
// CVE-2023-28642, CVE-2025-31133, CVE-2025-52881.
//
// What in the wild is a race (a container that shares the root file system renames directories of it) is done here by a hook
// between the mounts and the masks: it always wins.

import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type Json, MOUNTS, mounts, sh } from "../harness/config.ts";
import type { Container } from "../harness/container.ts";
import { test } from "../harness/fixture.ts";
import { except, needs } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";
import { inventory } from "./attacker.ts";

/** A hook that runs when all is mounted and nothing is masked: a script on the host. */
function midway(box: Sandbox, script: string): Json {
  const file = box.path("midway.sh");
  writeFileSync(file, `#!/bin/sh\nset -e\ncat >/dev/null\n${script}\n`, { mode: 0o755 });
  return { hooks: { createRuntime: [{ path: "/bin/sh", args: ["sh", file] }] } };
}

/** Renames a mount point of the root from outside, where nothing is mounted on it, and puts a fake under its name. */
function rename(container: Container, name: string, fake: string): string {
  const { rootfs } = container;
  return `mv ${rootfs}/${name} ${rootfs}/real && cp -a ${fake} ${rootfs}/${name}`;
}

describe("a name in the root that is changed between mounting and masking", () => {
  const onlyOurs = except({ runc: "looks masks up by name", crun: "looks masks up by name" });

  needs(onlyOurs)("masks /proc nevertheless, by whatever name it goes", async ({ box }) => {
    const fake = box.makeDirectory("fake");
    writeFileSync(join(fake, "version"), "fake");
    mkdirSync(join(fake, "sys"));
    const container = box.container(
      sh("wc -c </real/version; echo x 2>/dev/null >/real/sys/kernel/hostname && echo writable; echo end"),
      { linux: { maskedPaths: ["/proc/version"], readonlyPaths: ["/proc/sys"] } },
    );
    hook(box, container, rename(container, "proc", fake));
    expect(await container.run()).toMatchObject({ code: 0, stdout: "0\nend\n" });
    expect(readFileSync(join(container.rootfs, "proc/version"), "utf8")).toBe("fake"); // the attack took place
  });

  needs(onlyOurs)("masks /sys nevertheless", async ({ box }) => {
    const fake = box.makeDirectory("fake");
    mkdirSync(join(fake, "kernel"));
    const container = box.container(sh("ls /real/kernel | wc -l"), { linux: { maskedPaths: ["/sys/kernel"] } });
    hook(box, container, rename(container, "sys", fake));
    expect(await container.run()).toMatchObject({ code: 0, stdout: "0\n" });
  });

  needs(except({ runc: "1.1 has no mount of its own for it" }))(
    "writes kernel parameters to the kernel, not to what lies at their name (CVE-2025-52881)",
    async ({ box }) => {
      const fake = box.makeDirectory("fake");
      mkdirSync(join(fake, "sys/kernel"), { recursive: true });
      writeFileSync(join(fake, "sys/kernel/msgmax"), "untouched");
      const container = box.container(sh("cat /real/sys/kernel/msgmax"), {
        linux: { sysctl: { "kernel.msgmax": "4242" } },
      });
      hook(box, container, rename(container, "proc", fake));
      expect(await container.run()).toMatchObject({ code: 0, stdout: "4242\n" });
      expect(readFileSync(join(container.rootfs, "proc/sys/kernel/msgmax"), "utf8")).toBe("untouched");
    },
  );

  function hook(box: Sandbox, container: Container, script: string): void {
    const text = readFileSync(join(container.bundle, "config.json"), "utf8");
    container.writeConfig(JSON.stringify({ ...(JSON.parse(text) as Json), ...midway(box, script) }));
  }
});

describe("a volume", () => {
  // The last two are, as text, no links to /proc: ".." of what a link leads to, and a name that is no text.
  for (const target of ["/proc", "/proc/sys", "/link2", "/link3/..", "/a\xff"]) {
    needs(except({ crun: "follows it" }))(
      `is not mounted over /proc by a link of the image's to ${target} (CVE-2019-16884)`,
      async ({ box }) => {
        const fake = box.makeDirectory("fake");
        mkdirSync(join(fake, "attr"));
        const bind = { destination: "/data/self", type: "bind", source: fake, options: ["bind"] };
        const container = box.container(sh("ls /proc/self"), mounts(bind));
        symlinkSync(Buffer.from(target, "latin1"), join(container.rootfs, "data"));
        symlinkSync("proc", join(container.rootfs, "link2"));
        symlinkSync("/proc/sys", join(container.rootfs, "link3"));
        symlinkSync("/proc", Buffer.from(join(container.rootfs, "a\xff"), "latin1"));
        const result = await container.create();
        expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/\/proc/) });
        expect(inventory(fake)).toHaveLength(1);
      },
    );
  }

  // Its link leads to /x/sys; as text, to /sys, and the volume would be masked in the place of what the kernel shows there.
  test("is not taken for /sys, whatever its link looks like: what is masked there stays so", async ({ box }) => {
    const bind = { destination: "/data", type: "bind", source: box.makeDirectory("volume"), options: ["bind"] };
    const container = box.container(sh("ls /sys/kernel | wc -l; ls -d /x/sys/kernel"), mounts(bind), {
      linux: { maskedPaths: ["/sys/kernel"] },
    });
    for (const directory of ["x/sys", "x/y"]) mkdirSync(join(container.rootfs, directory), { recursive: true });
    mkdirSync(box.path("volume/kernel"));
    symlinkSync("/x/y", join(container.rootfs, "link"));
    symlinkSync("/link/../sys", join(container.rootfs, "data"));
    expect((await container.run()).stdout).toBe("0\n/x/sys/kernel\n");
  });

  for (const [name, kind] of [
    ["proc", "is a link to a volume"],
    ["sys", "is a link to a volume"],
    ["proc", "is a link that leads nowhere"],
  ] as const) {
    test(`holds no ${name} file system of the container's: /${name} ${kind} (CVE-2019-19921, CVE-2023-28642)`, async ({
      box,
    }) => {
      const volume = box.makeDirectory("volume");
      const bind = { destination: "/volume", type: "bind", source: volume, options: ["bind"] };
      const container = box.container(sh("echo ran"), { mounts: [bind, ...MOUNTS] });
      rmSync(join(container.rootfs, name), { recursive: true });
      symlinkSync(kind.endsWith("volume") ? "/volume" : "/nowhere/at/all", join(container.rootfs, name));
      const result = await container.create();
      expect(result.code).toBe(1);
      expect(inventory(volume)).toEqual([]);
    });
  }
});

describe("a parameter", () => {
  for (const key of [
    "kernel.core_pattern",
    "kernel/../../sysrq-trigger",
    "net/../kernel/core_pattern",
    "vm.panic_on_oom",
  ]) {
    needs(except({ runc: "has words of its own", crun: "has words of its own" }))(
      `that is the host's or no parameter is refused: ${key}`,
      async ({ box }) => {
        const before = readFileSync("/proc/sys/kernel/core_pattern", "utf8");
        const result = await box.container({ linux: { sysctl: { [key]: "|/evil" } } }).create();
        expect(result).toMatchObject({ code: 1, stderr: expect.stringMatching(/linux.sysctl/) });
        expect(readFileSync("/proc/sys/kernel/core_pattern", "utf8")).toBe(before);
      },
    );
  }
});

describe("a /dev/null in the place of the one that masks (CVE-2025-31133)", () => {
  needs(
    except({ runc: "1.1 gives it to the program as its output", crun: "1.8 gives it to the program as its output" }),
  )("of the image's or the attacker's is not what files are masked with", async ({ box }) => {
    const container = box.container(sh("wc -c </proc/version; echo owned >/proc/version; cat /loot"), {
      linux: { maskedPaths: ["/proc/version"] },
      mounts: MOUNTS.filter(({ destination }) => destination !== "/dev"),
    });
    container.writeFile("loot", "precious\n");
    mkdirSync(join(container.rootfs, "dev/pts"), { recursive: true });
    mkdirSync(join(container.rootfs, "dev/shm"), { recursive: true });
    rmSync(join(container.rootfs, "dev/null"), { force: true });
    symlinkSync("/loot", join(container.rootfs, "dev/null"));
    const result = await container.run([], { input: "" });
    expect(result.stdout === "0\nprecious\n" || result.code !== 0, result.stdout + result.stderr).toBe(true);
    renameSync(join(container.rootfs, "loot"), join(container.rootfs, "loot2"));
    expect(container.readFile("loot2")).toBe("precious\n");
  });
});
