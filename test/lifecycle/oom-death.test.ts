// What is told of a container that was killed for want of memory, where systemd removes its cgroup while that is read. Plain files
// are the cgroup here.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { listenForOom } from "../../src/lifecycle/oom-death.ts";
import { Cgroup } from "../../src/linux/cgroups/cgroup.ts";

const TOLD = "1 OOM-killed, memory limit 4096, peak 4000";

function cgroup() {
  const directory = mkdtempSync(join(tmpdir(), "tsrun-test-oom-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const set = (file: string, value: string) => writeFileSync(join(directory, file), `${value}\n`);
  set("memory.events", "max 0\noom 0\noom_kill 0");
  set("memory.max", "4096");
  set("memory.peak", "100");
  const unit = { name: "a.scope", slice: "a.slice", bus: "system" } as const;
  const runOut = () => {
    set("memory.peak", "4000");
    set("memory.events", "max 9\noom 1\noom_kill 1");
  };
  return { set, runOut, directory, it: new Cgroup("v2", new Map([["", directory]]), unit) };
}

describe("a cgroup that systemd removes", () => {
  test("is told of when it is there to the end", () => {
    const { it, runOut } = cgroup();
    using oom = listenForOom(it);
    expect(oom?.told()).toBeUndefined();
    runOut();
    expect(oom?.told()).toBe(TOLD);
  });

  test("is told of when it goes after its last event was heard", () => {
    const { it, runOut, directory } = cgroup();
    using oom = listenForOom(it);
    runOut();
    expect(oom?.hear()).toBe(false);
    rmSync(directory, { recursive: true });
    expect(oom?.told()).toBe(TOLD);
  });

  test("is told of when it goes while it is read: what is not there any more is as it was when the limit was reached", () => {
    const { it, set, directory } = cgroup();
    using oom = listenForOom(it);
    set("memory.peak", "4000");
    set("memory.events", "max 9\noom 0\noom_kill 0");
    oom?.hear();
    set("memory.events", "max 9\noom 1\noom_kill 1");
    for (const file of ["memory.max", "memory.peak"]) rmSync(join(directory, file));
    expect(oom?.told()).toBe(TOLD);
  });

  test("has nothing said of it when it goes and nobody was killed", () => {
    const { it, directory } = cgroup();
    using oom = listenForOom(it);
    rmSync(directory, { recursive: true });
    oom?.hear();
    expect(oom?.told()).toBeUndefined();
  });
});
