// Our verdicts against those of the upstream schemas: over their own good and bad files, and over configs with one thing
// changed. Seeded, so a failure can be repeated. What may differ is listed in differences.ts, and nothing else may.

import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { SpecError } from "../../src/spec/errors.ts";
import { parseConfig } from "../../src/spec/load.ts";
import { pointerTo, valueAt } from "../../src/spec/pointer.ts";
import { type Difference, LAXER, STRICTER } from "./differences.ts";
import { dockerConfig, fullConfig, minimalConfig, specErrorOf, toText } from "./fixtures.ts";
import { ourSchema, UPSTREAM, upstreamSchema } from "./oracle.ts";

const upstream = upstreamSchema("config");
const used = new Set<Difference>();

/** What we find wrong, "pointer: message" each; what we throw is always a SpecError. */
function ours(text: string): string[] {
  try {
    parseConfig(text);
    return [];
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    return error.issues.map(({ pointer, message }) => `${pointer}: ${message}`);
  }
}

/** What the upstream schemas find wrong, "pointer: keyword" each. */
function theirs(text: string): string[] {
  return upstream.issues(JSON.parse(text)).map(({ pointer, keyword }) => `${pointer}: ${keyword}`);
}

/** Whether two findings are about the same place, or one about a part of the other's. */
function related(one: string, other: string): boolean {
  const [a = "", b = ""] = [one, other].map((finding) => finding.slice(0, finding.indexOf(": ")));
  return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}

/** The findings of either side that the other has nothing like, and that are in no list. */
function unlisted(text: string): string[] {
  const [we, they] = [ours(text), theirs(text)];
  const alone = (some: string[], others: string[], list: readonly Difference[]) =>
    some.filter((finding) => {
      if (others.some((other) => related(finding, other))) return false;
      const difference = list.find((entry) => entry.finding.test(finding));
      if (difference) used.add(difference);
      return difference === undefined;
    });
  return [...alone(we, they, STRICTER), ...alone(they, we, LAXER)];
}

// ---- their files ----

const FILES = ["good", "bad"].flatMap((kind) =>
  readdirSync(new URL(`test/config/${kind}/`, UPSTREAM)).map((name) => `${kind}/${name}`),
);

/** Good files that a Linux runtime cannot follow. */
const NOT_FOR_LINUX: Readonly<Record<string, string>> = {
  "good/freebsd-example.json": "/hostname",
  "good/zos-example.json": "/hostname",
  "good/linux-netdevice.json": "/linux/netDevices",
};

test.each(FILES)("the upstream file %s has the verdict of its folder", (name) => {
  const text = readFileSync(new URL(`test/config/${name}`, UPSTREAM), "utf8");
  if (name.startsWith("bad/")) {
    expect(specErrorOf(() => parseConfig(text)).issues.length).toBeGreaterThan(0);
    return;
  }
  const refused = NOT_FOR_LINUX[name];
  if (refused === undefined) expect(toText(parseConfig(text))).toBe(JSON.stringify(JSON.parse(text)));
  else expect(specErrorOf(() => parseConfig(text)).issues.map(({ pointer }) => pointer)).toEqual([refused]);
});

test.each([
  ["bad/freebsd-vnet-disable.json", "/freebsd/jail/vnet"],
  ["bad/linux-hugepage.json", "/linux/resources/hugepageLimits/0/pageSize"],
  ["bad/linux-netdevice.json", "/linux/netDevices/eth0/name"],
  ["bad/linux-rdma.json", "/linux/resources/rdma/mlx5_1/hcaHandles"],
])("the bad file %s is refused at %s", (name, pointer) => {
  const text = readFileSync(new URL(`test/config/${name}`, UPSTREAM), "utf8");
  expect(specErrorOf(() => parseConfig(text)).issues.map((issue) => issue.pointer)).toEqual([pointer]);
});

test.each(
  ["features", "state"].flatMap((what) =>
    ["good", "bad"].flatMap((kind) =>
      readdirSync(new URL(`test/${what}/${kind}/`, UPSTREAM)).map((name) => [what, kind, name] as const),
    ),
  ),
)("our %s schema has the verdict %s on %s", (what, kind, name) => {
  const text = readFileSync(new URL(`test/${what}/${kind}/${name}`, UPSTREAM), "utf8");
  if (name === "invalid-json.json") expect(() => JSON.parse(text)).toThrow(SyntaxError);
  else expect(ourSchema(what).issues(JSON.parse(text)).length > 0).toBe(kind === "bad");
});

// ---- one thing changed ----

type Key = string | number;

/** Objects of other platforms. */
const FOREIGN = {
  solaris: { milestone: "m", cappedCPU: { ncpus: "8" } },
  vm: { kernel: { path: "/k", parameters: ["a"] }, hwConfig: { vcpus: 1 } },
  windows: { layerFolders: ["C:\\a"], network: { allowUnqualifiedDNSQuery: true } },
  zos: { namespaces: [{ type: "pid" }] },
  freebsd: {
    devices: [{ path: "pf", mode: 448 }],
    jail: {
      parent: "p",
      host: "new",
      ip4: "disable",
      ip4Addr: ["1.2.3.4"],
      ip6: "inherit",
      ip6Addr: [],
      vnet: "new",
      interface: "i",
      vnetInterfaces: ["e"],
      sysvmsg: "new",
      sysvsem: "new",
      sysvshm: "new",
      enforceStatfs: 1,
      allow: {
        setHostname: true,
        rawSockets: true,
        chflags: true,
        mount: ["tmpfs"],
        quotas: true,
        socketAf: true,
        mlock: true,
        reservedPorts: true,
        suser: true,
      },
    },
  },
};

/** Other platforms' parts, and what the full config has no room for. */
function oddConfig(): unknown {
  const config = minimalConfig();
  return {
    ...config,
    ...FOREIGN,
    process: { ...config.process, commandLine: "x", user: { username: "u" } },
    mounts: [{ destination: "/a", source: "/b", options: ["bind", "ro"] }],
    linux: {
      resources: { blockIO: { weightDevice: [{ major: 8, minor: 0, weight: 10 }] } },
      seccomp: { defaultAction: "SCMP_ACT_ALLOW", syscalls: [{ names: ["mount"], action: "SCMP_ACT_LOG" }] },
    },
  };
}

const example = () =>
  JSON.parse(readFileSync(new URL("test/config/good/spec-example.json", UPSTREAM), "utf8")) as unknown;
const BASES = [fullConfig, oddConfig, example, () => dockerConfig(3)].map(
  (make) => JSON.parse(toText(make())) as unknown,
);

/** What any value is replaced by: wrong types, limits of every integer and beyond, odd strings and containers. */
const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  "",
  "x",
  "/x",
  "..",
  "a/b",
  "-1",
  "0-3,7",
  "3-1",
  "rslave",
  "SCHED_FIFO",
  "SCHED_DEADLINE",
  "SCMP_ACT_ALLOW",
  "SCMP_ACT_NOTIFY",
  "MPOL_DEFAULT",
  "MPOL_PREFERRED",
  "RLIMIT_NEW",
  "pid",
  "PID",
  "/proc/x",
  "1.0",
  "2.0.0",
  "L3:0=f\nMB:0=1",
  "MB:0=1\n",
  "1KB",
  "0KB",
  "a\0b",
  "é",
  "\ud800",
  "ridmap",
  0,
  1,
  -1,
  -2,
  5,
  8,
  100,
  512,
  1001,
  -1001,
  65535,
  65536,
  1.5,
  1e3,
  1e21,
  2147483647,
  2147483648,
  -2147483648,
  -2147483649,
  4294967295,
  4294967296,
  999_999_999,
  1_000_000_000,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n - 1n,
  2n ** 63n,
  -(2n ** 63n),
  -(2n ** 63n) - 1n,
  2n ** 64n - 1n,
  2n ** 64n,
  2n ** 65n,
  [],
  {},
  [null],
  [""],
  ["x"],
  [{}],
  [[]],
  { x: 1 },
  { "": "" },
  { "": {} },
  { "a b": {} },
  { "net.x": "1", "vm.x": "1" },
  { eth0: {}, eth1: { name: "eth0" } },
  { realtime: {} },
];

/** All lists of allowed words in the upstream schemas, and the one that is a pattern there. */
const ENUMS: readonly string[][] = [
  ["b", "c", "u", "p"],
  ...readdirSync(UPSTREAM)
    .filter((name) => /^(config|defs).*\.json$/.test(name))
    .flatMap((name) => enumsOf(JSON.parse(readFileSync(new URL(name, UPSTREAM), "utf8")))),
];

function enumsOf(schema: unknown): string[][] {
  if (typeof schema !== "object" || schema === null) return [];
  const inner = Object.values(schema).flatMap(enumsOf);
  return "enum" in schema ? [schema.enum as string[], ...inner] : inner;
}

/** The other words that could stand where `value` stands. */
function wordsLike(value: unknown): string[] {
  return ENUMS.filter((words) => words.includes(value as string)).flat();
}

/** Keys of all values in a document, the document itself excepted. */
function pathsOf(value: unknown, path: readonly Key[] = []): Key[][] {
  if (typeof value !== "object" || value === null) return [];
  const keys: Key[] = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  return keys.flatMap((key) => [[...path, key], ...pathsOf((value as Record<Key, unknown>)[key], [...path, key])]);
}

/** A copy of `base` with what `path` leads to changed. */
function changed(
  base: unknown,
  path: readonly Key[],
  change: (holder: Record<Key, unknown>, key: Key) => void,
): unknown {
  const copy = structuredClone(base);
  const key = path.at(-1);
  const holder = path.slice(0, -1).reduce((inner, step) => (inner as Record<Key, unknown>)[step], copy);
  if (key !== undefined) change(holder as Record<Key, unknown>, key);
  return copy;
}

const replaceBy = (value: unknown) => (holder: Record<Key, unknown>, key: Key) => {
  holder[key] = value;
};

const remove = (holder: Record<Key, unknown>, key: Key) => {
  if (Array.isArray(holder)) holder.splice(key as number, 1);
  else delete holder[key];
};

/** One more item, or a copy of the first; in an object a property that nobody knows, and those of the item. */
const addTo = (item: unknown) => (holder: Record<Key, unknown>, key: Key) => {
  const value = holder[key];
  if (Array.isArray(value)) value.push(item === undefined ? structuredClone(value[0]) : item);
  else if (typeof value === "object" && value !== null) Object.assign(value, { unknownProperty: item ?? null }, item);
};

/** What is added to arrays, and to objects property by property. */
const ITEMS: readonly unknown[] = [null, {}, { path: "/x" }, "MPOL_F_RELATIVE_NODES"];

const CHANGES = [...VALUES.map(replaceBy), remove, addTo(undefined), ...ITEMS.map(addTo)];

/** Fails when the verdicts differ in a way that is not listed; `path` leads to the last change. */
function compare(document: unknown, path: readonly Key[]): void {
  const findings = unlisted(toText(document));
  if (findings.length > 0) expect.fail(`after a change of /${path.join("/")}: ${findings.join("; ")}`);
}

test("the configs that the changes start from are good to both", () => {
  for (const base of BASES) expect([...ours(toText(base)), ...theirs(toText(base))]).toEqual([]);
});

test("every change of every field of a full config has the verdict of the upstream schemas", () => {
  let count = 0;
  for (const base of BASES.slice(0, 2)) {
    for (const path of pathsOf(base)) {
      const words = wordsLike(valueAt(base, pointerTo(...path))).map(replaceBy);
      for (const change of [...CHANGES, ...words]) {
        compare(changed(base, path, change), path);
        count += 1;
      }
    }
  }
  expect(count).toBeGreaterThan(10_000);
}, 120_000);

test("thousands of random changes, two at a time, agree too", () => {
  const at = BASES.map((base) => pathsOf(base));
  const one = fc.record({ path: fc.nat(), change: fc.constantFrom(...CHANGES) });
  fc.assert(
    fc.property(fc.nat(BASES.length - 1), fc.array(one, { minLength: 1, maxLength: 2 }), (index, steps) => {
      let document = BASES[index];
      let path: Key[] = [];
      for (const step of steps) {
        const paths = document === BASES[index] ? (at[index] ?? []) : pathsOf(document);
        path = paths[step.path % paths.length] ?? [];
        document = changed(document, path, step.change);
      }
      compare(document, path);
    }),
    { seed: 20260101, numRuns: 5000 },
  );
}, 120_000);

afterAll(() => {
  // An entry that nothing needs any more hides what it would match tomorrow.
  expect([...STRICTER, ...LAXER].filter((difference) => !used.has(difference)).map(({ finding }) => finding)).toEqual(
    [],
  );
});
