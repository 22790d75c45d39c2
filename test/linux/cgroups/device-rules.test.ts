import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DeviceFilter, deviceFilter } from "../../../src/linux/cgroups/device-rules.ts";
import type { DeviceRule } from "../../../src/spec/config.gen.ts";

const DENY_ALL: DeviceRule = { allow: false, access: "rwm" };

function lines(filter: DeviceFilter): string[] {
  return filter.exceptions.map(({ type, major, minor, access }) => `${type} ${major}:${minor} ${access}`);
}

/** What a filter says of one access to one device. */
function allows(filter: DeviceFilter, type: "b" | "c", major: number, minor: number, letter: string): boolean {
  const hit = filter.exceptions.some(
    (each) =>
      each.type === type &&
      (each.major === "*" || each.major === major) &&
      (each.minor === "*" || each.minor === minor) &&
      each.access.includes(letter),
  );
  return hit !== filter.allowByDefault;
}

/** The specification read plainly: the last rule that names the device and the access. */
function lastRule(
  rules: readonly DeviceRule[],
  type: "b" | "c",
  major: number,
  minor: number,
  letter: string,
): boolean {
  const names = (rule: DeviceRule) =>
    (rule.type === undefined || rule.type === "a" || rule.type === type) &&
    (rule.major === undefined || rule.major === major) &&
    (rule.minor === undefined || rule.minor === minor) &&
    (rule.access ?? "rwm").includes(letter);
  return rules.findLast(names)?.allow ?? false;
}

const ALWAYS = [
  "c *:* m",
  "b *:* m",
  "c 1:3 rwm",
  "c 1:5 rwm",
  "c 1:7 rwm",
  "c 1:8 rwm",
  "c 1:9 rwm",
  "c 5:0 rwm",
  "c 136:* rwm",
  "c 5:2 rwm",
  "c 10:200 rwm",
];

describe("deviceFilter", () => {
  it.each<[string, DeviceRule[]]>([
    ["no rules", []],
    ["deny all", [DENY_ALL]],
    ["deny all, spelled out", [{ allow: false, type: "a", major: -1, minor: -1, access: "rwm" }]],
    ["an allowance that is taken back", [DENY_ALL, { allow: true, type: "c", major: 4, access: "r" }, DENY_ALL]],
  ])("leaves only what every container has: %s", (_, rules) => {
    const filter = deviceFilter(rules);
    expect(filter.allowByDefault).toBe(false);
    expect(lines(filter)).toEqual(ALWAYS);
  });

  it("is empty where everything is allowed", () => {
    expect(deviceFilter([{ allow: true, access: "rwm" }])).toEqual({ allowByDefault: true, exceptions: [] });
  });

  it("keeps a configured device and merges accesses to the same one", () => {
    const rule = { allow: true, type: "b", major: 8, minor: 0 } as const;
    const filter = deviceFilter([DENY_ALL, { ...rule, access: "r" }, { ...rule, access: "w" }]);
    expect(lines(filter)).toContain("b 8:0 rw");
  });

  it("takes a denied group away from single devices that were allowed before, which the kernel would leave", () => {
    const filter = deviceFilter([
      DENY_ALL,
      { allow: true, type: "b", major: 8, minor: 0, access: "rw" },
      { allow: false, type: "b", access: "rw" },
    ]);
    expect(lines(filter)).toEqual(ALWAYS);
  });

  it("refuses a hole in a wildcard, which the kernel would ignore, and names the rule", () => {
    const rules: DeviceRule[] = [
      DENY_ALL,
      { allow: true, type: "b", major: 8, access: "rw" },
      { allow: false, type: "b", major: 8, minor: 1, access: "w" },
    ];
    expect(() => deviceFilter(rules)).toThrow(
      "linux.resources.devices[2]: cannot take b 8:1 w out of the wider rule b 8:* rw",
    );
  });

  it.each<Partial<DeviceRule>>([{ major: 0xffff_ffff }, { minor: 0xffff_ffff }, { major: 2n ** 64n - 1n }])(
    "refuses a number that the kernel would take for a wildcard, or cut off: %s",
    (numbers) => {
      const rules: DeviceRule[] = [DENY_ALL, { allow: true, type: "c", major: 1, minor: 3, ...numbers }];
      expect(() => deviceFilter(rules)).toThrow(/^linux.resources.devices\[1\]: no device has the number \d+$/);
    },
  );

  it("means by type a with a number that number of both types, not everything", () => {
    const filter = deviceFilter([DENY_ALL, { allow: true, type: "a", major: 10, access: "r" }]);
    expect(filter.allowByDefault).toBe(false);
    expect(lines(filter)).toEqual(expect.arrayContaining(["b 10:* r", "c 10:* r"]));
  });

  it("gives what the last rule that names a device gives, or refuses", () => {
    const rule: fc.Arbitrary<DeviceRule> = fc.record(
      {
        allow: fc.boolean(),
        type: fc.constantFrom("a", "b", "c"),
        major: fc.constantFrom(7, 8),
        minor: fc.constantFrom(0, 1),
        access: fc.constantFrom("r", "w", "m", "rw", "rwm"),
      },
      { requiredKeys: ["allow"] },
    );
    let accepted = 0;
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 5 }), (rules) => {
        let filter: DeviceFilter;
        try {
          filter = deviceFilter(rules);
        } catch {
          return;
        }
        accepted++;
        for (const type of ["b", "c"] as const)
          for (const major of [7, 8, 9])
            for (const minor of [0, 1, 2])
              for (const letter of "rw")
                expect(allows(filter, type, major, minor, letter)).toBe(lastRule(rules, type, major, minor, letter));
      }),
      { numRuns: 2000 },
    );
    expect(accepted).toBeGreaterThan(500);
  });
});
