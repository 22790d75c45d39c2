// Races: somebody who shares a directory with the container exchanges names in it, as fast as can be, while containers are
// created. Whatever the runtime makes, opens or mounts on must be inside the root file system or the volume: never in the
// directory of the host's that the swapped link points at. CVE-2021-30465, CVE-2023-27561, CVE-2024-45310, CVE-2025-24965.

import { execFileSync } from "node:child_process";
import {
  closeSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { type Json, MOUNTS, sh } from "../harness/config.ts";
import { except, kernelFile, needs } from "../harness/needs.ts";
import type { Sandbox } from "../harness/sandbox.ts";
import { compiler, inventory, swapNames } from "./attacker.ts";

const ROUNDS = 30;
/** The refusals that a race that was seen ends with. */
const REFUSED = /ELOOP|ENOTDIR|ENOENT|EEXIST|ENOTEMPTY|EBUSY|EINVAL|EXDEV|EACCES|Violation|outside|link|something else/;

interface Race {
  readonly name: string;
  /** What the container is asked for below /volume/swapped, which is a directory or a link to the host. */
  readonly asks: (box: Sandbox) => Json;
}

const below = (path: string) => `/volume/swapped/${path}`;
const RACES: Race[] = [
  {
    name: "the destination of a tmpfs",
    asks: () => mount({ destination: below("deep/mount"), type: "tmpfs", source: "t" }),
  },
  {
    name: "the destination of a bind-mounted directory",
    asks: (box) =>
      mount({ destination: below("dir"), type: "bind", source: box.makeDirectory("s"), options: ["rbind"] }),
  },
  {
    name: "the destination of a bind-mounted file",
    asks: () => mount({ destination: below("a/file"), type: "bind", source: "/etc/hostname", options: ["bind"] }),
  },
  {
    name: "the directory of a device",
    asks: () => ({ linux: { devices: [{ type: "c", path: below("zero"), major: 1, minor: 5 }] } }),
  },
  { name: "the working directory", asks: () => ({ process: { cwd: below("work/dir") } }) },
  { name: "a masked path", asks: () => ({ linux: { maskedPaths: [below("mask"), below("file")] } }) },
  { name: "a read-only path", asks: () => ({ linux: { readonlyPaths: [below("mask")] } }) },
  {
    name: "what a tmpfs is filled with",
    asks: () => mount({ destination: below("mask"), type: "tmpfs", source: "t", options: ["tmpcopyup"] }),
  },
];

function mount(one: Json): Json {
  return { extra: one };
}

describe("while names in a volume are exchanged", () => {
  for (const { name, asks } of RACES) {
    needs(compiler, except({ runc: "1.1 makes mounts by name", crun: "1.8 has words of its own" }))(
      `${name} is never outside`,
      async ({ box }) => {
        const outside = box.makeDirectory("outside");
        mkdirSync(join(outside, "mask"));
        writeFileSync(join(outside, "mask/secret"), "secret of the host");
        writeFileSync(join(outside, "file"), "precious");
        const volume = box.makeDirectory("volume");
        mkdirSync(join(volume, "swapped/mask"), { recursive: true });
        symlinkSync(outside, join(volume, "other"));
        swapNames(box, [join(volume, "swapped"), join(volume, "other")]);
        const before = inventory(outside);
        const bind = { destination: "/volume", type: "bind", source: volume, options: ["rbind"] };
        const { extra, ...asked } = asks(box);
        const list = [...MOUNTS, bind, ...(extra === undefined ? [] : [extra as Json])];
        const script = sh(`cat ${below("mask/secret")} 2>/dev/null; true`);
        const container = box.container({ mounts: list }, script, asked);
        const seen = new Set<boolean>();
        for (let round = 0; round < ROUNDS || (seen.size < 2 && round < 10 * ROUNDS); round++) {
          seen.add(lstatSync(join(volume, "swapped")).isSymbolicLink());
          const result = await container.run();
          expect(result.stdout).not.toContain("secret");
          expect(inventory(outside), result.stderr).toEqual(before);
          if (result.code !== 0) expect(result.stderr).toMatch(REFUSED);
        }
        expect([...seen].sort(), "that there was a race").toEqual([false, true]);
        expect(hostMounts()).not.toContain(outside);
      },
    );
  }
});

describe("while the directory that a mount's destination lies in is exchanged", () => {
  const ours = except({ runc: "1.1 makes mounts by name", crun: "1.8 has words of its own" });

  /** A volume in which two directories change places, each with an `m`. */
  const volumeOf = (box: Sandbox): { bind: Json; places: string[] } => {
    const volume = box.makeDirectory("volume");
    const [one, other] = ["swapped", "other"].map((name) => join(volume, name)) as [string, string];
    for (const place of [one, other]) mkdirSync(join(place, "m"), { recursive: true });
    swapNames(box, [one, other]);
    const bind = { destination: "/volume", type: "bind", source: volume, options: ["rbind"] };
    return { bind, places: [one, other].map((place) => join(place, "m")) };
  };

  needs(
    compiler,
    ours,
    kernelFile("/sys/fs/cgroup/memory/tasks"),
  )("hierarchies of cgroups are mounted in the tmpfs that is for them", async ({ box }) => {
    const { bind, places } = volumeOf(box);
    const cgroup = { destination: below("m"), type: "cgroup", source: "cgroup" };
    const container = box.container({ mounts: [...MOUNTS, bind, cgroup] });
    for (let round = 0; round < ROUNDS; round++) {
      expect(await container.run()).toMatchObject({ code: 0, stderr: "" });
      for (const place of places) expect(readdirSync(place)).toEqual([]);
    }
  });

  needs(compiler, ours)("what mount(2) mounts is given its propagation where it is", async ({ box }) => {
    const { bind } = volumeOf(box);
    const lower = ["a", "b"].map((letter) => box.makeDirectory(letter.repeat(200)));
    const options = [`lowerdir=${lower.join(":")}`, "private"]; // too long for fsconfig(2)
    const overlay = { destination: below("m"), type: "overlay", source: "overlay", options };
    const script = sh("grep -c ' - overlay ' /proc/self/mountinfo");
    const container = box.container({ mounts: [...MOUNTS, bind, overlay] }, script);
    for (let round = 0; round < 3 * ROUNDS; round++)
      expect(await container.run()).toMatchObject({ code: 0, stderr: "", stdout: "1\n" });
  });
});

describe("while a file is exchanged with a device", () => {
  needs(compiler, except({ runc: "1.1 copies by name", crun: "copies by name" }))(
    "a tmpfs is filled with files and devices, never with what a device gives",
    async ({ box }) => {
      const fill = { destination: "/c", type: "tmpfs", source: "t", options: ["tmpcopyup", "size=1m"] };
      const container = box.container(sh("find /c -type f -size +1k"), { mounts: [...MOUNTS, fill] });
      container.writeFile("c/file", "small");
      const [file, device] = ["file", "device"].map((name) => join(container.rootfs, "c", name)) as [string, string];
      execFileSync("mknod", [device, "c", "1", "5"]);
      swapNames(box, [file, device]);
      for (let round = 0; round < 3 * ROUNDS; round++)
        expect(await container.run()).toMatchObject({ code: 0, stdout: "" });
    },
  );
});

describe("while /proc of a shared root is exchanged with a directory (CVE-2019-19921, CVE-2025-52881)", () => {
  // A name can be changed at any moment, also when all is made. So what counts is that nothing is written to what lies at it,
  // and that the real one is masked and read-only wherever it is seen.
  needs(compiler, except({ runc: "1.1 has words of its own", crun: "follows it" }))(
    "masks and parameters go to procfs alone",
    async ({ box }) => {
      const look = "[ $(stat -f -c %T .) = proc ] && echo $(wc -c <version) $(cat sys/kernel/msgmax)";
      const container = box.container(sh(`for d in /proc /proc2; do cd $d && ${look}; done; true`), {
        linux: { maskedPaths: ["/proc/version"], readonlyPaths: ["/proc/sys"], sysctl: { "kernel.msgmax": "4242" } },
      });
      mkdirSync(join(container.rootfs, "proc2/sys/kernel"), { recursive: true });
      for (const name of ["version", "sys/kernel/msgmax"]) container.writeFile(`proc2/${name}`, "fake");
      const fake = openSync(join(container.rootfs, "proc2"), "r"); // wherever it goes
      box.defer(() => closeSync(fake));
      const before = inventory(`/proc/self/fd/${fake}`);
      swapNames(box, [join(container.rootfs, "proc"), join(container.rootfs, "proc2")]);
      let ran = 0;
      for (let round = 0; round < 3 * ROUNDS; round++) {
        const result = await container.run();
        if (result.code !== 0) continue;
        ran += 1;
        expect(result.stdout).toMatch(/^(0 4242\n)*$/);
      }
      expect(ran).toBeGreaterThan(0);
      expect(inventory(`/proc/self/fd/${fake}`)).toEqual(before);
    },
  );
});

function hostMounts(): string {
  return readFileSync("/proc/self/mountinfo", "utf8");
}
