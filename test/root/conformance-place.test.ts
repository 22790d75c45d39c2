// What a validation program leaves does not outlive it: conformance/runtime-tools/place.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { removeCgroups } from "../../conformance/runtime-tools/tidy.ts";
import { needs } from "./harness/needs.ts";
import { repository } from "./harness/runtime.ts";
import { until } from "./harness/until.ts";

const PIDS = "/sys/fs/cgroup/pids";

needs(existsSync(join(PIDS, "tasks")) ? undefined : "cgroup v1, which the programs know alone")(
  "a program's processes, mounts, state and cgroups go with it, also when it is killed",
  async ({ box }) => {
    for (const name of ["runtimetest", "rootfs-x.tar.gz"]) writeFileSync(box.path(name), "");
    // The argument of sleep is how it is found: no other has this one.
    const left = `${987_000_000 + process.pid}`;
    writeFileSync(
      box.path("program"),
      `#!/bin/sh
      sleep ${left} & mkdir ${PIDS}/left; echo $! >${PIDS}/left/tasks; touch /run/${left}; mount -t tmpfs ${left} /mnt
      echo made; wait`,
      { mode: 0o755 },
    );
    const place = spawn(join(repository, "conformance/runtime-tools/place"), [box.word, "program"], {
      cwd: box.directory,
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(place.stdout, "data");
    expect(existsSync(join(PIDS, box.word, "left"))).toBe(true);
    const [pid = ""] = readFileSync(join(PIDS, box.word, "left/tasks"), "utf8").split("\n");
    place.kill("SIGKILL");
    await removeCgroups(box.word);
    await until(() => !existsSync(`/proc/${pid}`), "the end of what it left");
    expect(existsSync(`/run/${left}`)).toBe(false);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(left);
    expect(existsSync(join(PIDS, box.word))).toBe(false);
  },
);
