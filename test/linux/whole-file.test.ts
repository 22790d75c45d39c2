import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { putByRename, putFile } from "../../src/linux/whole-file.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "whole-file-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const bytes = (text: string) => new TextEncoder().encode(text);

describe.each([putFile, putByRename])("a file that is put in place by %o", (put) => {
  it("is there whole, with its mode, and nothing is beside it", () => {
    put(join(folder, "file"), bytes("text"), 0o600);
    expect(readFileSync(join(folder, "file"), "utf8")).toBe("text");
    expect(lstatSync(join(folder, "file")).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  it("takes the place of what was there, and of a link, not of what the link leads to", () => {
    writeFileSync(join(folder, "old"), "old");
    symlinkSync("old", join(folder, "link"));
    put(join(folder, "link"), bytes("new"), 0o644);
    put(join(folder, "link"), bytes("newer"), 0o644);
    expect(lstatSync(join(folder, "link")).isFile()).toBe(true);
    expect(readFileSync(join(folder, "link"), "utf8")).toBe("newer");
    expect(readFileSync(join(folder, "old"), "utf8")).toBe("old");
  });

  it("fails with the kernel's answer, and leaves nothing", () => {
    expect(() => put(join(folder, "none/file"), bytes("text"), 0o644)).toThrow("ENOENT");
    expect(() => put(join(folder, "."), bytes("text"), 0o644)).toThrow();
    expect(existsSync(join(folder, "none"))).toBe(false);
    expect(readdirSync(folder)).toEqual([]);
  });
});

it("what is neither file nor link is not replaced: --pid-file=/dev/null", () => {
  const fifo = join(folder, "fifo");
  execFileSync("mkfifo", [fifo]);
  expect(() => putFile(fifo, bytes("1"), 0o644)).toThrow("EEXIST");
  expect(lstatSync(fifo).isFIFO()).toBe(true);
});
