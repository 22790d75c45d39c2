import { describe, expect, test } from "vitest";
import { recordBelow } from "../../src/lifecycle/exec-cgroup.ts";

const V1 = { mode: "v1", paths: { memory: "/m/c", "cpu,cpuacct": "/c/c", "name=systemd": "/s/c" } } as const;
const V2 = { mode: "v2", paths: { "": "/sys/fs/cgroup/c" } } as const;

describe("exec --cgroup", () => {
  test.each([
    [V2, ["sub"], { "": "/sys/fs/cgroup/c/sub" }],
    [V2, ["/"], { "": "/sys/fs/cgroup/c" }],
    [V2, ["/a//b/."], { "": "/sys/fs/cgroup/c/a/b" }],
    [V1, ["sub"], { memory: "/m/c/sub", "cpu,cpuacct": "/c/c/sub", "name=systemd": "/s/c/sub" }],
    [V1, ["memory:a"], { ...V1.paths, memory: "/m/c/a" }],
    [V1, ["cpu,memory:a"], { ...V1.paths, memory: "/m/c/a", "cpu,cpuacct": "/c/c/a" }],
    [V1, ["cpu,cpuacct:a", "memory:b"], { ...V1.paths, memory: "/m/c/b", "cpu,cpuacct": "/c/c/a" }],
  ])("%j %j", (record, words, paths) => expect(recordBelow(record, words).paths).toEqual(paths));

  test.each([
    [V2, ["../d"], "../d is not a sub cgroup path"],
    [V2, ["../c2"], "is not a sub cgroup path"],
    [V1, ["memory:../../x"], "is not a sub cgroup path"],
    [V1, [":a"], "empty <controller> prefix"],
    [V1, ["memory:a", "b"], "missing <controller>: prefix"],
    [V1, ["memory:a", "memory:b"], "controller memory specified multiple times"],
    [V1, ["pids:a"], "unknown controller pids"],
    [V1, ["cpu:a", "cpuacct:b"], "one hierarchy"],
  ])("%j %j is refused", (record, words, message) => expect(() => recordBelow(record, words)).toThrow(message));
});
