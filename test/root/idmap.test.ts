// Id-mapped mounts: who owns the files that a container sees, and those that it makes as the host sees them, with and without
// a user namespace (config.md "POSIX-platform Mounts" and "Linux mount options"; crun's and Podman's words for it).

import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { idle, type Json, linux, mounts, namespaces, sh } from "./harness/config.ts";
import { except, needs } from "./harness/needs.ts";
import { outputOf, refusalOf } from "./harness/run.ts";
import type { Sandbox } from "./harness/sandbox.ts";
import { untilItWaits } from "./harness/until.ts";

const NONE = "1.1 knows no id-mapped mounts";
const noRunc = except({ runc: NONE });
const tsrunOnly = except({ runc: NONE, crun: "1.8 does otherwise" });
const ALL = ["user", "pid", "mount", "ipc", "uts", "network"];
const mapping = (containerID: number, hostID: number, size: number) => ({ containerID, hostID, size });
const MAPS = [mapping(0, 100_000, 65_536)];
/** A container with a user namespace whose root is 100000 outside. */
const MAPPED: readonly Json[] = [namespaces(...ALL), linux({ uidMappings: MAPS, gidMappings: MAPS })];

/** A directory with a file of 0:0 and one of 1000:2000, owned by 0:0, that everybody may write to. */
function source(box: Sandbox, name = "source"): string {
  const directory = box.makeDirectory(name);
  fill(directory);
  return directory;
}

function fill(directory: string): void {
  chmodSync(directory, 0o777);
  for (const [name, uid, gid] of [
    ["root", 0, 0],
    ["other", 1000, 2000],
  ] as const) {
    writeFileSync(join(directory, name), name);
    chownSync(join(directory, name), uid, gid);
  }
}

function tmpfs(box: Sandbox, path: string): void {
  mkdirSync(path, { recursive: true });
  execFileSync("mount", ["-t", "tmpfs", "tsrun-test", path]);
  box.defer(() => void execFileSync("umount", [path]));
}

const bind = (from: string, options: string[], more: Json = {}): Json =>
  mounts({ destination: "/home", type: "bind", source: from, options, ...more });
const OWNERS = "stat -c %u:%g /home/root /home/other | tr '\\n' ' '";
const owner = (path: string) => {
  const { uid, gid } = statSync(path);
  return `${uid}:${gid}`;
};

describe("without a user namespace", () => {
  needs(noRunc)("a mount has the maps that it is given, both ways", async ({ box }) => {
    const from = source(box);
    chownSync(from, 1000, 2000); // the kernel lets nobody write to a directory whose owner is mapped to none
    const maps = { uidMappings: [mapping(1000, 0, 1)], gidMappings: [mapping(2000, 0, 1)] };
    const output = await outputOf(
      box,
      bind(from, ["bind", "idmap"], maps),
      sh(`${OWNERS}; cp /home/other /home/other2`),
    );
    expect(output).toBe("65534:65534 0:0 ");
    // Who made it is root in the container, and 1000:2000 on disk.
    expect(owner(join(from, "other2"))).toBe("1000:2000");
  });

  needs(noRunc)("maps count without the option, and several ranges", async ({ box }) => {
    const uidMappings = [mapping(0, 5, 1), mapping(1000, 7, 10)];
    const gidMappings = [mapping(0, 6, 1), mapping(2000, 8, 10)];
    const output = await outputOf(box, bind(source(box), ["bind"], { uidMappings, gidMappings }), sh(OWNERS));
    expect(output).toBe("5:6 7:8 ");
  });

  needs(noRunc)("a file can be mapped", async ({ box }) => {
    const maps = { uidMappings: [mapping(1000, 3, 1)], gidMappings: [mapping(2000, 4, 1)] };
    const file = { destination: "/f", type: "bind", source: join(source(box), "other"), options: ["bind", "idmap"] };
    expect(await outputOf(box, mounts({ ...file, ...maps }), sh("stat -c %u:%g /f; cat /f"))).toBe("3:4\nother");
  });

  needs(noRunc)("other options of the mount hold as well", async ({ box }) => {
    const maps = { uidMappings: [mapping(0, 5, 1)], gidMappings: [mapping(0, 6, 1)] };
    const script = sh("grep ' /home ' /proc/self/mountinfo | cut -d' ' -f6");
    const output = await outputOf(box, bind(source(box), ["bind", "idmap", "ro", "nosuid", "noexec"], maps), script);
    expect(output).toMatch(/^ro,nosuid,(nodev,)?noexec.*idmapped/);
  });

  needs(noRunc)("crun's words say the maps", async ({ box }) => {
    const words = "idmap=uids=0-10-1#1000-20-5;gids=0-30-1#2000-40-5";
    expect(await outputOf(box, bind(source(box), ["bind", words]), sh(OWNERS))).toBe("10:30 20:40 ");
  });

  needs(tsrunOnly)("with the root shared, the mount is the host's peer, else not", async ({ box }) => {
    const from = box.path("shared");
    tmpfs(box, from);
    box.makeReachable();
    execFileSync("mount", ["--make-private", from]);
    execFileSync("mount", ["--make-shared", from]);
    const maps = { uidMappings: [mapping(0, 5, 1)], gidMappings: [mapping(0, 6, 1)] };
    const script = sh("grep ' /home ' /proc/self/mountinfo");
    const shown = (...more: Json[]) => outputOf(box, bind(from, ["bind", "idmap"], maps), script, ...more);
    expect(await shown()).toMatch(/ master:\d+ - /);
    expect(await shown(linux({ rootfsPropagation: "rslave" }))).toMatch(/ master:\d+ - /);
    expect(await shown(linux({ rootfsPropagation: "rprivate" }))).not.toMatch(/master:|shared:/);
    expect(await shown(linux({ rootfsPropagation: "rshared" }))).toMatch(/ shared:\d+ - /);
    expect(await shown(...MAPPED, linux({ rootfsPropagation: "rshared" }))).not.toMatch(/ shared:\d+ - /);
  });
});

describe("with a user namespace", () => {
  needs(noRunc)("a mount without maps has the container's, both ways", async ({ box }) => {
    const from = source(box);
    box.makeReachable();
    const output = await outputOf(box, ...MAPPED, bind(from, ["bind", "idmap"]), sh(`${OWNERS}; touch /home/new`));
    expect(output).toBe("0:0 1000:2000 ");
    expect(owner(join(from, "new"))).toBe("0:0");
    expect(await outputOf(box, ...MAPPED, bind(from, ["bind"]), sh(OWNERS))).toBe("65534:65534 65534:65534 ");
  });

  needs(noRunc)("a mount has maps of its own", async ({ box }) => {
    const from = source(box);
    box.makeReachable();
    const same = { uidMappings: MAPS, gidMappings: MAPS };
    expect(await outputOf(box, ...MAPPED, bind(from, ["bind", "idmap"], same), sh(OWNERS))).toBe("0:0 1000:2000 ");
    chownSync(from, 1000, 2000);
    const own = { uidMappings: [mapping(1000, 100_007, 1)], gidMappings: [mapping(2000, 100_008, 1)] };
    const user = { process: { user: { uid: 7, gid: 8 } } };
    const script = sh(`${OWNERS}; touch /home/new`);
    expect(await outputOf(box, ...MAPPED, user, bind(from, ["bind", "idmap"], own), script)).toBe("65534:65534 7:8 ");
    expect(owner(join(from, "new"))).toBe("1000:2000");
  });

  needs(tsrunOnly)("ids with @ are the container's, in whatever ranges it has them", async ({ box }) => {
    const from = source(box);
    box.makeReachable();
    const split = [mapping(0, 200_000, 10), mapping(10, 300_000, 1000)];
    const own = [namespaces(...ALL), linux({ uidMappings: split, gidMappings: split })];
    const words = (text: string) => bind(from, ["rbind", text]);
    // 1000 on disk is the second of a row that begins in one range and ends in the other.
    const row = words("idmap=uids=0-1-1#@999-9-2;gids=@2000-5-1#@0-9-1");
    expect(await outputOf(box, ...own, row, sh(OWNERS))).toBe("65534:9 10:5 ");
    expect(await refusalOf(box, ...own, words("idmap=uids=@0-1009-2;gids=@0-0-1"))).toContain("has no id 1010");
  });

  needs(tsrunOnly)("that is joined, its maps count", async ({ box }) => {
    const first = box.container(idle(), ...MAPPED);
    const from = source(box);
    box.makeReachable();
    expect(await first.create()).toMatchObject({ code: 0 });
    const { pid } = await first.state();
    const joined = namespaces("pid", "mount", `user=/proc/${pid}/ns/user`, `network=/proc/${pid}/ns/net`);
    const plain = { hostname: undefined };
    expect(await outputOf(box, joined, plain, bind(from, ["bind", "idmap"]), sh(OWNERS))).toBe("0:0 1000:2000 ");
    const words = bind(from, ["bind", "idmap=uids=@0-4-1;gids=@0-5-1"]);
    expect(await outputOf(box, joined, plain, words, sh(OWNERS))).toBe("4:5 65534:65534 ");
  });

  needs(noRunc)("its root need not be able to reach the source", async ({ box }) => {
    const from = source(box, "closed/source");
    box.makeReachable();
    execFileSync("chmod", ["700", box.path("closed")]);
    expect(await outputOf(box, ...MAPPED, bind(from, ["bind", "idmap"]), sh("cat /home/other"))).toBe("other");
  });
});

describe("recursion", () => {
  const BOTH = sh(`${OWNERS}; stat -c %u:%g /home/below/root /home/below/other | tr '\\n' ' '`);
  const maps = {
    uidMappings: [mapping(0, 5, 1), mapping(1000, 7, 1)],
    gidMappings: [mapping(0, 6, 1), mapping(2000, 8, 1)],
  };
  for (const [word, users] of [
    ["with", MAPPED],
    ["without", []],
  ] as const) {
    needs(tsrunOnly)(`ridmap is for what is mounted below too, ${word} a user namespace`, async ({ box }) => {
      const from = source(box);
      tmpfs(box, join(from, "below"));
      fill(join(from, "below"));
      box.makeReachable();
      const own = word === "with" ? {} : maps;
      const seen = word === "with" ? "0:0 1000:2000 " : "5:6 7:8 ";
      const kept = word === "with" ? "65534:65534 65534:65534 " : "0:0 1000:2000 ";
      expect(await outputOf(box, ...users, bind(from, ["rbind", "ridmap"], own), BOTH)).toBe(seen + seen);
      expect(await outputOf(box, ...users, bind(from, ["rbind", "idmap"], own), BOTH)).toBe(seen + kept);
    });
  }

  needs(tsrunOnly)("a file system below that cannot be mapped is named", async ({ box }) => {
    const from = source(box);
    mkdirSync(join(from, "below"));
    execFileSync("mount", ["--bind", "/sys/kernel", join(from, "below")]);
    box.defer(() => void execFileSync("umount", [join(from, "below")]));
    expect(await refusalOf(box, bind(from, ["rbind", "ridmap"], maps))).toMatch(
      /mounts\[5\] \(\/home\): .*not supported by .*sysfs/,
    );
    expect(await outputOf(box, bind(from, ["rbind", "idmap"], maps), sh(OWNERS))).toBe("5:6 7:8 ");
  });
});

describe("refused, with nothing left,", () => {
  const uidMappings = [mapping(0, 5, 1)];
  const both = { uidMappings, gidMappings: uidMappings };
  const rows: [what: string, more: Json, options: string[], words: RegExp][] = [
    ["is one map alone", { uidMappings }, ["bind", "idmap"], /gidMappings: is required/],
    ["is one map alone in crun's words", {}, ["bind", "idmap=uids=0-5-1"], /needs both uids and gids/],
    [
      "is no map where there is no user namespace",
      {},
      ["bind", "ridmap"],
      /it needs uidMappings and gidMappings, or a user/,
    ],
    ["are ids of a container's that has none of its own", {}, ["bind", "idmap=uids=@0-0-1;gids=0-0-1"], /has no id 0/],
    ["are maps given twice", both, ["bind", "idmap=uids=0-0-1;gids=0-0-1"], /twice/],
    ["are words that say no map", {}, ["bind", "idmap=uids=0-0-1;gids=0-0"], /not \[@\]ID-ID-COUNT: .*0-0/],
    ["are maps that overlap", {}, ["bind", "idmap=uids=0-0-2#1-9-1;gids=0-0-1"], /does not take its id maps: EINVAL/],
    ["is a file system made for the container", { ...both, type: "tmpfs" }, ["idmap"], /only a bind mount/],
    ["is a remount", both, ["bind", "remount", "idmap"], /only a bind mount/],
  ];
  for (const [what, more, options, words] of rows) {
    needs(tsrunOnly)(what, async ({ box }) => {
      expect(await refusalOf(box, bind(source(box), options, more))).toMatch(words);
    });
  }

  needs(tsrunOnly)("is any for a user who is not root", async ({ box }) => {
    const own = [{ containerID: 0, hostID: 1234, size: 1 }];
    const users = { linux: { uidMappings: own, gidMappings: own } };
    const from = { destination: "/home", source: source(box), options: ["bind", "idmap"], ...both };
    const container = box.container(...MAPPED, users, { mounts: [from] });
    box.makeReachable();
    const under = ["setpriv", "--reuid=1234", "--regid=1234", "--clear-groups"];
    const result = await container.create([], { under });
    expect(result).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("mounts[0] (/home): only root can id-map"),
    });
  });

  needs(tsrunOnly)("is a file system that cannot be mapped, by name", async ({ box }) => {
    const lower = source(box);
    const from = box.makeDirectory("overlay");
    execFileSync("mount", ["-t", "overlay", "-o", `lowerdir=${lower}:/usr/lib/locale`, "tsrun-test", from]);
    box.defer(() => void execFileSync("umount", [from]));
    const before = helpers();
    for (const users of [[], MAPPED]) {
      const said = await refusalOf(box, bind(from, ["bind", "idmap"], both), ...users);
      expect(said).toContain(
        `mounts[5] (/home): cannot be id-mapped: not supported by overlay on this kernel (${from})`,
      );
    }
    await expect.poll(() => helpers().filter((pid) => !before.includes(pid))).toEqual([]);
  });

  needs(tsrunOnly)("is a mount that is mapped already", async ({ box }) => {
    // Without a mount namespace the host sees it.
    const first = box.container(bind(source(box), ["bind", "idmap"], both), idle(), namespaces("pid", "network"), {
      hostname: undefined,
    });
    expect(await first.create()).toMatchObject({ code: 0, stderr: "" });
    const again = join(first.rootfs, "home");
    expect(await refusalOf(box, bind(again, ["bind", "idmap"], both))).toMatch(/cannot be id-mapped: .* is so already/);
  });
});

describe("once the container is there", () => {
  const maps = { uidMappings: [mapping(1000, 0, 1)], gidMappings: [mapping(2000, 0, 1)] };

  needs(tsrunOnly)("no process is left that held a user namespace, nor a descriptor in init", async ({ box }) => {
    const before = helpers();
    const from = source(box);
    const counts: number[] = [];
    for (const more of [maps, {}]) {
      const container = box.container(bind(from, ["bind"], more), idle());
      expect(await container.create()).toMatchObject({ code: 0, stderr: "" });
      counts.push(descriptors((await container.state()).pid));
    }
    await expect.poll(() => helpers().filter((pid) => !before.includes(pid))).toEqual([]);
    expect(counts[0]).toBe(counts[1]);
  });

  needs(tsrunOnly)(
    "nor one in a tsrun that waits for it, which would keep the host's file system busy",
    async ({ box }) => {
      const from = source(box);
      const counts: number[] = [];
      for (const more of [maps, {}]) {
        const container = box.container(bind(from, ["bind"], more), idle());
        const running = container.beginRun();
        await container.untilRunning();
        const init = (await container.state()).pid;
        const status = readFileSync(`/proc/${init}/status`, "utf8");
        const tsrun = Number(/^PPid:\t(\d+)$/m.exec(status)?.[1]);
        await untilItWaits(tsrun);
        counts.push(descriptors(tsrun));
        await container.kill("KILL");
        await running;
      }
      expect(counts[0]).toBe(counts[1]);
    },
  );
});

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** Processes that hold a user namespace for a mount. */
function helpers(): string[] {
  const names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return names.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith("tsrun:idmap");
    } catch {
      return false; // ended
    }
  });
}
