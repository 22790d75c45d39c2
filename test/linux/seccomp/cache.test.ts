import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
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

  /** Marks what is kept, to tell a filter that was read from one that was compiled. */
  function mark(): void {
    for (const file of readdirSync(directory)) {
      const content = readFileSync(join(directory, file));
      content.fill(0xee, content.length - 8);
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
