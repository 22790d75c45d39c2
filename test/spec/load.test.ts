import { expect, test } from "vitest";
import { parseConfig } from "../../src/spec/load.ts";
import { minimalConfig, pointersOf, specErrorOf } from "./fixtures.ts";

/** The text of a minimal config with `more` (JSON text of properties) added. */
const textWith = (more: string) => `{"ociVersion":"1.3.0","root":{"path":"rootfs"},${more}}`;

test("every issue has a line with file and pointer", () => {
  const error = specErrorOf(() =>
    parseConfig(
      '{"root":{"path":5},"process":{"args":[],"cwd":"/","rlimits":[{"type":"RLIMIT_X","soft":1,"hard":1}]}}',
      "/b/config.json",
    ),
  );
  expect(error.file).toBe("/b/config.json");
  expect(error.message.split("\n")).toEqual([
    "config.json: /ociVersion: is required",
    "config.json: /root/path: must be a string, not 5",
    "config.json: /process/args: must have at least 1 item, not an empty array",
    expect.stringMatching(/^config\.json: \/process\/rlimits\/0\/type: must be one of RLIMIT_AS, .*, not "RLIMIT_X"$/),
  ]);
});

test("a document that is no object is refused as a whole", () => {
  for (const text of ["null", "[]", "5", '"x"']) {
    expect(specErrorOf(() => parseConfig(text)).message).toMatch(/^config\.json: must be an object, not /);
  }
});

test("more than a hundred issues are counted, and all are in the error", () => {
  const error = specErrorOf(() => parseConfig(textWith(`"mounts":[${Array(150).fill("{}").join()}]`)));
  expect(error.issues.length).toBe(150);
  expect(error.message).toMatch(/and 50 more$/);
});

test("null is a value of the wrong type, not an absent field", () => {
  expect(pointersOf(() => parseConfig(textWith('"process":null,"linux":{"resources":null}')))).toEqual([
    "/process",
    "/linux/resources",
  ]);
});

test.each([
  ["18446744073709551615", 18446744073709551615n],
  ["9007199254740993", 9007199254740993n],
  ["1e3", 1000],
  ["1024", 1024],
])("the limit %s reaches us exactly", (literal, value) => {
  const config = parseConfig(
    textWith(
      `"process":{"cwd":"/","args":["a"],"rlimits":[{"type":"RLIMIT_AS","soft":${literal},"hard":18446744073709551615}]}`,
    ),
  );
  expect(config.process?.rlimits?.[0]).toEqual({ type: "RLIMIT_AS", soft: value, hard: 18446744073709551615n });
});

test.each(["18446744073709551616", "-1", "1.5", "1e20", "18446744073709551614.5", '"1"', "null", "true"])(
  "the limit %s is refused",
  (literal) => {
    const error = specErrorOf(() =>
      parseConfig(textWith(`"linux":{"resources":{"hugepageLimits":[{"pageSize":"2MB","limit":${literal}}]}}`)),
    );
    expect(error.issues).toEqual([
      {
        pointer: "/linux/resources/hugepageLimits/0/limit",
        message: expect.stringContaining("must be an integer from 0 to 18446744073709551615, not "),
      },
    ]);
  },
);

test.each([
  ["9223372036854775807", true],
  ["9223372036854775808", false],
  ["-9223372036854775808", true],
  ["-9223372036854775809", false],
])("the int64 %s is in range: %s", (literal, good) => {
  const run = () => parseConfig(textWith(`"linux":{"resources":{"pids":{"limit":${literal}}}}`));
  if (good) expect(run()).toMatchObject({ linux: { resources: { pids: { limit: BigInt(literal) } } } });
  else expect(pointersOf(run)).toEqual(["/linux/resources/pids/limit"]);
});

test("a huge integer in a small field is told its range", () => {
  const error = specErrorOf(() =>
    parseConfig(textWith('"process":{"cwd":"/","args":["a"],"user":{"uid":18446744073709551615}}')),
  );
  expect(error.message).toBe(
    "config.json: /process/user/uid: must be an integer from 0 to 4294967295, not 18446744073709551615",
  );
});

test.each([
  ['"process":{"cwd":"/","args":["a\\u0000b"]}', "/process/args/0"],
  ['"process":{"cwd":"/","args":["a"],"env":["A=\\u0000"]}', "/process/env/0"],
  ['"process":{"cwd":"/\\u0000","args":["a"]}', "/process/cwd"],
  ['"mounts":[{"destination":"/a\\u0000/b","type":"tmpfs"}]', "/mounts/0/destination"],
  ['"mounts":[{"destination":"/a","type":"tmpfs","options":["size=1\\u0000"]}]', "/mounts/0/options/0"],
  ['"linux":{"cgroupsPath":"/a\\u0000"}', "/linux/cgroupsPath"],
  ['"hooks":{"poststop":[{"path":"/a\\u0000"}]}', "/hooks/poststop/0/path"],
  ['"linux":{"namespaces":[{"type":"pid","path":"/a\\u0000"}]}', "/linux/namespaces/0/path"],
])("a NUL byte that the kernel would stop at is refused: %s", (more, pointer) => {
  const error = specErrorOf(() => parseConfig(textWith(more)));
  expect(error.issues).toEqual([{ pointer, message: expect.stringMatching(/^must not hold a NUL byte/) }]);
});

test("a NUL byte in what is ours to carry, or unknown, is let pass", () => {
  expect(() => parseConfig(textWith('"annotations":{"a":"\\u0000"},"unknown":"\\u0000"'))).not.toThrow();
});

test("__proto__ in maps is data, and pollutes nothing", () => {
  const config = parseConfig(
    textWith('"annotations":{"__proto__":"a","constructor":"b"},"__proto__":{"hostname":"x"}'),
  );
  expect(Object.entries(config.annotations ?? {})).toEqual([
    ["__proto__", "a"],
    ["constructor", "b"],
  ]);
  expect(config.hostname).toBeUndefined();
  expect(({} as Record<string, unknown>).hostname).toBeUndefined();
});

test("__proto__ in a map is held against the schema like any key", () => {
  expect(pointersOf(() => parseConfig(textWith('"annotations":{"__proto__":{"a":1}}')))).toEqual([
    "/annotations/__proto__",
  ]);
});

test("keys with slash and tilde have escaped pointers", () => {
  expect(pointersOf(() => parseConfig(textWith('"annotations":{"a/b~c":1}')))).toEqual(["/annotations/a~1b~0c"]);
});

test("unknown properties are kept and ignored, at every depth", () => {
  const text = textWith(
    '"x":1,"linux":{"x":{"y":[null]},"resources":{"oomScoreAdj":100}},"process":{"cwd":"/","args":["a"],"x":null}',
  );
  expect(parseConfig(text)).toMatchObject({ linux: { x: { y: [null] } } });
});

test("the last of equal keys counts", () => {
  expect(parseConfig(`{"ociVersion":5,${textWith('"hostname":""').slice(1)}`).ociVersion).toBe("1.3.0");
});

test("a config comes back as it was", () => {
  expect(parseConfig(JSON.stringify(minimalConfig()))).toEqual(minimalConfig());
});
