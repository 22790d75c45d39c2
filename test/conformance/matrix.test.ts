import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Cell, matrixOf, problemsOf } from "../../conformance/runtime-tools/matrix.ts";
import { reasonsIn } from "../../conformance/runtime-tools/reasons.ts";
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
    const matrix = matrixOf(
      [
        ...cells("state", "pass", "pass"),
        ...cells("kill", "pass", "fail"),
        ...cells("start", "fail", "pass"),
        ...cells("delete", "fail", "fail"),
        ...cells("hooks", "fail", "fail"),
      ],
      "machine",
    );
    expect(matrix).toMatch(/^\| start +\| fail +\| pass! +\|$/m);
    expect(matrix).toMatch(/^\| \*\*passed\*\* +\| \*\*2 of 5\*\* \| \*\*2 of 5\*\* \|$/m);
    expect(matrix).toMatch(/^\| \*\*passed of those borne out\*\* \| \*\*2 of 3\*\* \| \*\*1 of 3\*\* \|$/m);
    expect(matrix).toContain("### kill\n\n- peer 2: `why`\n");
    expect(matrix).toContain("start/start.go:112");
  });

  it("counts no pass that came by chance, and is the same without it", () => {
    const matrix = matrixOf(cells("pidfile", "pass", "fail"), "machine");
    expect(matrix).toBe(matrixOf(cells("pidfile", "fail", "pass"), "machine"));
    expect(matrix).toMatch(/^\| pidfile +\| chance +\| chance +\|$/m);
    expect(matrix).toContain("pidfile/pidfile.go:31");
  });

  it("leaves out a runtime that refuses every config, and says so", () => {
    const matrix = matrixOf(cells("default", "pass", "fail", "unknown version specified"), "machine");
    expect(matrix).toContain("Left out: peer 2");
    expect(matrix).toMatch(/^\| \*\*passed\*\* +\| \*\*1 of 1\*\* \|$/m);
  });

  it("of the guest bears out what only the machine's kernel could not, and names the other", () => {
    const [here, there] = (["machine", "guest"] as const).map((place) =>
      matrixOf(cells("process_capabilities", "pass", "fail"), place),
    );
    expect(here).toMatch(/^\| \*\*passed of those borne out\*\* \| \*\*0 of 0\*\* +\|/m);
    expect(there).toMatch(/^\| \*\*passed of those borne out\*\* \| \*\*1 of 1\*\* +\|/m);
    expect(here).toContain("(matrix-guest.md)");
    expect(there).toContain("(matrix.md)");
  });

  it("that is committed is of every program, and tsrun's failures are those that have reasons", () => {
    const text = readFileSync(new URL("../../conformance/runtime-tools/matrix.md", import.meta.url), "utf8");
    const rows = [...text.matchAll(/^\| (\w+) +\| (pass|fail|skip|timeout|chance) +\|/gm)];
    expect(rows).toHaveLength(58);
    const failed = rows.filter(([, , result]) => result !== "pass").map(([, program]) => program);
    expect(failed.toSorted()).toEqual(Object.keys(reasonsIn("machine")).toSorted());
  });
});

describe("A problem is", () => {
  it("a failure of tsrun's without a reason, whoever passes", () => {
    expect(problemsOf(cells("state", "fail", "fail"), "machine")).toHaveLength(1);
    expect(problemsOf(cells("state", "timeout", "pass"), "machine")).toHaveLength(1);
    expect(problemsOf(cells("state", "pass", "fail"), "machine")).toEqual([]);
  });

  it("a pass of a peer's where nobody can, but not where it breaks the specification", () => {
    expect(problemsOf(cells("hooks", "fail", "pass"), "machine")).toEqual([
      "hooks: tsrun does not pass, and peer 2 does",
    ]);
    expect(problemsOf(cells("delete", "fail", "pass"), "machine")).toHaveLength(1);
    expect(problemsOf(cells("hooks", "fail", "fail"), "machine")).toEqual([]);
    expect(problemsOf(cells("start", "fail", "pass"), "machine")).toEqual([]);
  });

  it("a reason that is out of date, but not where another kernel can, and none of the machine's in the guest", () => {
    expect(problemsOf(cells("process_capabilities", "pass", "fail"), "machine")).toEqual([]);
    expect(problemsOf(cells("process_capabilities", "pass", "fail"), "guest")).toEqual([]);
    expect(problemsOf(cells("process_capabilities", "fail", "fail"), "guest")).toHaveLength(1);
    expect(problemsOf(cells("hooks", "pass", "fail"), "machine")).toHaveLength(1);
    expect(problemsOf(cells("pidfile", "pass", "fail"), "machine")).toEqual([]);
  });
});
