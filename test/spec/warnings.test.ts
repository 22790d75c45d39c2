import { expect, test } from "vitest";
import { configWarnings } from "../../src/spec/warnings.ts";
import { fullConfig, minimalConfig } from "./fixtures.ts";

test("a config without oddities has no warnings", () => {
  expect(configWarnings(minimalConfig(), new Set())).toEqual([]);
});

test("what is ignored or deprecated is warned of, with its place", () => {
  const config = fullConfig();
  config.process = { cwd: "/", args: ["sh"], capabilities: { bounding: ["CAP_KILL", "CAP_NONSENSE"] } };
  config.mounts = [{ destination: "a", type: "tmpfs" }];
  config.linux = { ...config.linux, personality: { domain: "LINUX", flags: ["X"] } };
  expect(configWarnings(config, new Set(["CAP_KILL"])).map(({ pointer }) => pointer)).toEqual([
    "/process/capabilities/bounding/1",
    "/mounts/0/destination",
    "/hooks/prestart",
    "/linux/resources/memory/kernel",
    "/linux/resources/memory/kernelTCP",
    "/linux/personality/flags",
  ]);
});
