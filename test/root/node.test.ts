// The same sources run on Node: not what people install, but what a debugger and a profiler can be had for.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { expect } from "vitest";
import { sh } from "./harness/config.ts";
import { except, needs } from "./harness/needs.ts";
import { repository } from "./harness/runtime.ts";

needs(except({ runc: "is no TypeScript", crun: "is no TypeScript" }))(
  "Node runs a container from the sources",
  async ({ box }) => {
    const container = box.container(sh("echo $0 from $$"));
    const words = [
      join(repository, "bin/tsrun.ts"),
      "--root",
      box.root,
      "run",
      "--bundle",
      container.bundle,
      container.id,
    ];
    expect(execFileSync(process.execPath, words, { encoding: "utf8", timeout: 30_000 })).toBe("sh from 1\n");
  },
);
