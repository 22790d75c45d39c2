// Files by system calls, held against what node:fs sees.

import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { O_CREAT, O_DIRECTORY, O_EXCL, O_RDONLY, O_WRONLY } from "../../src/linux/abi/fcntl.ts";
import * as directories from "../../src/linux/directories.ts";
import * as status from "../../src/linux/file-status.ts";
import * as files from "../../src/linux/files.ts";

let folder = "";
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), "files-"));
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);

describe("a text", () => {
  it("is read as it was written, whatever its length, byte order mark and all", () => {
    for (const text of ["", "a", "\ufeffüß\u{1f600}\0", "x".repeat(8192), "y".repeat(100_001)]) {
      files.writeText(at("f"), text);
      expect(files.readText(at("f"))).toBe(text);
      expect(fs.readFileSync(at("f"), "utf8")).toBe(text);
    }
  });

  it("takes the place of a longer one, and the mode is the one asked for", () => {
    files.writeText(at("f"), "long", 0o600);
    files.writeText(at("f"), "x");
    expect(fs.readFileSync(at("f"), "utf8")).toBe("x");
    expect(fs.statSync(at("f")).mode & 0o777).toBe(0o600);
  });

  it("is added to a file's end, and the file made", () => {
    files.appendText(at("f"), "a");
    files.appendText(at("f"), "b");
    expect(fs.readFileSync(at("f"), "utf8")).toBe("ab");
  });

  it("is not written where a file was to be new, or to be there", () => {
    fs.writeFileSync(at("f"), "old");
    expect(() => files.writeText(at("f"), "new", 0o644, O_CREAT | O_EXCL)).toThrow("EEXIST");
    expect(() => files.writeExisting(at("none"), "x")).toThrow("ENOENT");
    expect(fs.existsSync(at("none"))).toBe(false);
  });

  it("of /proc, which tells no size, is read to its end", () => {
    expect(files.readText("/proc/self/maps")).toContain("[stack]");
  });
});

describe("a failed call", () => {
  it("is told as node tells it, with code, number, call and path", () => {
    const error = caught(() => files.open(at("none"), O_RDONLY));
    expect(error).toBeInstanceOf(files.FileError);
    expect(error).toMatchObject({ code: "ENOENT", errno: 2, syscall: "openat", path: at("none") });
    expect((error as Error).message).toBe(`ENOENT: no such file or directory, openat '${at("none")}'`);
  });

  it("is what every function makes of it", () => {
    fs.writeFileSync(at("f"), "");
    fs.mkdirSync(at("d/e"), { recursive: true });
    for (const [code, call] of [
      ["EEXIST", () => files.symlink("x", at("f"))],
      ["EINVAL", () => files.readLink(at("f"))],
      ["EISDIR", () => files.unlink(at("d"))],
      ["ENOTEMPTY", () => files.removeDirectory(at("d"))],
      ["ENOENT", () => files.rename(at("none"), at("x"))],
      ["ENOENT", () => files.chmod(at("none"), 0o600)],
      ["EBADF", () => files.chownDescriptor(99_999, 0, 0)],
      ["EBADF", () => files.write(99_999, new Uint8Array(1))],
      ["EEXIST", () => directories.makeDirectory(at("d"))],
      ["EEXIST", () => directories.makeDirectories(at("f"))],
      ["ENOTDIR", () => directories.makeDirectories(at("f/x"))],
      ["ENOTDIR", () => directories.list(at("f"))],
      ["EBADF", () => status.descriptorStatus(99_999)],
    ] as const) {
      expect(caught(call)).toMatchObject({ name: "FileError", code });
    }
  });

  it("never comes of a path that a NUL byte cuts short: it is refused before", () => {
    fs.writeFileSync(at("f"), "precious");
    const cut = `${at("f")}\0.tmp`;
    expect(() => files.unlink(cut)).toThrow(RangeError);
    expect(() => files.writeText(cut, "")).toThrow(RangeError);
    expect(() => directories.removeTree(cut)).toThrow(RangeError);
    expect(fs.readFileSync(at("f"), "utf8")).toBe("precious");
  });
});

describe("a name", () => {
  it("is removed once; then there is none", () => {
    fs.writeFileSync(at("f"), "");
    fs.mkdirSync(at("d"));
    expect([files.unlink(at("f")), files.unlink(at("f"))]).toEqual([true, false]);
    expect([files.removeDirectory(at("d")), files.removeDirectory(at("d"))]).toEqual([true, false]);
  });

  it("goes to another file's place", () => {
    fs.writeFileSync(at("new"), "new");
    fs.writeFileSync(at("old"), "old");
    files.rename(at("new"), at("old"));
    expect(fs.readdirSync(folder)).toEqual(["old"]);
    expect(fs.readFileSync(at("old"), "utf8")).toBe("new");
  });

  it("can be a link's, which holds any text", () => {
    files.symlink("1.2.3 ü", at("l"));
    expect(fs.readlinkSync(at("l"))).toBe("1.2.3 ü");
    expect(files.readLink(at("l"))).toBe("1.2.3 ü");
  });
});

describe("a descriptor", () => {
  it("is close-on-exec, reads, writes and ends", () => {
    const fd = files.open(at("f"), O_WRONLY | O_CREAT, 0o600);
    expect(fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8")).toMatch(/^flags:\s+02[0-7]{6}$/m);
    expect(files.write(fd, Uint8Array.of(1, 2, 3))).toBe(3);
    files.close(fd);
    expect(() => files.read(fd, new Uint8Array(1))).toThrow("EBADF");
    const again = files.open(at("f"), O_RDONLY);
    expect([...files.readAll(again)]).toEqual([1, 2, 3]);
    expect(files.read(again, new Uint8Array(1))).toBe(0);
    files.close(again);
  });
});

describe("what a file is", () => {
  it("is what node:fs says of it", () => {
    fs.writeFileSync(at("f"), "12345", { mode: 0o640 });
    fs.symlinkSync("f", at("l"));
    for (const path of [at("f"), folder, at("l"), "/dev/null", "/dev/zero"]) {
      const { uid, gid, size, ino, rdev, mode, mtimeMs } = fs.statSync(path);
      const expected = {
        uid,
        gid,
        size,
        inode: ino,
        modified: expect.closeTo(mtimeMs, 2),
        device: rdev,
        mode: mode & 0o7777,
      };
      expect(status.statusOf(path)).toMatchObject(expected);
    }
    expect(status.linkStatusOf(at("l"))?.kind).toBe("link");
    expect([at("f"), folder, "/dev/null"].map((path) => status.statusOf(path)?.kind)).toEqual([
      "file",
      "directory",
      "character device",
    ]);
    const fd = files.open(folder, O_RDONLY | O_DIRECTORY);
    expect(status.descriptorStatus(fd).inode).toBe(fs.statSync(folder).ino);
    files.close(fd);
  });

  it("is unknown of nothing, and of what lies below a file", () => {
    fs.writeFileSync(at("f"), "");
    fs.symlinkSync("none", at("dangling"));
    expect(["none", "f/x", "dangling"].map((name) => status.statusOf(at(name)))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(["none", "f", "dangling"].map((name) => status.exists(at(name)))).toEqual([false, true, false]);
  });

  it("includes the file system that it is on", () => {
    expect(status.fileSystemType("/proc")).toBe(0x9fa0);
    expect(status.fileSystemType(at("none"))).toBeUndefined();
  });
});

describe("a directory", () => {
  it("lists what is in it, more than a buffer full too", () => {
    for (let i = 0; i < 700; i++) fs.writeFileSync(at(`file-with-a-long-name-${i}-ü`), "");
    fs.mkdirSync(at("directory"));
    fs.symlinkSync("directory", at("link"));
    const listed = directories.list(folder);
    expect(listed.map(({ name }) => name).sort()).toEqual(fs.readdirSync(folder).sort());
    expect(listed.filter(({ isDirectory }) => isDirectory).map(({ name }) => name)).toEqual(["directory"]);
  });

  it("is made with its parents, and it is told whether it was there", () => {
    expect(directories.makeDirectories(at("a/b/c"), 0o700)).toBe(true);
    expect(directories.makeDirectories(at("a/b/c"), 0o700)).toBe(false);
    expect(fs.statSync(at("a/b")).mode & 0o777).toBe(0o700);
  });

  it("is removed with all in it, and what its links lead to stays", () => {
    fs.mkdirSync(at("precious/deep"), { recursive: true });
    fs.writeFileSync(at("precious/f"), "");
    fs.mkdirSync(at("tree/a/b"), { recursive: true });
    fs.writeFileSync(at("tree/a/b/f"), "");
    fs.symlinkSync(at("precious"), at("tree/a/link"));
    fs.symlinkSync(at("precious"), at("top"));
    directories.removeTree(at("tree"));
    directories.removeTree(at("top"));
    directories.removeTree(at("none"));
    expect(fs.readdirSync(folder)).toEqual(["precious"]);
    expect(fs.readdirSync(at("precious")).sort()).toEqual(["deep", "f"]);
  });
});

it("any text survives a file", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (text) => {
      files.writeText(at("f"), text);
      expect(files.readText(at("f"))).toBe(text);
    }),
    { numRuns: 50 },
  );
});

function caught(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
