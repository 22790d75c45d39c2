// What CRIU is told of a container, and what it says.

import { describe, expect, test } from "vitest";
import { mountsToName, mountsToSupply } from "../../../src/linux/criu/external-mounts.ts";
import { namespacesToJoin } from "../../../src/linux/criu/external-namespaces.ts";
import { errorsIn } from "../../../src/linux/criu/log.ts";
import { externalFiles, inheritedStreams, parseDescriptors } from "../../../src/linux/criu/streams.ts";
import type { MountInfo } from "../../../src/linux/mountinfo.ts";
import type { Config } from "../../../src/spec/config.gen.ts";

const config = (mounts: NonNullable<Config["mounts"]>, linux: NonNullable<Config["linux"]> = {}): Config => ({
  ociVersion: "1.2.0",
  root: { path: "rootfs" },
  mounts,
  linux,
});

/** A container with these mounts: where a path leads, and what is there. */
const inside = (found: Readonly<Record<string, Partial<MountInfo>>>) => ({
  at: (path: string) => found[path] && { id: 1, root: "/", place: path, type: "ext4", options: [], ...found[path] },
});

describe("external mounts", () => {
  const binds = config([
    { destination: "/proc", type: "proc", source: "proc" },
    { destination: "/link/volume/", type: "bind", source: "../volume", options: ["bind", "ro"] },
    { destination: "/gone", source: "/gone", options: ["bind"] },
  ]);

  test("of a dump are bind mounts where they are, by the names that the config has for them", () => {
    const mounts = inside({ "/link/volume": { place: "/etc/volume" }, "/proc": {} });
    expect(mountsToName({ config: binds, bundle: "/b", cgroups: [] }, mounts)).toEqual([
      { key: "/etc/volume", val: "/link/volume" },
    ]);
  });

  test("of a restore have these names, and sources", () => {
    expect(mountsToSupply({ config: binds, bundle: "/b/c", cgroups: [] })).toEqual(
      expect.arrayContaining([
        { key: "/link/volume", val: "/b/volume" },
        { key: "/gone", val: "/gone" },
        { key: "/dev/null", val: "/dev/null" },
      ]),
    );
  });

  test("are masked files and bound devices, but not masked directories", () => {
    const masked = config([], {
      maskedPaths: ["/proc/keys", "/proc/acpi"],
      devices: [{ type: "c", path: "/dev/fuse" }],
    });
    const mounts = inside({
      "/proc/keys": { root: "/null" },
      "/proc/acpi": {},
      "/dev/fuse": { root: "/fuse" },
      "/dev/zero": { root: "/zero" },
    });
    expect(mountsToName({ config: masked, bundle: "/b", cgroups: [] }, mounts)).toEqual([
      { key: "/proc/keys", val: "/proc/keys" },
      { key: "/dev/zero", val: "/dev/zero" },
      { key: "/dev/fuse", val: "/dev/fuse" },
    ]);
    expect(mountsToSupply({ config: masked, bundle: "/b", cgroups: [] })).toContainEqual({
      key: "/proc/keys",
      val: "/dev/null",
    });
  });

  test("are the cgroups", () => {
    const mount = { destination: "/sys/fs/cgroup", type: "cgroup", source: "cgroup" };
    const v1 = [
      { name: "cpu,cpuacct", directory: "/c/cpu/x" },
      { name: "name=systemd", directory: "/c/systemd/x" },
      { name: "", directory: "/c/unified/x" },
    ];
    const supplied = (cgroups: typeof v1) =>
      mountsToSupply({ config: config([mount]), bundle: "/b", cgroups }).filter(({ key }) => key.startsWith("/sys"));
    expect(supplied(v1)).toEqual([
      { key: "/sys/fs/cgroup/cpu,cpuacct", val: "/c/cpu/x" },
      { key: "/sys/fs/cgroup/systemd", val: "/c/systemd/x" },
    ]);
    expect(supplied([{ name: "", directory: "/c/x" }])).toEqual([{ key: "/sys/fs/cgroup", val: "/c/x" }]);
  });

  test("with id maps are refused", () => {
    const mapped = config([{ destination: "/v", source: "/v", options: ["bind", "idmap"] }]);
    const of = { config: mapped, bundle: "/b", cgroups: [] };
    expect(() => mountsToName(of, inside({}))).toThrow("mounts[0] (/v): CRIU cannot restore an id-mapped mount");
    expect(() => mountsToSupply(of)).toThrow("id-mapped");
  });
});

describe("namespaces that are shared", () => {
  const joined = (type: "network" | "pid" | "ipc" | "cgroup", fd: number) => ({
    type,
    fd,
    path: `/n/${type}`,
    isTheHosts: false,
    index: 4,
  });

  test("are inherited by descriptor, or joined by path", () => {
    expect(namespacesToJoin([joined("network", 8), joined("ipc", 9), joined("pid", 10)])).toEqual({
      inherit_fd: [
        { key: "extRootNetNS", fd: 8 },
        { key: "extRootPidNS", fd: 10 },
      ],
      join_ns: [{ ns: "ipc", ns_file: "/n/ipc" }],
    });
    expect(() => namespacesToJoin([joined("cgroup", 8)])).toThrow("linux.namespaces[4]: CRIU cannot join");
  });
});

describe("the streams", () => {
  test("are inherited by their names in the dump, if they led outside", () => {
    const names = parseDescriptors('["/dev/null","pipe:[77]","file[1b:20c019]"]');
    expect(inheritedStreams(names)).toEqual([
      { key: "pipe:[77]", fd: 1 },
      { key: "file[1b:20c019]", fd: 2 },
    ]);
    expect(externalFiles(names)).toEqual(["file[1b:20c019]"]);
    const terminals = parseDescriptors('["/dev/null","tty[8800:1a]","tty[8800:1a]"]');
    expect(inheritedStreams(terminals)).toEqual([
      { key: "tty[8800:1a]", fd: 1 },
      { key: "tty[8800:1a]", fd: 2 },
    ]);
    expect(externalFiles(terminals)).toEqual(["tty[8800:1a]"]);
  });

  for (const text of ['{"0":"pipe:[1]"}', "[1]", "null", "pipe:[1]", ""])
    test(`are not what ${JSON.stringify(text)} says`, () => {
      expect(() => parseDescriptors(text)).toThrow("--image-path: descriptors.json is no list of three strings");
    });

  test("are three: the numbers behind are descriptors of CRIU's own", () => {
    expect(() => parseDescriptors('["a","b","c","pipe:[1]"]')).toThrow("no list of three strings");
  });
});

test("of the log the last errors are told, without their times, and not the one that harms nobody", () => {
  const line = (n: number) => `(00.00000${n}) Error (criu/a.c:${n}): tag: problem ${n}`;
  const noise =
    "(00.097517) Error (criu/util.c:1533): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted";
  const text = [noise, "(00.1) Warn  (criu/b.c:1): careful", ...[1, 2, 3, 4, 5, 6].map(line), noise].join("\n");
  expect(errorsIn(text)).toBe([2, 3, 4, 5, 6].map((n) => `criu/a.c:${n}: tag: problem ${n}`).join("; "));
  expect(errorsIn("")).toBe("");
});
