import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { type FeatureFacts, features } from "../../src/spec/features.ts";
import { SECCOMP_ACTIONS, SECCOMP_ARCHS, SECCOMP_FLAGS, SECCOMP_OPERATORS } from "../../src/spec/seccomp-names.ts";
import { ourSchema, upstreamSchema } from "./oracle.ts";

const FACTS: FeatureFacts = {
  version: "0.1.0",
  commit: "abc",
  capabilities: ["CAP_CHOWN", "CAP_KILL"],
  mountOptions: ["rro", "bind"],
  memoryPolicy: { modes: ["MPOL_BIND"], flags: [] },
  libseccomp: { version: "2.5.4", supportedFlags: ["SECCOMP_FILTER_FLAG_LOG"] },
};

test.each([FACTS, { version: "0.1.0", capabilities: [], mountOptions: [], memoryPolicy: { modes: [], flags: [] } }])(
  "the structure satisfies our schema and the upstream one",
  (facts) => {
    const structure = features(facts);
    expect(ourSchema("features").issues(structure)).toEqual([]);
    expect(upstreamSchema("features").issues(structure)).toEqual([]);
  },
);

test("what others know is told as they know it", () => {
  const structure = features(FACTS);
  expect(structure.mountOptions).toEqual(["bind", "rro"]);
  expect(structure.linux?.capabilities).toEqual(["CAP_CHOWN", "CAP_KILL"]);
  expect(structure.linux?.memoryPolicy).toEqual(FACTS.memoryPolicy);
  expect(structure.linux?.seccomp).toMatchObject({ enabled: true, supportedFlags: ["SECCOMP_FILTER_FLAG_LOG"] });
  expect(structure.annotations).toMatchObject({
    "io.github.seccomp.libseccomp.version": "2.5.4",
    "tsrun.commit": "abc",
    "tsrun.version": "0.1.0",
  });
});

test("without libseccomp no seccomp is claimed", () => {
  const { libseccomp: _none, ...facts } = FACTS;
  expect(features(facts).linux?.seccomp).toEqual({ enabled: false });
});

test("a caller cannot change what the next one is told", () => {
  features(FACTS).linux?.namespaces?.push("pid");
  expect(features(FACTS).linux?.namespaces).toHaveLength(8);
});

test.each([
  ["SeccompAction", SECCOMP_ACTIONS],
  ["SeccompOperator", SECCOMP_OPERATORS],
  ["SeccompFlag", SECCOMP_FLAGS],
  ["SeccompArch", SECCOMP_ARCHS],
])("the list of %s is the schema's", (definition, names) => {
  const schema = JSON.parse(readFileSync(new URL("../../schemas/seccomp.schema.json", import.meta.url), "utf8"));
  expect([...names].sort()).toEqual([...schema.definitions[definition].enum].sort());
});
