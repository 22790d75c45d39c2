import { describe, expect, it } from "vitest";
import { planDevices } from "../../src/linux/devices.ts";
import { Out } from "../../src/linux/plan.ts";
import type { SetUp } from "../../src/linux/programs.ts";
import type { Device, Mount } from "../../src/spec/config.gen.ts";
import { config, created, host, inRoot } from "./sample.ts";

const plan = (devices: Device[] = [], changes: Partial<SetUp> = {}, mounts: Mount[] = []) =>
  inRoot(config({ devices }, { mounts }), planDevices, changes);
const named = (lines: readonly string[], name: string): string[] => lines.filter((line) => line.startsWith(`${name}(`));
const fuse: Device = { type: "c", path: "/dev/fuse", major: 10, minor: 229, fileMode: 0o20660, uid: 1, gid: 2 };

describe("Default devices", () => {
  it("are the spec's, for everybody", () => {
    expect(named(plan().lines, "mknodat")).toEqual(
      [
        ["null", "1, 3"],
        ["zero", "1, 5"],
        ["full", "1, 7"],
        ["random", "1, 8"],
        ["urandom", "1, 9"],
        ["tty", "5, 0"],
      ].map(([name, number]) => `mknodat(#2, "${name}", S_IFCHR|0666, makedev(${number}))`),
    );
  });

  it("come with links, and /dev/ptmx is always the container's own", () => {
    const links = named(plan().lines, "symlinkat").map((line) => line.split('"').filter((_, i) => i % 2 === 1));
    expect(links).toEqual([
      ["/proc/self/fd", "fd"],
      ["/proc/self/fd/0", "stdin"],
      ["/proc/self/fd/1", "stdout"],
      ["/proc/self/fd/2", "stderr"],
      ["/proc/kcore", "core"],
      ["pts/ptmx", "ptmx"],
      ["pts/ptmx", "ptmx"], // again, where something was there and had to go
    ]);
    expect(plan([], { host: host({ exists: () => false }) }).lines.join()).not.toContain("kcore");
  });

  it("are made in the /dev that is there, not where a link leads, and nothing is made before that is known", () => {
    const { lines } = plan();
    expect(lines.slice(0, 2)).toEqual([
      'mkdirat(#1, "dev", 0755)',
      'openat2(#1, "dev", {flags=O_PATH|O_DIRECTORY|O_CLOEXEC, resolve=RESOLVE_NO_SYMLINKS})',
    ]);
    expect(lines.slice(2).filter((line) => line.startsWith("openat2("))).toEqual([]);
  });

  it("leave what is there already to its owner", () => {
    const { steps } = plan([fuse]).to.plan;
    const owned = steps.flatMap(({ call }, i) => (call.name === "fchownat" ? [steps[i - 1]?.tolerance] : []));
    expect(owned).toHaveLength(7);
    for (const tolerance of owned) expect(tolerance).toMatchObject({ errno: "EEXIST", skip: 1, skipOnSuccess: false });
  });

  it("are left out where the config binds a /dev of its own", () => {
    const dev: Mount = { destination: "//dev/", source: "/dev", options: ["rbind"] };
    expect(plan([fuse], {}, [dev]).lines).toEqual([]);
    expect(plan([], {}, [{ destination: "/dev", type: "tmpfs", options: ["nosuid"] }]).lines).not.toEqual([]);
  });
});

describe("A configured device", () => {
  it("has its own mode without the file type that engines send along, and its owner", () => {
    const { lines } = plan([fuse]);
    expect(lines).toContain('mknodat(#2, "fuse", S_IFCHR|0660, makedev(10, 229))');
    expect(lines).toContain('fchownat(#2, "fuse", 1, 2, AT_SYMLINK_NOFOLLOW)');
  });

  it("stands in for the default one of its path, however that is written", () => {
    const own: Device = { type: "c", path: "/dev/../dev//null", major: 1, minor: 3, fileMode: 0o600 };
    expect(named(plan([own]).lines, "mknodat").filter((line) => line.includes('"null"'))).toEqual([
      'mknodat(#2, "null", S_IFCHR|0600, makedev(1, 3))',
    ]);
  });

  it("may have the largest numbers that there are", () => {
    const { lines } = plan([{ type: "b", path: "/dev/big", major: 0xfff, minor: 0xf_ffffn }]);
    expect(lines).toContain('mknodat(#2, "big", S_IFBLK|0666, makedev(4095, 1048575))');
  });

  it("that is a pipe has no number", () => {
    expect(plan([{ type: "p", path: "/dev/pipe" }]).lines).toContain('mknodat(#2, "pipe", S_IFIFO|0666, 0)');
  });

  it("/dev/ptmx is none: it belongs to its devpts", () => {
    const { lines } = plan([{ type: "c", path: "/dev/ptmx", major: 5, minor: 2 }]);
    expect(named(lines, "mknodat").join()).not.toContain("ptmx");
  });

  const check = (device: Device, there: { mode: number; major: number; minor: number }) => {
    const { to } = plan([device]);
    const [statx] = to.plan.steps.flatMap(({ call }) => call.args.filter((arg) => arg instanceof Out));
    const bytes = new Uint8Array(256);
    const view = new DataView(bytes.buffer);
    view.setUint16(28, there.mode, true);
    view.setUint32(128, there.major, true);
    view.setUint32(132, there.minor, true);
    expect(statx?.size).toBe(256);
    return () => {
      for (const one of to.checks) one({ value: () => 0, bytes: () => bytes });
    };
  };

  it("where something is already must be what is there", () => {
    const CHARACTER = 0o020000;
    const BLOCK = 0o060000;
    const other = "linux.devices[0] (/dev/fuse): something else is at this path already";
    expect(check(fuse, { mode: CHARACTER | 0o600, major: 10, minor: 229 })).not.toThrow();
    expect(check(fuse, { mode: CHARACTER, major: 10, minor: 1 })).toThrow(other);
    expect(check(fuse, { mode: CHARACTER, major: 1, minor: 229 })).toThrow(other);
    expect(check(fuse, { mode: BLOCK, major: 10, minor: 229 })).toThrow(other);
    expect(check(fuse, { mode: 0o100644, major: 0, minor: 0 })).toThrow(other);
    expect(check({ ...fuse, type: "u" }, { mode: CHARACTER, major: 10, minor: 229 })).not.toThrow();
    // Nothing was asked, since nothing was there.
    expect(check(fuse, { mode: 0, major: 0, minor: 0 })).not.toThrow();
    const pipe: Device = { type: "p", path: "/dev/pipe" };
    expect(check(pipe, { mode: 0o010600, major: 0, minor: 7 })).not.toThrow();
  });
});

describe("In a user namespace", () => {
  const namespaces = created("mount", "user");

  it("devices are the host's, bound; pipes are made", () => {
    const { lines } = plan([fuse, { type: "p", path: "/dev/pipe" }], { namespaces });
    expect(named(lines, "open_tree")).toHaveLength(7);
    expect(lines).toContain('open_tree(AT_FDCWD, "/dev/fuse", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC)');
    expect(named(lines, "mknodat").filter((line) => !line.includes("S_IFREG"))).toEqual([
      'mknodat(#2, "pipe", S_IFIFO|0666, 0)',
    ]);
  });

  it("they are not bound where a link leads", () => {
    const { lines } = plan([fuse], { namespaces });
    const targets = named(lines, "openat2");
    expect(targets).toHaveLength(8);
    for (const target of targets) expect(target).toContain("resolve=RESOLVE_NO_SYMLINKS");
  });
});
