import { describe, expect, it } from "vitest";
import { cgroupHost, type Probe, parseProcCgroup } from "../../../src/linux/cgroups/host.ts";

/** A host on which `mounts` are mounted; `subdirectories` are those of them that are not the root of their hierarchy. */
function host(cgroup: string, mounts: Record<string, "cgroup" | "cgroup2" | "other">, more: Partial<Hosted> = {}) {
  const asked: string[] = [];
  const probe: Probe = {
    filesystem: (directory) => mounts[directory] ?? "none",
    isHierarchyRoot: (directory) => !(more.subdirectories ?? []).includes(directory),
    read: (file) => {
      asked.push(file);
      return file === "cgroup" ? cgroup : (more.mountinfo ?? "");
    },
  };
  return { ...cgroupHost(probe), asked };
}
interface Hosted {
  subdirectories: string[];
  mountinfo: string;
}

describe("cgroupHost", () => {
  it("sees a pure v2 host by the file system on /sys/fs/cgroup, without mountinfo", () => {
    const { mode, hierarchies, asked } = host("0::/user.slice/session-1.scope\n", { "/sys/fs/cgroup": "cgroup2" });
    expect(mode).toBe("v2");
    expect(hierarchies).toEqual([{ name: "", mount: "/sys/fs/cgroup", own: "/user.slice/session-1.scope" }]);
    expect(asked).toEqual(["cgroup"]);
  });

  it("finds hierarchies of several controllers and systemd's where everybody mounts them, without mountinfo", () => {
    const { mode, hierarchies, asked } = host("5:cpu,cpuacct:/a\n2:memory:/a\n1:name=systemd:/s\n", {
      "/sys/fs/cgroup": "other",
      "/sys/fs/cgroup/cpu,cpuacct": "cgroup",
      "/sys/fs/cgroup/memory": "cgroup",
      "/sys/fs/cgroup/systemd": "cgroup",
    });
    expect(mode).toBe("v1");
    expect(hierarchies).toEqual([
      { name: "cpu,cpuacct", mount: "/sys/fs/cgroup/cpu,cpuacct", own: "/a" },
      { name: "memory", mount: "/sys/fs/cgroup/memory", own: "/a" },
      { name: "name=systemd", mount: "/sys/fs/cgroup/systemd", own: "/s" },
    ]);
    expect(asked).toEqual(["cgroup"]);
  });

  it("adds the unified hierarchy of a hybrid host, which has no controllers", () => {
    const { mode, hierarchies } = host("3:pids:/\n0::/\n", {
      "/sys/fs/cgroup": "other",
      "/sys/fs/cgroup/pids": "cgroup",
      "/sys/fs/cgroup/unified": "cgroup2",
    });
    expect(mode).toBe("hybrid");
    expect(hierarchies.map(({ mount }) => mount)).toEqual(["/sys/fs/cgroup/pids", "/sys/fs/cgroup/unified"]);
  });

  it("finds hierarchies that are mounted elsewhere, and leaves out what is not mounted or somebody's own", () => {
    const { hierarchies } = host(
      "4:name=openrc:/x\n3:cpu:/\n2:memory:/\n1:blkio:/\n",
      { "/sys/fs/cgroup": "other", "/sys/fs/cgroup/openrc": "cgroup" },
      {
        mountinfo:
          "40 1 0:30 / /cgroup/with\\040space rw - cgroup cgroup rw,memory\n41 1 0:31 / /cgroup/cpu rw - cgroup c rw,cpu,cpuacct\n",
      },
    );
    expect(hierarchies).toEqual([
      { name: "cpu", mount: "/cgroup/cpu", own: "/" },
      { name: "memory", mount: "/cgroup/with space", own: "/" },
    ]);
  });

  it("takes the own path relative to what is mounted, inside a container", () => {
    const { hierarchies } = host(
      "2:memory:/docker/abc/sub\n",
      { "/sys/fs/cgroup": "other", "/sys/fs/cgroup/memory": "cgroup" },
      {
        subdirectories: ["/sys/fs/cgroup/memory"],
        mountinfo: "40 1 0:30 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
      },
    );
    expect(hierarchies).toEqual([{ name: "memory", mount: "/sys/fs/cgroup/memory", own: "/sub" }]);
  });

  it.each(["/..", "/../other", "/../../x"])("never leads out of the mount when tsrun is outside at %s", (own) => {
    const { hierarchies } = host(`2:memory:${own}\n0::${own}\n`, {
      "/sys/fs/cgroup": "other",
      "/sys/fs/cgroup/memory": "cgroup",
      "/sys/fs/cgroup/unified": "cgroup2",
    });
    expect(hierarchies.map((each) => each.own)).toEqual(["/", "/"]);
  });
});

describe("parseProcCgroup", () => {
  it("keeps colons in paths and tells named hierarchies from controllers", () => {
    const text = "12:perf_event:/\n2:cpu,cpuacct:/a:b/c\n1:name=systemd:/init.scope\n0::/x:y\n";
    expect([...parseProcCgroup(text)]).toEqual([
      ["perf_event", "/"],
      ["cpu,cpuacct", "/a:b/c"],
      ["name=systemd", "/init.scope"],
      ["", "/x:y"],
    ]);
  });
});
