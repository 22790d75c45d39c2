import { describe, expect, it } from "vitest";
import type { CgroupDirectory } from "../../src/linux/cgroup-mount.ts";
import { planMount } from "../../src/linux/mounts.ts";
import type { SetUp } from "../../src/linux/programs.ts";
import type { Mount } from "../../src/spec/config.gen.ts";
import { config, created, host, inRoot } from "./sample.ts";

const plan = (mounts: readonly Mount[], changes: Partial<SetUp> = {}) =>
  inRoot(
    config({}, { mounts: [...mounts] }),
    (to) => {
      for (const [i, mount] of mounts.entries()) planMount(to, mount, i);
    },
    changes,
  );
/** The calls of one mount that begin with these names. */
const calls = (mount: Mount, ...names: string[]): string[] =>
  plan([mount]).lines.filter((line) => names.some((name) => line.startsWith(`${name}(`)));

describe("A bind mount", () => {
  const bind = (...options: string[]): Mount => ({ destination: "/data", type: "none", source: "vol", options });

  it("is a copy of the source's mount, attached to the destination by descriptor", () => {
    expect(plan([bind("bind")]).lines).toEqual([
      'open_tree(AT_FDCWD, "/bundle/vol", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC)',
      'mkdirat(#1, "data", 0755)',
      'openat2(#1, "/data", {flags=O_PATH|O_DIRECTORY|O_CLOEXEC, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_IN_ROOT})',
      "fstatfs(#3, out1[120])",
      'move_mount(#2, "", #3, "", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)',
      "close(#3)",
      "close(#2)",
    ]);
  });

  it("with rbind takes what is mounted below along", () => {
    expect(calls(bind("rbind"), "open_tree")[0]).toContain("AT_RECURSIVE");
  });

  it("is asked for by the type alone, too", () => {
    expect(calls({ destination: "/a", type: "bind", source: "/b" }, "open_tree", "fsopen")).toHaveLength(1);
  });

  it("has its attributes before anybody can see it, and propagation when it is attached", () => {
    const lines = plan([bind("rbind", "ro", "noatime", "rnosuid", "rslave")]).lines;
    const [own, all, attached, propagation] = lines.filter((line) => /^(mount_setattr|move_mount)/.test(line));
    expect(own).toBe(
      'mount_setattr(#2, "", AT_EMPTY_PATH, {attr_set=MOUNT_ATTR_RDONLY|MOUNT_ATTR_NOATIME, attr_clr=MOUNT_ATTR__ATIME})',
    );
    expect(all).toBe('mount_setattr(#2, "", AT_EMPTY_PATH|AT_RECURSIVE, {attr_set=MOUNT_ATTR_NOSUID})');
    expect(attached).toMatch(/^move_mount/);
    expect(propagation).toBe('mount_setattr(#2, "", AT_EMPTY_PATH|AT_RECURSIVE, {propagation=MS_SLAVE})');
  });

  it("of a file makes a file to be mounted on, and its parents", () => {
    const lines = plan([{ destination: "/a/b/c", source: "/etc/hosts", options: ["bind"] }]).lines;
    expect(lines.filter((line) => /^(mkdirat|mknodat)/.test(line))).toEqual([
      'mkdirat(#1, "a", 0755)',
      'mkdirat(#3, "b", 0755)',
      'mknodat(#3, "c", S_IFREG|0644, 0)',
    ]);
  });

  it("without a source is refused", () => {
    expect(() => plan([{ destination: "/a", options: ["bind"] }])).toThrow(
      "mounts[0] (/a): a bind mount needs a source",
    );
  });

  it("takes no options for a file system: they change nothing", () => {
    expect(plan([bind("bind", "ro", "size=1", "mode=755")]).lines).toEqual(plan([bind("bind", "ro")]).lines);
  });

  it("on /proc must be of a procfs, however /proc is written", () => {
    const onProc = (destination: string, source: string) => () =>
      plan([{ destination, source, options: ["bind"] }], { host: host() });
    expect(onProc("/proc", "/tmp")).toThrow("only a procfs can be mounted on /proc");
    expect(onProc("//x/../proc/", "/tmp")).toThrow("only a procfs can be mounted on /proc");
    expect(onProc("/proc", "/proc")).not.toThrow();
  });
});

describe("A file system", () => {
  it("is made with its options in order, then mounted with its attributes", () => {
    const mount = {
      destination: "/t",
      type: "ext4",
      source: "/dev/sda",
      options: ["nosuid", "sync", "errors=remount-ro", "acl", "noatime"],
    };
    expect(calls(mount, "fsopen", "fsconfig", "fsmount")).toEqual([
      'fsopen("ext4", FSOPEN_CLOEXEC)',
      'fsconfig(#2, FSCONFIG_SET_STRING, "source", "/dev/sda")',
      'fsconfig(#2, FSCONFIG_SET_FLAG, "sync")',
      'fsconfig(#2, FSCONFIG_SET_STRING, "errors", "remount-ro")',
      'fsconfig(#2, FSCONFIG_SET_FLAG, "acl")',
      "fsconfig(#2, FSCONFIG_CMD_CREATE)",
      "fsmount(#2, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID|MOUNT_ATTR_NOATIME)",
    ]);
  });

  it("without a type is refused", () => {
    expect(() => plan([{ destination: "/a", source: "x" }])).toThrow("a mount that is no bind mount needs a type");
  });

  it("of the kernel's is not mounted where a symbolic link leads", () => {
    for (const type of ["proc", "sysfs"])
      expect(calls({ destination: "/x", type }, "openat2").at(-1)).toContain("RESOLVE_NO_SYMLINKS");
    expect(calls({ destination: "/x", type: "mqueue" }, "openat2").at(-1)).not.toContain("RESOLVE_NO_SYMLINKS");
  });

  it("with an option that fsconfig has no room for goes through mount(2), on the directory that is held open", () => {
    const lower = ["lower", "/abs", "x".repeat(260)].join(":");
    const mount = {
      destination: "/o",
      type: "overlay",
      source: "overlay",
      options: ["ro", "noatime", `lowerdir=${lower}`, "rnosuid", "rprivate"],
    };
    const lines = plan([mount]).lines;
    expect(lines.find((line) => line.startsWith("mount("))).toBe(
      `mount("overlay", ".", "overlay", MS_RDONLY|MS_NOSUID|MS_NOATIME, "lowerdir=/bundle/lower:/abs:/bundle/${"x".repeat(260)}")`,
    );
    expect(lines.some((line) => line.startsWith("fchdir("))).toBe(true);
    // By the directory that is open: its path is not looked up again.
    const behind = lines.slice(lines.findIndex((line) => line.startsWith("mount(")) + 1);
    expect(behind.join("\n")).not.toContain('"/o"');
    expect(behind[0]).toMatch(/^openat2\(#\d+, "\.\.", .*RESOLVE_IN_ROOT/);
    expect(behind[1]).toContain("{propagation=MS_PRIVATE}");
  });

  it("has relative paths of its own taken from the bundle", () => {
    const options = ["lowerdir=a:/b", "upperdir=c", "workdir=./d", "index=off"];
    const strings = calls({ destination: "/o", type: "overlay", source: "./s", options }, "fsconfig");
    expect(strings.slice(0, 5).map((line) => line.split('", "')[1]?.replace('")', ""))).toEqual([
      "/bundle/s",
      "/bundle/a:/b",
      "/bundle/c",
      "/bundle/d",
      "off",
    ]);
  });

  it("over the root is refused, however it is written", () => {
    for (const destination of ["/", "", "/..", "/a/../.."])
      expect(() => plan([{ destination, type: "tmpfs" }]), destination).toThrow("is the root file system itself");
  });

  it("with mapped ids is refused, not mounted without", () => {
    const mapping = [{ containerID: 0, hostID: 1000, size: 1 }];
    expect(() => plan([{ destination: "/a", type: "tmpfs", uidMappings: mapping }])).toThrow("only a bind mount");
    expect(() => plan([{ destination: "/a", source: "/b", options: ["rbind", "idmap"] }])).toThrow(
      "its id map is missing",
    );
  });
});

describe("A tmpfs", () => {
  const tmpfs = (...options: string[]): Mount => ({ destination: "/tmp", type: "tmpfs", source: "tmpfs", options });

  it("has the mode of the directory that it covers, read before it is made", () => {
    const lines = plan([tmpfs("ro")]).lines;
    expect(lines.find((line) => line.startsWith("statx("))).toMatch(/^statx\(#2, "", AT_EMPTY_PATH, .*out1\[256\]\)$/);
    const order = ["statx(", "mkdirat(", "fsmount(", "fchmod(", "move_mount("];
    const places = order.map((name) => lines.findIndex((line) => line.startsWith(name)));
    expect(places).toEqual(places.toSorted((a, b) => a - b));
    expect(places).not.toContain(-1);
    expect(lines.find((line) => line.startsWith("fchmod("))).toBe("fchmod(#2, out1+28)");
    // Writable until then: an empty read-only file system takes no mode.
    expect(lines.find((line) => line.startsWith("fsmount("))).toBe("fsmount(#2, FSMOUNT_CLOEXEC, 0)");
  });

  it("with a mode of its own has that", () => {
    expect(calls(tmpfs("mode=700", "noexec"), "statx", "fchmod", "fsmount")).toEqual([
      "fsmount(#2, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOEXEC)",
    ]);
  });

  it.each(["/dev", "/t"])("at %s becomes read-only only when all is made, by its descriptor", (destination) => {
    const { to, lines } = plan([{ ...tmpfs("mode=755", "ro", "nosuid"), destination }]);
    expect(to.readonlyLater).toMatchObject([{ destination }]);
    expect(lines.join("\n")).not.toContain("RDONLY");
    expect(lines.filter((line) => line.startsWith("close("))).toHaveLength(2); // of fsopen's and the destination's
  });
});

describe("A procfs at /proc", () => {
  const proc = (...options: string[]): Mount => ({ destination: "/proc", type: "proc", source: "proc", options });

  it("is kept open for what is written below /proc later", () => {
    const { to, lines } = plan([proc("nosuid")]);
    expect(to.proc).toBeDefined();
    expect(lines.filter((line) => line.startsWith("close("))).toHaveLength(2);
  });

  it("that shows not all, is read-only or lies elsewhere is not what is written through", () => {
    for (const mount of [proc("hidepid=2"), proc("ro"), proc("rro"), { ...proc(), destination: "/other" }])
      expect(plan([mount]).to.proc, mount.options?.join()).toBeUndefined();
  });
});

describe("remount", () => {
  const remount = (...options: string[]): Mount => ({
    destination: "/a",
    type: "none",
    options: ["remount", ...options],
  });

  it("changes the attributes of what is mounted there", () => {
    expect(calls(remount("bind", "ro", "rnoexec", "private"), "mount_setattr", "mount")).toEqual([
      'mount_setattr(#2, "", AT_EMPTY_PATH, {attr_set=MOUNT_ATTR_RDONLY})',
      'mount_setattr(#2, "", AT_EMPTY_PATH|AT_RECURSIVE, {attr_set=MOUNT_ATTR_NOEXEC})',
      'mount_setattr(#2, "", AT_EMPTY_PATH, {propagation=MS_PRIVATE})',
    ]);
  });

  it("gives the file system new options by mount(2)", () => {
    expect(calls(remount("size=1m", "ro"), "mount")).toEqual([
      'mount("none", ".", "none", MS_RDONLY|MS_REMOUNT, "size=1m")',
    ]);
  });
});

describe("A mount of type cgroup", () => {
  const mount: Mount = { destination: "/sys/fs/cgroup", type: "cgroup", options: ["ro", "nosuid"] };
  const v1: CgroupDirectory[] = [
    { name: "cpu,cpuacct", directory: "/h/cpu/c" },
    { name: "name=systemd", directory: "/h/systemd/c" },
    { name: "", directory: "/h/unified/c" },
  ];

  it("with version 2 is the container's own cgroup", () => {
    const { lines } = plan([mount], { cgroups: [{ name: "", directory: "/h/c" }] });
    expect(lines.filter((line) => line.startsWith("open_tree("))).toEqual([
      'open_tree(AT_FDCWD, "/h/c", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC)',
    ]);
  });

  it("with version 1 is a directory for each hierarchy, links for those that share one, all read-only in the end", () => {
    const { lines } = plan([mount], { cgroups: v1 });
    expect(lines.filter((line) => line.startsWith("open_tree("))).toEqual([
      'open_tree(AT_FDCWD, "/h/cpu/c", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC)',
      'open_tree(AT_FDCWD, "/h/systemd/c", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC)',
    ]);
    expect(lines.filter((line) => line.startsWith("symlinkat("))).toEqual([
      'symlinkat("cpu,cpuacct", #3, "cpu")',
      'symlinkat("cpu,cpuacct", #3, "cpuacct")',
    ]);
    expect(lines.filter((line) => line.startsWith("mkdirat(")).map((line) => line.split('"')[1])).toEqual([
      "sys",
      "fs",
      "cgroup",
      "cpu,cpuacct",
      "systemd",
    ]);
    expect(lines.filter((line) => line.includes("MOUNT_ATTR_RDONLY"))).toHaveLength(3);
    expect(lines.at(-2)).toBe('mount_setattr(#3, "", AT_EMPTY_PATH, {attr_set=MOUNT_ATTR_RDONLY})');
  });
});

it("what was made below a place is made again once something is mounted there", () => {
  const mounts = ["/run/a", "/run", "/run/a"].map((destination): Mount => ({ destination, type: "mqueue" }));
  const { lines } = plan(mounts, { namespaces: created("mount") });
  expect(lines.filter((line) => line.startsWith("mkdirat(")).map((line) => line.split('"')[1])).toEqual([
    "run",
    "a",
    "a",
  ]);
});
