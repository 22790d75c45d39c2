import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { Plan } from "../../src/linux/plan.ts";
import { planDescriptorLimit, planProcessLimit, setLimits } from "../../src/linux/rlimits.ts";
import type { Rlimit } from "../../src/spec/config.gen.ts";
import { calls } from "./sample.ts";

const descriptors = (rlimits: Rlimit[]): string[] => {
  const plan = new Plan();
  planDescriptorLimit(plan, rlimits);
  return calls(plan);
};

it("the limit of descriptors is set in the process, exactly, and no other limit is", () => {
  const hard = 18446744073709551615n;
  expect(
    descriptors([
      { type: "RLIMIT_CORE", soft: 1, hard: 2 },
      { type: "RLIMIT_NOFILE", soft: 7, hard },
    ]),
  ).toEqual(["prlimit64(0, RLIMIT_NOFILE, {soft=7, hard=RLIM64_INFINITY}, NULL)"]);
  expect(descriptors([{ type: "RLIMIT_NOFILE", soft: 9007199254740993n, hard: 9007199254740995n }])).toEqual([
    "prlimit64(0, RLIMIT_NOFILE, {soft=9007199254740993, hard=9007199254740995}, NULL)",
  ]);
});

/** A process to set limits of. */
function sleeper(): number {
  const child = spawn("/bin/sleep", ["60"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return child.pid ?? -1;
}

/** Soft and hard limit as /proc has them. */
function limit(pid: number, name: string): (string | undefined)[] {
  const line =
    readFileSync(`/proc/${pid}/limits`, "utf8")
      .split("\n")
      .find((one) => one.startsWith(name)) ?? "";
  return line.slice(26).trim().split(/ +/).slice(0, 2);
}

it("other limits are set from outside, while the number of descriptors that the agent needs stays", () => {
  const pid = sleeper();
  const before = limit(pid, "Max open files");
  setLimits(pid, [
    { type: "RLIMIT_CORE", soft: 5, hard: 7 },
    { type: "RLIMIT_NOFILE", soft: 1, hard: 2 },
  ]);
  expect(limit(pid, "Max core file size")).toEqual(["5", "7"]);
  expect(limit(pid, "Max open files")).toEqual(before);
});

it("the number of processes is larger for one that clones another, and exact for that", () => {
  const pid = sleeper();
  const [, hard = ""] = limit(pid, "Max processes");
  const rlimits: Rlimit[] = [{ type: "RLIMIT_NPROC", soft: 5, hard: 7 }];
  setLimits(pid, rlimits, true);
  expect(limit(pid, "Max processes")).toEqual(["7", hard]);
  const most = hard === "unlimited" ? 18446744073709551615n : Number(hard);
  setLimits(pid, [{ type: "RLIMIT_NPROC", soft: most, hard: most }], true);
  expect(limit(pid, "Max processes"), "not above the hard limit").toEqual([hard, hard]);
  setLimits(pid, rlimits);
  expect(limit(pid, "Max processes")).toEqual(["5", "7"]);
  const plan = new Plan();
  planProcessLimit(plan, [{ type: "RLIMIT_CORE", soft: 1, hard: 2 }, ...rlimits]);
  expect(calls(plan)).toEqual(["prlimit64(0, RLIMIT_NPROC, {soft=5, hard=7}, NULL)"]);
});

it("a limit that the kernel refuses names its field", () => {
  const pid = sleeper();
  expect(() => setLimits(pid, [{ type: "RLIMIT_CORE", soft: 2, hard: 1 }])).toThrow(
    "process.rlimits[0] (RLIMIT_CORE): prlimit64(): EINVAL",
  );
});
