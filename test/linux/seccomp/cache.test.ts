import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { cachedSeccomp } from "../../../src/linux/seccomp/cache.ts";
import { compileSeccomp } from "../../../src/linux/seccomp/compile.ts";
import type { Seccomp, SeccompRule } from "../../../src/spec/config.gen.ts";

const PROFILE: Seccomp = {
  defaultAction: "SCMP_ACT_ALLOW",
  flags: ["SECCOMP_FILTER_FLAG_LOG"],
  syscalls: [
    {
      names: ["mkdirat"],
      action: "SCMP_ACT_LOG",
      args: [{ index: 0, value: 18446744073709551615n, op: "SCMP_CMP_EQ" }],
    },
  ],
};
const [RULE] = PROFILE.syscalls as [SeccompRule];
const TWIN: Seccomp = { ...PROFILE, syscalls: [{ ...RULE, names: ["mknodat"] }] };
const OTHER: Seccomp = { ...PROFILE, syscalls: [{ names: ["mkdirat"], action: "SCMP_ACT_LOG" }] };

describe("cachedSeccomp", () => {
  let parent: string;
  let directory: string;

  beforeEach(() => {
    parent = mkdtempSync(join(tmpdir(), "tsrun-seccomp-"));
    directory = join(parent, "seccomp");
  });
  afterEach(() => rmSync(parent, { recursive: true, force: true }));

  /** Marks what is kept, to tell a filter that was read from one that was compiled: the end of the program, in both places. */
  function mark(): void {
    for (const file of readdirSync(directory)) {
      const content = readFileSync(join(directory, file));
      const length = content.readUInt32LE(4);
      for (const end of [8 + length, 8 + 2 * length]) content.fill(0xee, end - 8, end);
      writeFileSync(join(directory, file), content);
    }
  }
  function isMarked(profile: Seccomp): boolean {
    return Buffer.from(cachedSeccomp(profile, directory).filter).subarray(-8).equals(Buffer.alloc(8, 0xee));
  }

  it("gives what compileSeccomp gives, the first time and the next", () => {
    const expected = compileSeccomp(PROFILE);
    for (let time = 0; time < 2; time++) {
      const { filter, flags } = cachedSeccomp(PROFILE, directory);
      expect(Buffer.from(filter).equals(expected.filter)).toBe(true);
      expect(flags).toBe(expected.flags);
    }
  });

  it("takes the second from the directory, and another profile not", () => {
    cachedSeccomp(PROFILE, directory);
    mark();
    expect(isMarked(PROFILE)).toBe(true);
    expect(isMarked(OTHER)).toBe(false);
  });

  it("takes one for all listeners and flags, which the program does not depend on", () => {
    const asking: Seccomp = { ...PROFILE, syscalls: [{ ...RULE, action: "SCMP_ACT_NOTIFY" }] };
    cachedSeccomp({ ...asking, listenerPath: "/a" }, directory);
    mark();
    expect(isMarked({ ...asking, listenerPath: "/b", listenerMetadata: "c", flags: [] })).toBe(true);
    expect(cachedSeccomp({ ...asking, listenerPath: "/b", flags: [] }, directory).flags).toBe(8);
    expect(isMarked({ ...asking, syscalls: [RULE] })).toBe(false);
  });

  it.each([
    ["of another length", OTHER],
    ["of the same length", TWIN],
  ])("never gives the filter of a profile %s whose name in the directory happens to be the same", (_, other) => {
    cachedSeccomp(other, directory);
    const [others = ""] = readdirSync(directory);
    mark();
    const marked = readFileSync(join(directory, others));
    rmSync(join(directory, others));
    cachedSeccomp(PROFILE, directory);
    const [own = ""] = readdirSync(directory);
    writeFileSync(join(directory, own), marked);
    expect(isMarked(PROFILE)).toBe(false);
  });

  it.each([0, 3, 4, 50])("compiles again when the file was cut to %i bytes", (length) => {
    cachedSeccomp(PROFILE, directory);
    const [file = ""] = readdirSync(directory);
    writeFileSync(join(directory, file), readFileSync(join(directory, file)).subarray(0, length));
    const { filter } = cachedSeccomp(PROFILE, directory);
    expect(Buffer.from(filter).equals(compileSeccomp(PROFILE).filter)).toBe(true);
  });

  it.each([
    ["in the program", 16],
    ["in its second copy", -40],
    ["from the program to the end", 8, 1e6],
  ])("compiles again when there is a hole %s", (_, from, length = 4) => {
    const asking: Seccomp = { ...PROFILE, syscalls: [] };
    const { filter } = cachedSeccomp(asking, directory);
    const [file = ""] = readdirSync(directory);
    const content = readFileSync(join(directory, file));
    const start = from < 0 ? 8 + 2 * filter.length + from : from;
    content.fill(0, start, Math.min(start + length, 8 + 2 * filter.length));
    writeFileSync(join(directory, file), content);
    expect(Buffer.from(cachedSeccomp(asking, directory).filter).equals(filter)).toBe(true);
  });

  it.runIf(process.getuid?.() === 0).each<[string, (file: string) => void]>([
    ["the file is another user's", (file) => chownSync(file, 1000, 1000)],
    ["the file can be written by others", (file) => chmodSync(file, 0o666)],
    ["the file can be written by the group", (file) => chmodSync(file, 0o620)],
    ["the directory is another user's", () => chownSync(directory, 1000, 1000)],
    ["the directory can be written by others", () => chmodSync(directory, 0o1777)],
    ["the file is a link", (file) => [renameSync(file, join(parent, "x")), symlinkSync(join(parent, "x"), file)]],
    [
      "the directory is a link",
      () => [renameSync(directory, `${directory}-`), symlinkSync(`${directory}-`, directory)],
    ],
  ])("takes nothing where %s", (_, spoil) => {
    cachedSeccomp(PROFILE, directory);
    mark();
    spoil(join(directory, readdirSync(directory)[0] ?? ""));
    expect(isMarked(PROFILE)).toBe(false);
  });

  it.runIf(process.getuid?.() === 0)("writes and removes nothing in a directory that is another user's", () => {
    mkdirSync(directory);
    for (let n = 0; n < 70; n++) writeFileSync(join(directory, `own-${n}`), "");
    chownSync(directory, 1000, 1000);
    cachedSeccomp(PROFILE, directory);
    expect(readdirSync(directory)).toHaveLength(70);
  });

  it("lets nobody else read or write, and leaves no temporary file", () => {
    cachedSeccomp(PROFILE, directory);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    expect(readdirSync(directory)).toHaveLength(1);
    expect(readdirSync(directory)[0]).not.toContain(".");
  });

  it("works where it cannot write", () => {
    writeFileSync(directory, "a file, not a directory");
    expect(cachedSeccomp(PROFILE, directory).filter.length).toBeGreaterThan(0);
  });

  it("does not grow without end", () => {
    for (let n = 0; n < 80; n++) cachedSeccomp({ ...OTHER, syscalls: [], defaultErrnoRet: n }, directory);
    expect(readdirSync(directory).length).toBeLessThanOrEqual(64);
  });
});
