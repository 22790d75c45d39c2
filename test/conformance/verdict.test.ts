import { describe, expect, it } from "vitest";
import { type Ended, verdictOf } from "../../conformance/runtime-tools/verdict.ts";

function verdict(lines: readonly string[], more: Partial<Ended> = {}) {
  return verdictOf({ stdout: lines.join("\n"), stderr: "", status: 0, ...more });
}
const block = (value: object) => ["  ---", `  ${JSON.stringify(value)}`, "  ..."];

describe("A program passes", () => {
  it("where all its assertions hold, but for those known not to", () => {
    expect(verdict(["TAP version 13", "ok 1 - a", "not ok 2 - b # TODO", "ok 3 # SKIP c", "1..3"]).result).toBe("pass");
  });

  it("where it asserts nothing and says nothing", () => {
    expect(verdict(["TAP version 13", "1..0"]).result).toBe("pass");
    expect(verdict([]).result).toBe("pass");
  });

  it("though it tells how a command failed that had to", () => {
    expect(verdict(["ok 1 - a", ...block({ error: "exit status 1" }), "1..1"]).result).toBe("pass");
  });
});

describe("A program fails", () => {
  it("where an assertion does not hold, in any of its documents, and the first is the reason", () => {
    const lines = ["TAP version 13", "ok 1 - a", "1..1", "TAP version 13", "not ok 1 - b", "not ok 2 - c", "1..2"];
    expect(verdict(lines)).toEqual({ result: "fail", reason: "b" });
  });

  it("where it asserts nothing and tells an error", () => {
    expect(verdict([...block({ error: "hook", stderr: "why" }), "1..0"])).toEqual({
      result: "fail",
      reason: "hook: why",
    });
  });

  it("where its status is not 0, with its last words", () => {
    expect(verdict(["ok 1 - a"], { status: 1, stderr: "failed to create\nno such file\nexit status 1\n" })).toEqual({
      ...{ result: "fail", reason: "no such file" },
    });
    expect(verdict([], { status: 2 }).reason).toBe("status 2");
    expect(verdict(["not ok 1 - exit status 1"], { stderr: "no such file\n" }).reason).toBe("no such file");
  });

  it("with a reason that is the same the next time", () => {
    const stderr = 'time="2026-01-01T00:00:00Z" level=error msg="0123abcd-0123-0123-0123-0123456789ab in ocitest12"';
    expect(verdict([], { status: 1, stderr }).reason).toBe('level=error msg="ID in BUNDLE"');
  });
});

it("A program that did not end in time, or skipped all, is told apart", () => {
  expect(verdict(["ok 1 - a"], { status: undefined }).result).toBe("timeout");
  expect(verdict(["ok 1 # SKIP not here", "1..1"])).toEqual({ result: "skip", reason: "not here" });
});
