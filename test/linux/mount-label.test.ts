import { describe, expect, it } from "vitest";
import { planMaskedPaths } from "../../src/linux/masked-paths.ts";
import { planMount } from "../../src/linux/mounts.ts";
import type { Mount } from "../../src/spec/config.gen.ts";
import { config, inRoot } from "./sample.ts";

const LABEL = "system_u:object_r:container_file_t:s0:c1,c2";
const V1 = ["memory", "pids"].map((name) => ({ name, directory: `/sys/fs/cgroup/${name}/sample` }));

/** The calls of a mount that have to do with its label, or make it read-only. */
function labelling(mount: Mount, annotations: Record<string, string> = {}, mountLabel = LABEL): string[] {
  const from = config({ mountLabel }, { annotations });
  const { lines } = inRoot(from, (to) => planMount(to, mount, 0), { cgroups: V1 });
  return lines.filter((line) => /context|xattr|MOUNT_ATTR_RDONLY/.test(line));
}

describe("A mount label", () => {
  it.each(["tmpfs", "devpts", "overlay", "fuse"])("is an option of a new file system: %s", (type) => {
    expect(labelling({ destination: "/x", type })).toEqual([
      expect.stringMatching(
        /^fsconfig\(#\d+, FSCONFIG_SET_STRING, "context", "system_u:object_r:container_file_t:s0:c1,c2"\)$/,
      ),
    ]);
  });

  it.each(["proc", "sysfs"])("is none of what the kernel labels: %s", (type) => {
    expect(labelling({ destination: "/x", type })).toEqual([]);
  });

  it("is none of a bind mount, which has its own", () => {
    expect(labelling({ destination: "/x", type: "bind", source: "/y" })).toEqual([]);
  });

  it("is an attribute of an mqueue, which becomes read-only after that", () => {
    const set = /^fsetxattr\(#\d+, "security.selinux", "system_u:object_r:container_file_t:s0:c1,c2", 43, 0\)$/;
    expect(labelling({ destination: "/x", type: "mqueue" })).toEqual([expect.stringMatching(set)]);
    expect(labelling({ destination: "/x", type: "mqueue", options: ["ro"] })).toEqual([
      expect.stringMatching(set),
      expect.stringMatching(/^mount_setattr\(.*MOUNT_ATTR_RDONLY/),
    ]);
  });

  it("is that of the tmpfs that holds cgroups of version 1", () => {
    expect(labelling({ destination: "/x", type: "cgroup" })).toHaveLength(1);
  });

  it("is that of a masked directory", () => {
    const { lines } = inRoot(config({ maskedPaths: ["/x"], mountLabel: LABEL }), planMaskedPaths);
    expect(lines.filter((line) => line.includes(LABEL))).toEqual([expect.stringContaining('"context"')]);
  });

  it("gives way to one of the mount's own", () => {
    const options = ['context="a:b:c:s0:c7,c8"'];
    const { lines } = inRoot(config({ mountLabel: LABEL }), (to) =>
      planMount(to, { destination: "/x", type: "tmpfs", options }, 0),
    );
    expect(lines.filter((line) => line.includes("context"))).toEqual([
      expect.stringContaining('"context", "a:b:c:s0:c7,c8")'),
    ]);
  });

  it.each(["fscontext", "defcontext", "rootcontext", "context"])(
    "is the option that the annotation names: %s",
    (name) => {
      const lines = labelling({ destination: "/x", type: "tmpfs" }, { "run.oci.mount_context_type": name });
      expect(lines).toEqual([expect.stringContaining(`"${name}", "${LABEL}"`)]);
    },
  );

  it("is no other option", () => {
    expect(() => labelling({ destination: "/x", type: "tmpfs" }, { "run.oci.mount_context_type": "size" })).toThrow(
      'annotations["run.oci.mount_context_type"]: "size" is none of context, fscontext, defcontext, rootcontext',
    );
  });

  it("is in quotes where mount(2) takes it, since it holds commas", () => {
    const options = [`lowerdir=${"/long".repeat(60)}`];
    const lines = labelling({ destination: "/x", type: "overlay", source: "overlay", options });
    expect(lines).toEqual([expect.stringContaining(`,context=\\"${LABEL}\\"`)]);
  });

  it("that is empty is none", () => {
    expect(labelling({ destination: "/x", type: "tmpfs" }, {}, "")).toEqual([]);
    expect(labelling({ destination: "/x", type: "mqueue" }, {}, "")).toEqual([]);
  });
});
