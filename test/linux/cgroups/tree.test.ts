// A cgroup and all below it, by directories that stand for them.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { visit } from "../../../src/linux/cgroups/tree.ts";

/** More than any visit here comes to. */
const NEVER = 100;

function cgroup(descendants: number): string {
  const path = mkdtempSync(join(tmpdir(), "tsrun-tree-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  writeFileSync(`${path}/cgroup.stat`, `nr_descendants ${descendants}\nnr_dying_descendants 0\n`);
  return path;
}

/** Visits one in which each that is visited has another made in it. */
function visitEndless(top: string): void {
  let count = 0;
  const enter = (path: string): void => {
    if (count++ > NEVER) throw new Error("it goes on");
    mkdirSync(`${path}/x`);
  };
  visit(top, { enter }, 0);
}

test("a visit ends where cgroups are made as fast as they are visited", () => {
  const top = cgroup(2);
  expect(() => visitEndless(top)).toThrow(`somebody makes cgroups in ${top} as fast as tsrun goes through them`);
});

test("a visit takes as long as it has to where there were so many at first", () => {
  const top = cgroup(300);
  for (let i = 0; i < 300; i++) mkdirSync(`${top}/${i}`);
  let count = 0;
  visit(top, { enter: () => void count++ }, 0);
  expect(count).toBe(301);
});

test("a cgroup that is nested deeply is shown in one line", () => {
  const top = cgroup(20);
  mkdirSync(join(top, ...Array.from({ length: 20 }, (_, i) => `x${i}`)), { recursive: true });
  const shown: string[] = [];
  visit(top, { leave: (left) => void shown.push(left.shown()) });
  expect(shown[0]).toBe(`${top}/x0/x1/x2/x3/...12 more.../x16/x17/x18/x19`);
  expect(shown.at(-1)).toBe(`${top}/x0`);
});
