import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Cell, matrixOf, problemsOf } from "../../conformance/runtime-tools/matrix.ts";
import { REASONS } from "../../conformance/runtime-tools/reasons.ts";
import type { Verdict } from "../../conformance/runtime-tools/verdict.ts";

const [OURS, PEER] = [
  { version: "tsrun 1", path: "/tsrun" },
  { version: "peer 2", path: "/peer" },
];

function cells(program: string, ours: Verdict["result"], peers: Verdict["result"], reason = "why"): Cell[] {
  const cell = (runtime: typeof OURS, result: Verdict["result"]): Cell => ({
    ...{ program, runtime, verdict: { result, reason: result === "pass" ? "" : reason } },
  });
  return [cell(OURS, ours), cell(PEER, peers)];
}

describe("The matrix", () => {
  it("counts passes, and apart from that those of programs that the specification bears out", () => {
    const matrix = matrixOf([
      ...cells("state", "pass", "pass"),
      ...cells("kill", "pass", "fail"),
      ...cells("start", "fail", "pass"),
      ...cells("delete", "fail", "fail"),
      ...cells("hooks", "fail", "fail"),
    ]);
    expect(matrix).toMatch(/^\| start +\| fail +\| pass! +\|$/m);
    expect(matrix).toMatch(/^\| \*\*passed\*\* +\| \*\*2 of 5\*\* \| \*\*2 of 5\*\* \|$/m);
    expect(matrix).toMatch(/^\| \*\*passed of those borne out\*\* \| \*\*2 of 3\*\* \| \*\*1 of 3\*\* \|$/m);
    expect(matrix).toContain("### kill\n\n- peer 2: `why`\n");
    expect(matrix).toContain("start/start.go:112");
  });

  it("counts no pass that came by chance, and is the same without it", () => {
    const matrix = matrixOf(cells("pidfile", "pass", "fail"));
    expect(matrix).toBe(matrixOf(cells("pidfile", "fail", "pass")));
    expect(matrix).toMatch(/^\| pidfile +\| chance +\| chance +\|$/m);
    expect(matrix).toContain("pidfile/pidfile.go:31");
  });

  it("leaves out a runtime that refuses every config, and says so", () => {
    const matrix = matrixOf(cells("default", "pass", "fail", "unknown version specified"));
    expect(matrix).toContain("Left out: peer 2");
    expect(matrix).toMatch(/^\| \*\*passed\*\* +\| \*\*1 of 1\*\* \|$/m);
  });

  it("that is committed is of every program, and tsrun's failures are those that have reasons", () => {
    const text = readFileSync(new URL("../../conformance/runtime-tools/matrix.md", import.meta.url), "utf8");
    const rows = [...text.matchAll(/^\| (\w+) +\| (pass|fail|skip|timeout|chance) +\|/gm)];
    expect(rows).toHaveLength(58);
    const failed = rows.filter(([, , result]) => result !== "pass").map(([, program]) => program);
    expect(failed.toSorted()).toEqual(Object.keys(REASONS).toSorted());
  });
});

describe("A problem is", () => {
  it("a failure of tsrun's without a reason, whoever passes", () => {
    expect(problemsOf(cells("state", "fail", "fail"))).toHaveLength(1);
    expect(problemsOf(cells("state", "timeout", "pass"))).toHaveLength(1);
    expect(problemsOf(cells("state", "pass", "fail"))).toEqual([]);
  });

  it("a pass of a peer's where nobody can, but not where it breaks the specification", () => {
    expect(problemsOf(cells("hooks", "fail", "pass"))).toEqual(["hooks: tsrun does not pass, and peer 2 does"]);
    expect(problemsOf(cells("delete", "fail", "pass"))).toHaveLength(1);
    expect(problemsOf(cells("hooks", "fail", "fail"))).toEqual([]);
    expect(problemsOf(cells("start", "fail", "pass"))).toEqual([]);
  });

  it("a reason that is out of date", () => {
    expect(problemsOf(cells("hooks", "pass", "fail"))).toHaveLength(1);
    expect(problemsOf(cells("pidfile", "pass", "fail"))).toEqual([]);
  });
});
