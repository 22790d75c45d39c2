import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { uniqueName } from "./fixture.ts";

const reason = process.getuid?.() === 0 ? undefined : "not root";
if (reason !== undefined) console.warn(`skipped: ${reason}`);

const NODE = join(import.meta.dirname, "../../../node_modules/.bin/node");
// Once more would take the options of the first from all mounts (nsdelegate).
const MOUNT = "{ [ -e /sys/fs/cgroup/cgroup.controllers ] || mount -t cgroup2 none /sys/fs/cgroup; }";

/** Runs a command where /sys/fs/cgroup is cgroup v2. */
function onV2(command: string, ...args: string[]): string {
  return execFileSync("unshare", ["-m", "sh", "-c", `${MOUNT} && ${command}`, "sh", ...args], { encoding: "utf8" });
}

describe.skipIf(reason !== undefined)("a container's cgroup on cgroup v2", () => {
  const name = uniqueName();
  let seen: Record<string, string | number | boolean>;

  beforeAll(() => {
    seen = JSON.parse(onV2('exec "$@"', NODE, join(import.meta.dirname, "v2-scenario.ts"), name));
  });
  afterAll(() => {
    onV2(
      "d=/sys/fs/cgroup/$1; [ ! -d $d ] || { echo 1 >$d/cgroup.kill; until grep -q 'populated 0' $d/cgroup.events; do sleep 0.02; done; find $d -depth -type d -exec rmdir {} +; }",
      name,
    );
    expect(existsSync(`/sys/fs/cgroup/unified/${name}`)).toBe(false);
  });

  it("is one directory below the mount", () => {
    expect(seen.mode).toBe("v2");
    expect(seen.directory).toBe(`/sys/fs/cgroup/${name}/parent/box`);
  });

  it("has all controllers of the host, handed on level by level", () => {
    expect(seen.available).not.toBe("");
    expect(seen.handedOn).toBe(seen.available);
    expect(seen.own).toBe(seen.available);
  });

  it("is joined by a directory descriptor", () => {
    expect(seen.tasks).toBe(0);
    expect(seen.opened).toBe(true);
  });

  it("says that a controller is not there when a limit needs it", ({ skip }) => {
    if (`${seen.available}`.split(" ").includes("memory")) skip("cgroup v2 has the memory controller here");
    expect(seen.unavailable).toContain("linux.resources.memory.limit: write");
    expect(seen.unavailable).toContain("ENOENT (No such file or directory): controller memory is not enabled in");
  });

  it("keeps what is in it from devices that no rule allows", () => {
    expect(seen.open).toBe("/dev/full\n");
  });

  it("is gone when its device rules cannot be put in force", () => {
    expect(seen.devices).toBe("linux.resources.devices[0]: no device has the number 4294967296");
    expect(seen.devicesLeft).toBe(false);
  });

  it("tells and ends the processes of sub-cgroups, frozen ones too, and goes with them", () => {
    expect(seen.pids).toBe(1);
    expect(seen.inUse).toContain("container's cgroup is not empty: 1 process(es)");
    expect(seen.frozen).toBe(true);
    expect(seen.signal).toBe("SIGKILL");
    expect(seen.left).toBe(false);
  });

  it("is made threaded below a threaded cgroup, unless memory is to be limited", () => {
    expect(seen.type).toBe("threaded");
    expect(seen.threadedLimit).toContain("linux.resources.memory.limit: not possible in");
    expect(seen.threadedLeft).toBe(false);
  });
});
