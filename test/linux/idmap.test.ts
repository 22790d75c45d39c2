import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { asksForIdmap, type Idmap, idmapOf, type Mapping, translated } from "../../src/linux/idmap.ts";

const mapping = (containerID: number, hostID: number, size: number) => ({ containerID, hostID, size });
const of = (...options: string[]): Idmap | undefined =>
  idmapOf({ destination: "/m", source: "/s", options: ["bind", ...options] }, "mounts[0]");

describe("Whether a mount has an id map", () => {
  const maps = [mapping(0, 1, 1)];
  it.each([
    [{ options: ["bind", "ro"] }, false],
    [{ options: ["idmap"] }, true],
    [{ options: ["ridmap"] }, true],
    [{ options: ["idmap=uids=0-0-1;gids=0-0-1"] }, true],
    [{ uidMappings: maps, gidMappings: maps }, true],
    [{ uidMappings: [], gidMappings: [] }, false],
  ])("%j: %s", (mount, has) => {
    expect(asksForIdmap({ destination: "/m", ...mount })).toBe(has);
    expect(idmapOf({ destination: "/m", type: "bind", source: "/s", ...mount }, "") !== undefined).toBe(has);
  });

  it("an option of a file system's that only begins like one is none", () => {
    expect(idmapOf({ destination: "/m", type: "fuse", options: ["idmapped"] }, "")).toBeUndefined();
  });
});

describe("crun's words", () => {
  it("are triplets, of which those with @ are the container's", () => {
    expect(of("idmap=uids=0-1000-10#@5-6-7;gids=@0-0-1")?.maps).toEqual({
      uids: [
        { ...mapping(0, 1000, 10), relative: false },
        { ...mapping(5, 6, 7), relative: true },
      ],
      gids: [{ ...mapping(0, 0, 1), relative: true }],
    });
    expect(of("idmap=gids=1-2-3;uids=4-5-6;")?.maps?.uids).toEqual([{ ...mapping(4, 5, 6), relative: false }]);
    expect(of("idmap=uids=0-0-1;gids=0-0-1")?.options.idmap).toBe("idmap");
    expect(of("ridmap=uids=0-0-1;gids=0-0-1")?.options.idmap).toBe("ridmap");
  });

  it.each([
    "idmap=",
    "idmap=uids=0-0-1",
    "idmap=uids=0-0-1;uids=0-0-1;gids=0-0-1",
    "idmap=uids=;gids=0-0-1",
    "idmap=uids=0-0-1#;gids=0-0-1",
    "idmap=uids=0-0-1#1-1;gids=0-0-1",
    "idmap=uids=0-0-x;gids=0-0-1",
    "idmap=uids=-1-0-1;gids=0-0-1",
    "idmap=users=0-0-1;gids=0-0-1",
    "idmap=uids=0-0-12345678901;gids=0-0-1",
  ])("%s is none", (option) => {
    expect(() => of(option)).toThrow(/^mounts\[0\]: idmap: /);
  });
});

describe("What the container's own ids are outside", () => {
  const own = [mapping(0, 200_000, 10), mapping(10, 300_000, 5), mapping(100, 50, 1)];

  it("is told by its map, in as many lines as it takes", () => {
    expect(translated([{ ...mapping(7, 8, 4), relative: true }, mapping(1, 2, 3)], own, "f")).toEqual([
      mapping(7, 200_008, 2),
      mapping(9, 300_000, 2),
      mapping(1, 2, 3),
    ]);
  });

  it("is nothing for an id that it does not have", () => {
    expect(() => translated([{ ...mapping(0, 14, 2), relative: true }], own, "f")).toThrow(
      "f: idmap: the container has no id 15",
    );
  });

  it("is the same id by id", () => {
    const outside = (
      id: number,
      map: readonly Mapping[],
      by: "containerID" | "hostID",
      to: "containerID" | "hostID",
    ) => {
      const line = map.find((range) => id >= range[by] && id < range[by] + range.size);
      return line === undefined ? undefined : line[to] + id - line[by];
    };
    fc.assert(
      fc.property(fc.nat(14), fc.nat(15), (start, length) => {
        const size = Math.min(length, 15 - start);
        const result = translated([{ ...mapping(40, start, size), relative: true }], own, "f");
        for (let i = 0; i < size; i++)
          expect(outside(40 + i, result, "containerID", "hostID")).toBe(
            outside(start + i, own, "containerID", "hostID"),
          );
        expect(result.reduce((sum, line) => sum + line.size, 0)).toBe(size);
      }),
    );
  });
});
