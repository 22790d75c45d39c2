import { describe, expect, test } from "vitest";
import { COMMANDS } from "../../src/lifecycle/command-table.ts";
import { parseWords, withDefaults } from "../../src/lifecycle/parse.ts";
import { resourcesOfFlags, size } from "../../src/lifecycle/update-flags.ts";

function resourcesOf(line: string) {
  const { flags } = COMMANDS.update;
  const { values } = parseWords(line.split(" "), { flags, help: "update" });
  return resourcesOfFlags(withDefaults(values, flags) as unknown as Parameters<typeof resourcesOfFlags>[0]);
}

describe("the flags of update as resources", () => {
  test.each([
    ["--memory 64m --memory-swap -1", { memory: { limit: 67108864, swap: -1 } }],
    ["--memory 9223372036854775807", { memory: { limit: 9223372036854775807n } }],
    ["--cpu-quota -1 --cpu-period=5000 --cpu-burst 7", { cpu: { quota: -1, period: 5000, burst: 7 } }],
    ["--cpu-share 2 --cpu-idle 1", { cpu: { shares: 2, idle: 1 } }],
    ["--cpu-rt-runtime 950 --cpu-rt-period 1000", { cpu: { realtimeRuntime: 950, realtimePeriod: 1000 } }],
    ["--cpuset-cpus 0-1 --cpuset-mems 0", { cpu: { cpus: "0-1", mems: "0" } }],
    ["--blkio-weight 500 --pids-limit -1", { blockIO: { weight: 500 }, pids: { limit: -1 } }],
    ["--memory-reservation 1.5g", { memory: { reservation: 1610612736 } }],
    ["--memory", undefined],
    ["--cpu-share -5", undefined],
    ["--memory 1e3", undefined],
    ["--pids-limit many", undefined],
  ])("%s", (line, resources) => {
    if (resources === undefined) expect(() => resourcesOf(line)).toThrow();
    else expect(resourcesOf(line)).toEqual(resources);
  });

  test.each([
    ["0", 0],
    ["32", 32],
    ["32b", 32],
    ["32kB", 32768],
    ["32 KiB", 32768],
    ["1T", 1099511627776],
    ["-1", -1],
    ["-2", undefined],
    ["32q", undefined],
    ["", undefined],
  ])("a size: %j", (text, bytes) => expect(size(text)).toBe(bytes));
});
