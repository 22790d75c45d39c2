import { describe, expect, it } from "vitest";
import {
  MOUNT_ATTR__ATIME,
  MOUNT_ATTR_NOATIME,
  MOUNT_ATTR_NODEV,
  MOUNT_ATTR_NODIRATIME,
  MOUNT_ATTR_NOEXEC,
  MOUNT_ATTR_NOSUID,
  MOUNT_ATTR_NOSYMFOLLOW,
  MOUNT_ATTR_RDONLY,
  MOUNT_ATTR_STRICTATIME,
  MS_PRIVATE,
  MS_SHARED,
  MS_SLAVE,
  MS_UNBINDABLE,
} from "../../src/linux/abi/mount.ts";
import { mountOptionNames, parseMountOptions, propagationOf } from "../../src/linux/mount-options.ts";

const parse = (...options: string[]) => parseMountOptions(options);

describe("Attributes", () => {
  it.each([
    ["ro", MOUNT_ATTR_RDONLY, 0],
    ["rw", 0, MOUNT_ATTR_RDONLY],
    ["nosuid", MOUNT_ATTR_NOSUID, 0],
    ["suid", 0, MOUNT_ATTR_NOSUID],
    ["nodev", MOUNT_ATTR_NODEV, 0],
    ["dev", 0, MOUNT_ATTR_NODEV],
    ["noexec", MOUNT_ATTR_NOEXEC, 0],
    ["exec", 0, MOUNT_ATTR_NOEXEC],
    ["nodiratime", MOUNT_ATTR_NODIRATIME, 0],
    ["diratime", 0, MOUNT_ATTR_NODIRATIME],
    ["nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0],
    ["symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW],
    ["noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME],
    ["strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME],
    ["norelatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME],
    ["relatime", 0, MOUNT_ATTR__ATIME],
    ["atime", 0, MOUNT_ATTR__ATIME],
    ["nostrictatime", 0, MOUNT_ATTR__ATIME],
  ])("%s is of the mount, and with an r in front of all below it", (option, set, clear) => {
    expect(parse(option)).toMatchObject({ attributes: { set, clear }, recursive: { set: 0, clear: 0 }, data: [] });
    expect(parse(`r${option}`)).toMatchObject({
      attributes: { set: 0, clear: 0 },
      recursive: { set, clear },
      data: [],
    });
  });

  it("of two that contradict each other the later one wins", () => {
    expect(parse("ro", "rw").attributes).toEqual({ set: 0, clear: MOUNT_ATTR_RDONLY });
    expect(parse("rw", "nosuid", "ro").attributes).toEqual({ set: MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID, clear: 0 });
    expect(parse("noatime", "strictatime").attributes.set).toBe(MOUNT_ATTR_STRICTATIME);
    expect(parse("strictatime", "relatime").attributes).toEqual({ set: 0, clear: MOUNT_ATTR__ATIME });
    expect(parse("rro", "rrw").recursive).toEqual({ set: 0, clear: MOUNT_ATTR_RDONLY });
  });

  it("of the mount and of all below it do not mix", () => {
    expect(parse("rw", "rro")).toMatchObject({
      attributes: { set: 0, clear: MOUNT_ATTR_RDONLY },
      recursive: { set: MOUNT_ATTR_RDONLY, clear: 0 },
    });
  });

  it("a kind of atime clears the others, as mount_setattr wants, and leaves the rest", () => {
    expect(parse("nodev", "noatime").attributes).toEqual({
      set: MOUNT_ATTR_NODEV | MOUNT_ATTR_NOATIME,
      clear: MOUNT_ATTR__ATIME,
    });
    // nodiratime is no kind of atime, though its name says so.
    expect(parse("nodiratime", "relatime").attributes.set).toBe(MOUNT_ATTR_NODIRATIME);
  });
});

describe("Propagation", () => {
  it.each([
    ["shared", MS_SHARED],
    ["slave", MS_SLAVE],
    ["private", MS_PRIVATE],
    ["unbindable", MS_UNBINDABLE],
  ])("%s, alone and recursive", (name, type) => {
    expect(propagationOf(name)).toEqual({ type, recursive: false });
    expect(propagationOf(`r${name}`)).toEqual({ type, recursive: true });
    expect(parse(name, `r${name}`).propagation).toEqual([
      { type, recursive: false },
      { type, recursive: true },
    ]);
  });
});

describe("Flags of the superblock", () => {
  it.each(["sync", "dirsync", "lazytime", "mand", "iversion"])("%s", (option) => {
    expect(parse(option, option)).toMatchObject({ superblock: [option], data: [] });
  });

  it.each([
    ["async", "sync"],
    ["nolazytime", "lazytime"],
    ["nomand", "mand"],
    ["noiversion", "iversion"],
  ])("%s undoes %s before it and not behind it", (undo, option) => {
    expect(parse("dirsync", option, undo).superblock).toEqual(["dirsync"]);
    expect(parse(undo, option).superblock).toEqual([option]);
  });

  it("defaults, silent and loud change nothing and are not the file system's", () => {
    expect(parse("sync", "defaults", "silent", "loud")).toMatchObject({ superblock: ["sync"], data: [] });
  });
});

it("the kind of mount is said by options of its own", () => {
  expect(parse("bind").bind).toBe("bind");
  expect(parse("bind", "rbind").bind).toBe("rbind");
  expect(parse("remount", "tmpcopyup")).toMatchObject({ bind: "no", remount: true, copyUp: true, data: [] });
  expect(parse("idmap").idmap).toBe("idmap");
  expect(parse("ridmap").idmap).toBe("ridmap");
});

it("everything else is the file system's, in order, and may look like anything", () => {
  const data = ["mode=755", "ro=1", "rnonsense", "r", "size=64k", "constructor", "rtoString", "upperdir=a:b"];
  expect(parse("", ...data, "").data).toEqual(data);
});

it("every option that `features` names is known", () => {
  expect(mountOptionNames().filter((option) => parse(option).data.length > 0)).toEqual([]);
  expect(new Set(mountOptionNames()).size).toBe(mountOptionNames().length);
});
