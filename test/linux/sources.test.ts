import { expect, it } from "vitest";
import type { NamespaceType } from "../../src/linux/namespaces.ts";
import { NO_SOURCES, planSources, type Sources } from "../../src/linux/sources.ts";
import type { Config } from "../../src/spec/config.gen.ts";
import { calls, config, created, ingredients } from "./sample.ts";

const MOUNTS = [
  { destination: "/a", source: "vol", options: ["rbind"] },
  { destination: "/b", source: "/vol", options: ["bind", "rprivate"] },
  { destination: "/c", type: "bind", source: "/bundle/vol", options: ["rshared"] },
  { destination: "/d", type: "tmpfs", source: "t" },
  { destination: "/a", source: "vol", options: ["bind", "remount", "ro"] },
];

function held(linux: Config["linux"], ...types: NamespaceType[]): { sources: Sources; lines: string[] } {
  const from = ingredients(config(linux, { mounts: MOUNTS }), { namespaces: created(...types) });
  const sources = planSources(from);
  return { sources, lines: calls(from.plan) };
}

it("nothing is held where the host stays in reach and nothing is shared with it", () => {
  expect(held({ rootfsPropagation: "rslave" }, "mount").sources).toBe(NO_SOURCES);
  expect(held({ rootfsPropagation: "shared" }).sources).toBe(NO_SOURCES);
});

it("in a user namespace the root and each source are opened once, and the bundle where masks need it", () => {
  const opens = ["/bundle/rootfs", "/bundle/vol", "/vol"].map(
    (path) => `openat(AT_FDCWD, "${path}", O_PATH|O_CLOEXEC)`,
  );
  expect(held({}, "mount", "user").lines).toEqual(opens);
  const masked = held({ maskedPaths: ["/x"] }, "mount", "user");
  expect(masked.lines).toEqual([...opens, 'openat(AT_FDCWD, "/bundle", O_PATH|O_CLOEXEC)']);
  expect([...masked.sources.opened.keys()]).toEqual(["/bundle/rootfs", "/bundle/vol", "/vol", "/bundle"]);
});

it("with a shared root those are copied that do not say otherwise", () => {
  const { sources, lines } = held({ rootfsPropagation: "rshared" }, "mount");
  expect([...sources.copied.keys()]).toEqual([0, 2]);
  expect(lines).toEqual([
    'open_tree(AT_FDCWD, "/bundle/vol", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE)',
    'open_tree(AT_FDCWD, "/bundle/vol", OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC)',
  ]);
});
