import { expect, test } from "vitest";
import { configWarnings } from "../../src/spec/warnings.ts";
import { fullConfig, minimalConfig } from "./fixtures.ts";

const KNOWN = {
  capabilities: {
    names: new Set(["CAP_KILL", "CAP_BPF"]),
    grantable: (_: string, name: string) => name === "CAP_KILL",
  },
  mountOptions: new Set(["bind", "ro"]),
};

test("a config without oddities has no warnings", () => {
  expect(configWarnings(minimalConfig(), KNOWN)).toEqual([]);
});

test("what is ignored or deprecated is warned of, with its place", () => {
  const config = fullConfig();
  config.process = { cwd: "/", args: ["sh"], capabilities: { bounding: ["CAP_KILL", "CAP_NONSENSE", "CAP_BPF"] } };
  config.mounts = [
    { destination: "a", type: "tmpfs", options: ["size=1k"] },
    { destination: "/b", source: "/b", options: ["bind", "", "idmap=uids=0-1-1", "ro", "size=1k"] },
    { destination: "/c", source: "/c", type: "bind", options: ["mode=755"] },
  ];
  config.linux = { ...config.linux, personality: { domain: "LINUX", flags: ["X"] } };
  expect(configWarnings(config, KNOWN).map(({ pointer }) => pointer)).toEqual([
    "/process/capabilities/bounding/1",
    "/process/capabilities/bounding/2",
    "/mounts/1/options/4",
    "/mounts/2/options/0",
    "/mounts/0/destination",
    "/hooks/prestart",
    "/linux/resources/memory/kernel",
    "/linux/resources/memory/kernelTCP",
    "/linux/personality/flags",
  ]);
});
