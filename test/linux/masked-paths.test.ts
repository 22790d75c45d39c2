import { describe, expect, it } from "vitest";
import { planMaskedPaths, planReadonlyPaths } from "../../src/linux/masked-paths.ts";
import type { Linux } from "../../src/spec/config.gen.ts";
import { config, host, inRoot } from "./sample.ts";

const lines = (linux: Linux): string[] =>
  inRoot(config(linux), (to) => {
    planReadonlyPaths(to);
    planMaskedPaths(to);
  }).lines;

describe("A read-only path", () => {
  it("is bound onto itself: copied with what it has, made read-only, then attached", () => {
    expect(lines({ readonlyPaths: ["/proc/sys"] })).toEqual([
      'openat2(#1, "/proc/sys", {flags=O_PATH|O_CLOEXEC, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_IN_ROOT})',
      'open_tree(#2, "", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_EMPTY_PATH|AT_RECURSIVE)',
      // Set alone: no attribute that the mount has already is cleared.
      'mount_setattr(#3, "", AT_EMPTY_PATH, {attr_set=MOUNT_ATTR_RDONLY})',
      'move_mount(#3, "", #2, "", MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH)',
      "close(#3)",
      "close(#2)",
    ]);
  });
});

describe("Masked paths", () => {
  it("share one empty read-only tmpfs, whatever their number", () => {
    const masked = lines({ maskedPaths: ["/a", "/b", "/c"] });
    const named = (name: string): string[] => masked.filter((line) => line.startsWith(`${name}(`));
    expect(named("fsopen")).toEqual(['fsopen("tmpfs", FSOPEN_CLOEXEC)']);
    expect(named("fsmount")).toEqual(["fsmount(#2, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY)"]);
    expect(named("open_tree").filter((line) => line.includes('"/dev/null"'))).toHaveLength(3);
    expect(named("openat2")).toHaveLength(3);
  });

  it("that are listed twice are masked once", () => {
    expect(lines({ maskedPaths: ["/a", "/a"] })).toEqual(lines({ maskedPaths: ["/a"] }));
  });

  it("need nothing where there are none", () => {
    expect(lines({ maskedPaths: [] })).toEqual([]);
    expect(lines({})).toEqual([]);
  });

  it("are not covered by what only says that it is /dev/null", () => {
    const impostor = host({ isNullDevice: () => false });
    const plan = (): unknown => inRoot(config({ maskedPaths: ["/proc/kcore"] }), planMaskedPaths, { host: impostor });
    expect(plan).toThrow("linux.maskedPaths: the host's /dev/null is none");
  });
});
