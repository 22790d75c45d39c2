import { describe, expect, it } from "vitest";
import { pageOfTests, reasonsOf } from "../../conformance/peers/tests-page.ts";
import type { Summary } from "../../scripts/reporter.ts";

const FILE = "test/root/a.test.ts";

function summary(...skipped: [title: string, reason: string][]): Summary {
  const list = skipped.map(([title, reason]) => ({ name: `${FILE} > ${title}`, reason }));
  const passed = [`${FILE} > passes`];
  return { tests: [...passed, ...list.map(({ name }) => name)], passed, failed: [], skipped: list, retried: [] };
}

describe("a peer's reasons", () => {
  it("are those that have its name before them, alone or among others", () => {
    const found = reasonsOf(
      "crun",
      summary(["one", "crun: has no such flag"], ["two", "gcc is not installed; crun: fails"], ["three", "no gcc"]),
    );
    expect([...found]).toEqual([
      [`${FILE} > one`, "has no such flag"],
      [`${FILE} > two`, "fails"],
    ]);
  });

  it("are rows by file, with a column for each peer", () => {
    const page = pageOfTests([
      { path: "/runc", name: "runc", version: "runc 1.1", summary: summary(["one", "runc: hangs"], ["two", "no gcc"]) },
      { path: "/crun", name: "crun", version: "crun 1.8", summary: summary(["one", "no gcc"], ["two", "crun: a|b"]) },
    ]);
    expect(page).toContain(`## ${FILE}\n\n| test | runc 1.1 | crun 1.8 |\n| ---- | -------- | -------- |\n`);
    expect(page).toContain("| one  | hangs    |          |\n| two  |          | a\\|b     |\n");
    expect(page).toContain("- runc 1.1 passes 1, and does not pass 1 for the reasons below\n");
    expect(page).not.toContain("no gcc");
  });

  it("are missing where a test fails", () => {
    const failing = { ...summary(), failed: [`${FILE} > fails`] };
    const page = pageOfTests([{ path: "/runc", name: "runc", version: "runc 1.1", summary: failing }]);
    expect(page).toContain("1 fail without a reason");
  });
});
