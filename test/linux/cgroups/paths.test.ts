import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CgroupHost } from "../../../src/linux/cgroups/host.ts";
import { cgroupPaths } from "../../../src/linux/cgroups/paths.ts";

const V1: CgroupHost = {
  mode: "v1",
  hierarchies: [
    { name: "memory", mount: "/sys/fs/cgroup/memory", own: "/user/me" },
    { name: "pids", mount: "/sys/fs/cgroup/pids", own: "/" },
  ],
};
const HYBRID: CgroupHost = {
  mode: "hybrid",
  hierarchies: [{ name: "", mount: "/sys/fs/cgroup/unified", own: "/user/me" }],
};
const V2: CgroupHost = {
  mode: "v2",
  hierarchies: [{ name: "", mount: "/sys/fs/cgroup", own: "/user.slice/me.scope" }],
};

function paths(host: CgroupHost, cgroupsPath: string | undefined): string[] {
  return cgroupPaths(host, cgroupsPath, "box").map(({ path }) => path);
}

describe("cgroupPaths", () => {
  it.each([
    ["an absolute path is below every mount", V1, "/a/b", ["/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/pids/a/b"]],
    ["a relative one is below our own", V1, "a", ["/sys/fs/cgroup/memory/user/me/a", "/sys/fs/cgroup/pids/a"]],
    ["none is the id below our own", V1, undefined, ["/sys/fs/cgroup/memory/user/me/box", "/sys/fs/cgroup/pids/box"]],
    ["empty is none", V1, "", ["/sys/fs/cgroup/memory/user/me/box", "/sys/fs/cgroup/pids/box"]],
    ["v2: absolute", V2, "/a/b", ["/sys/fs/cgroup/a/b"]],
    ["v2: relative is beside our own, which holds processes", V2, "a", ["/sys/fs/cgroup/user.slice/a"]],
    ["v2: none is the id beside our own", V2, undefined, ["/sys/fs/cgroup/user.slice/box"]],
    ["hybrid: relative is below our own, there are no controllers", HYBRID, "a", ["/sys/fs/cgroup/unified/user/me/a"]],
    ["dots and slashes are cleaned", V1, "//a/./b//", ["/sys/fs/cgroup/memory/a/b", "/sys/fs/cgroup/pids/a/b"]],
    [".. ends at the mount", V2, "/../../etc", ["/sys/fs/cgroup/etc"]],
    [".. ends at our own", V1, "../../etc", ["/sys/fs/cgroup/memory/user/me/etc", "/sys/fs/cgroup/pids/etc"]],
  ])("%s", (_, host, cgroupsPath, expected) => {
    expect(paths(host, cgroupsPath)).toEqual(expected);
  });

  it.each(["/", "//", "/..", ".", "..", "a/..", "/a/../.."])(
    "refuses %s, which is not the container's alone",
    (path) => {
      expect(() => paths(V1, path)).toThrow("linux.cgroupsPath");
      expect(() => paths(V2, path)).toThrow("linux.cgroupsPath");
    },
  );

  it("stays strictly below the place that it starts at, whatever the path", () => {
    const part = fc.constantFrom("..", ".", "", "a", "b c", "…", "..a");
    fc.assert(
      fc.property(fc.array(part, { minLength: 1 }), fc.boolean(), (parts, absolute) => {
        const path = `${absolute ? "/" : ""}${parts.join("/")}`;
        let found: string[];
        try {
          found = paths(V1, path);
        } catch {
          return;
        }
        const start = path.startsWith("/") || path === "" ? "/sys/fs/cgroup/memory/" : "/sys/fs/cgroup/memory/user/me/";
        expect(found[0]?.startsWith(start)).toBe(true);
        expect(found[0]?.split("/")).not.toContain("..");
      }),
    );
  });
});
