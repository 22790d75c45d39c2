// Images that lay traps where a runtime works: links in place of /dev, /dev/null, /dev/pts, /etc …, out of the image and into
// volumes. What tsrun does, a refusal or work inside the image, must leave everything else as it was. CVE-2019-18837,
// CVE-2021-30465, CVE-2025-31133, CVE-2025-52565, CVE-2026-41579, CVE-2026-47766, GHSA-fh74-hm69-rqjw.

import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect } from "vitest";
import { type Json, linux, MOUNTS, mounts, sh } from "../harness/config.ts";
import type { Container } from "../harness/container.ts";
import { test } from "../harness/fixture.ts";
import { listenUnix } from "../harness/libc.ts";
import { except, needs, type Peers } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";
import { inventory } from "./attacker.ts";

/** A directory of the host's, with what an attacker might want to change. */
function victim(box: Sandbox, name = "victim"): string {
  const directory = box.makeDirectory(name);
  for (const sub of ["null", "pts", "shm"]) mkdirSync(join(directory, `sub/${sub}`), { recursive: true });
  for (const file of ["null", "console", "tty", "ptmx", "file"]) {
    writeFileSync(join(directory, file), "precious");
    execFileSync("chown", ["1234:1234", join(directory, file)]);
  }
  return directory;
}

/** Puts a link in the place of whatever the image has at a path. */
function plant(container: Container, path: string, target: string): void {
  const place = join(container.rootfs, path);
  rmSync(place, { recursive: true, force: true });
  mkdirSync(dirname(place), { recursive: true });
  symlinkSync(target, place);
}

const without = (...destinations: string[]): Json => ({
  mounts: MOUNTS.filter(({ destination }) => !destinations.includes(String(destination))),
});
const ALL_DEV = ["/dev", "/dev/pts", "/dev/shm"];

describe("links that point out of the image", () => {
  const links = "makes its links there";
  const rows: [path: string, target: string, overrides?: Json[], peers?: Peers][] = [
    ["dev", "", [], { runc: `1.1 ${links}` }],
    ["dev", "", [without(...ALL_DEV)], { runc: `1.1 ${links}`, crun: `1.8 ${links}` }],
    ["dev/null", "/file", [without(...ALL_DEV)]],
    ["dev/null", "/null", [without(...ALL_DEV), { linux: { maskedPaths: ["/etc/passwd", "/proc/version"] } }]],
    ["dev/tty", "/missing", [without(...ALL_DEV)]],
    ["dev/pts", "/sub/pts", [without("/dev")]],
    ["dev/shm", "/sub/shm", [without("/dev")]],
    ["etc", ""],
    ["tmp", "/sub", [mounts({ destination: "/tmp/new/deep", type: "tmpfs", source: "t" })]],
    ["data", "/missing", [mounts({ destination: "/data", type: "tmpfs", source: "t" })]],
    [
      "data",
      "/made-file",
      [mounts({ destination: "/data", type: "bind", source: "/etc/hostname", options: ["bind"] })],
    ],
    ["work", "/sub", [{ process: { args: ["true"], cwd: "/work/made" } }]],
    ["opt", "/sub", [{ linux: { devices: [{ type: "c", path: "/opt/zero", major: 1, minor: 5 }] } }]],
  ];
  for (const [path, target, overrides = [], peers = {}] of rows) {
    for (const way of ["absolute", "relative"] as const) {
      const without_ = overrides.some(({ mounts: list }) => Array.isArray(list) && list.length < MOUNTS.length);
      const what = `/${path} -> outside${target}${without_ ? ", not mounted over" : ""}`;
      needs(except(peers))(`${what}, ${way}: nothing outside changes`, async ({ box }) => {
        const outside = victim(box);
        const container = box.container(...overrides);
        plant(container, path, (way === "absolute" ? "" : "../../../../../../../..") + outside + target);
        const before = inventory(outside);
        await container.run();
        expect(inventory(outside)).toEqual(before);
      });
    }
  }
});

describe("links that point into a volume", () => {
  const makes = { runc: "1.1 predates the fix" };
  const rows: [path: string, target: string, missing: string[], peers?: Peers][] = [
    ["dev", "/volume", ALL_DEV, makes],
    ["dev", "/volume/sub", ["/dev"], makes],
    ["dev", "/volume", []],
    ["dev/null", "/volume/null", ALL_DEV, { crun: "1.8 predates the fix" }],
    ["dev/tty", "/volume/file", ALL_DEV],
    ["opt", "/volume", []],
  ];
  const device = { linux: { devices: [{ type: "c", path: "/opt/null", major: 1, minor: 3 }] } };
  for (const [path, target, missing, peers = {}] of rows) {
    needs(except(peers))(
      `/${path} -> ${target}, ${missing.length} mounts missing: files there are not changed, nor made where create is refused`,
      async ({ box }) => {
        const volume = victim(box, "volume");
        const bind = { destination: "/volume", type: "bind", source: volume, options: ["bind"] };
        const container = box.container(
          { mounts: [bind, ...((without(...missing).mounts ?? []) as Json[])] },
          path === "opt" ? device : {},
        );
        plant(container, path, target);
        const before = inventory(volume);
        const { code } = await container.run();
        const after = inventory(volume);
        if (code === 0) expect(after).toEqual(expect.arrayContaining(before));
        else expect(after).toEqual(before);
      },
    );
  }
});

describe("links that multiply", () => {
  // Each is the next one and 2040 directories to make: a dozen kept tsrun busy for more than a minute.
  needs(except({ runc: "has words of its own", crun: "has words of its own" }))(
    "keep no runtime busy",
    async ({ box }) => {
      const container = box.container(mounts({ destination: "/l0/x", type: "tmpfs", source: "t" }));
      for (let i = 0; i < 4; i++) plant(container, `l${i}`, `l${i + 1}${"/a".repeat(2040)}`);
      const { code, stderr } = await container.run();
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/more than 4096 bytes/) });
    },
  );
});

// tmpcopyup, which tsrun does: what it takes is not charged to the container.
describe("a tmpfs that is filled with what it covers", () => {
  const fill = mounts({ destination: "/c", type: "tmpfs", source: "t", options: ["tmpcopyup"] });
  const limited = linux({ resources: { memory: { limit: 16 << 20 } } });
  /** What `script` makes there is copied when `program` runs. */
  const filled = (box: Sandbox, script: string, program = "true"): Container => {
    const container = box.container(sh(program), fill, limited);
    mkdirSync(join(container.rootfs, "c"));
    execFileSync("sh", ["-c", script], { cwd: join(container.rootfs, "c") });
    return container;
  };

  needs(except({ runc: "fills them", crun: "fills them" }))("does not fill the holes of a file", async ({ box }) => {
    const make = "truncate -s 64m f; printf end >>f";
    const [used, size] = (await filled(box, make, "du -sk /c; stat -c %s /c/f").run()).stdout.split("\n");
    expect(Number.parseInt(used ?? "", 10)).toBeLessThan(64);
    expect(size).toBe(String((64 << 20) + 3));
  });

  needs(except({ runc: "has init copy, in the container", crun: "has init copy, in the container" }))(
    "takes no more memory than the container has",
    async ({ box }) => {
      const { code, stderr } = await filled(box, "for i in 1 2 3; do head -c 8m /dev/zero >$i; done").run();
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/more than .*memory.limit/) });
    },
  );

  needs(except({ runc: "goes as deep", crun: "goes as deep" }))(
    "is refused where directories are nested too deeply",
    async ({ box }) => {
      const nest = "i=0; while [ $i -lt 300 ]; do mkdir d && cd -P d; i=$((i+1)); done";
      const { code, stderr } = await filled(box, nest).run();
      expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringMatching(/tmpcopyup.*nested/) });
    },
  );

  test("has files whose names are no text, and links that lead to such", async ({ box }) => {
    const make = "b=$(printf '\\377'); printf x >a$b; ln -s t$b l$b; mkdir d$b";
    const show = "cd /c; for n in *; do echo $n; done | od -An -tx1 | tr -d ' \\n'; readlink l* | od -An -tx1";
    expect((await filled(box, make, show).run()).stdout).toBe("61ff0a64ff0a6cff0a 74 ff 0a\n");
  });
});

describe("a terminal", () => {
  const traps: [path: string, target: string][] = [
    ["dev/console", "/volume/console"],
    ["dev/console", "/proc/sys/kernel/hostname"],
    ["dev/pts/ptmx", "/volume/ptmx"],
    ["dev/ptmx", "/volume/ptmx"],
  ];
  for (const [path, target] of traps) {
    test(`with /${path} -> ${target} gives no file of a volume or of /proc away (CVE-2025-52565)`, async ({ box }) => {
      const volume = victim(box, "volume");
      const bind = { destination: "/volume", type: "bind", source: volume, options: ["bind"] };
      const list = [bind, ...((without(...ALL_DEV).mounts ?? []) as Json[])];
      const masks = { maskedPaths: ["/proc/version"], readonlyPaths: ["/proc/sys"] };
      const script = "echo owned 2>/dev/null >/dev/console; cat /proc/sys/kernel/hostname >/volume/sub/seen";
      const container = box.container(sh(script), { mounts: list, linux: masks, process: { terminal: true } });
      plant(container, path, target);
      const before = inventory(volume);
      const socket = box.path("console.sock");
      const listener = listenUnix(socket);
      try {
        const { code } = await container.create(["--console-socket", socket]);
        if (code === 0) {
          await container.start();
          await container.until("stopped");
        }
        expect(inventory(volume).filter((line) => !line.startsWith("sub/seen"))).toEqual(before);
        if (code === 0) expect(readFileSync(join(volume, "sub/seen"), "utf8")).toBe("box\n");
      } finally {
        closeSync(listener);
      }
    });
  }
});

describe("standard streams", () => {
  for (const target of ["/volume/null", "/proc/sys/kernel/hostname", "/etc/passwd"]) {
    needs(except({ runc: "does not look", crun: "does not look" }))(
      `are not reopened as a /dev/null that leads to ${target}`,
      async ({ box }) => {
        const volume = victim(box, "volume");
        const bind = { destination: "/volume", type: "bind", source: volume, options: ["bind"] };
        const container = box.container(sh("echo overwritten >&2"), {
          mounts: [bind, ...((without(...ALL_DEV).mounts ?? []) as Json[])],
        });
        plant(container, "dev/null", target);
        const args = ["run", "--bundle", container.bundle, container.id];
        const before = inventory(volume);
        const { code } = await box.call(args);
        expect(code).not.toBe(0);
        expect(inventory(volume)).toEqual(before);
        expect(container.readFile("etc/passwd")).not.toContain("overwritten");
      },
    );
  }
});
