// Where a restore finds the sources of bind mounts in a user namespace.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { planOpenSources } from "../../../src/linux/criu/open-sources.ts";
import { Plan } from "../../../src/linux/plan.ts";
import { printPlan } from "../../../src/linux/print.ts";

/** A directory that only its owner may enter. */
function closedDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "tsrun-closed-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return directory;
}

test("one that is closed is bound below a directory that no longer is; the others stay", () => {
  const base = closedDirectory();
  mkdirSync(`${base}/state/id`, { recursive: true });
  writeFileSync(`${base}/file`, "");
  const plan = new Plan();
  const mounts = [
    { key: "/null", val: "/dev/null" },
    { key: "/file", val: `${base}/file` },
  ];
  const directory = `${base}/state/id`;
  expect(planOpenSources(plan, { mounts, directory, kept: `${directory}/root` })).toEqual([
    { key: "/null", val: "/dev/null" },
    { key: "/file", val: `${base}/state/id/0` },
  ]);
  const calls = printPlan(plan).replaceAll(base, "CLOSED").trimEnd().split("\n");
  expect(calls.map((line) => line.trim().replace(/ {2,}.*$/, ""))).toMatchInlineSnapshot(`
    [
      "open_tree(AT_FDCWD, "CLOSED/file", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC) = #1",
      "open_tree(AT_FDCWD, "CLOSED/state/id/root", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC) = #2",
      "umask(0) = #3",
      "fsopen("tmpfs", FSOPEN_CLOEXEC) = #4",
      "fsconfig(#4, FSCONFIG_SET_STRING, "mode", "0711")",
      "fsconfig(#4, FSCONFIG_CMD_CREATE)",
      "fsmount(#4, FSMOUNT_CLOEXEC, 0) = #5",
      "close(#4)",
      "openat(AT_FDCWD, "CLOSED", O_PATH|O_DIRECTORY|O_CLOEXEC) = #4",
      "move_mount(#5, "", #4, "", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)",
      "close(#4)",
      "close(#5)",
      "mkdirat(AT_FDCWD, "CLOSED/state", 0711)",
      "mkdirat(AT_FDCWD, "CLOSED/state/id", 0711)",
      "mkdirat(AT_FDCWD, "CLOSED/state/id/root", 0700)",
      "openat(AT_FDCWD, "CLOSED/state/id/root", O_PATH|O_CLOEXEC) = #4",
      "move_mount(#2, "", #4, "", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)",
      "close(#4)",
      "close(#2)",
      "mknodat(AT_FDCWD, "CLOSED/state/id/0", S_IFREG|0600, 0)",
      "openat(AT_FDCWD, "CLOSED/state/id/0", O_PATH|O_CLOEXEC) = #2",
      "move_mount(#1, "", #2, "", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)",
      "close(#2)",
      "close(#1)",
      "umask(#3)",
    ]
  `);
});

test("nothing is done where all are open, or not there", () => {
  const plan = new Plan();
  const mounts = ["/dev/null", "/nonexistent/file"].map((val) => ({ key: val, val }));
  const base = closedDirectory();
  expect(planOpenSources(plan, { mounts, directory: base, kept: `${base}/root` })).toEqual(mounts);
  expect(plan.steps).toEqual([]);
});
