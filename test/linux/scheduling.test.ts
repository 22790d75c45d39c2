import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { bitsOf } from "../../src/linux/bit-list.ts";
import { Plan } from "../../src/linux/plan.ts";
import {
  planAffinityReset,
  planFinalAffinity,
  planPersonality,
  planScheduling,
  setScheduler,
} from "../../src/linux/scheduling.ts";
import type { Process, Scheduler } from "../../src/spec/config.gen.ts";
import { calls, process } from "./sample.ts";

const scheduling = (changes: Partial<Process>): string[] => {
  const plan = new Plan();
  planScheduling(plan, process(changes));
  return calls(plan);
};

it("nothing is set where the config says nothing", () => {
  expect(scheduling({})).toEqual([]);
});

it.each<[Scheduler, string]>([
  [{ policy: "SCHED_OTHER", nice: -20 }, "{policy=SCHED_OTHER, nice=-20}"],
  [{ policy: "SCHED_FIFO", priority: 99 }, "{policy=SCHED_FIFO, priority=99}"],
  [{ policy: "SCHED_IDLE" }, "{policy=SCHED_IDLE}"],
  [
    { policy: "SCHED_DEADLINE", runtime: 1, deadline: 9007199254740993n, period: 18446744073709551615n },
    "{policy=SCHED_DEADLINE, runtime=1, deadline=9007199254740993, period=18446744073709551615}",
  ],
  [
    { policy: "SCHED_RR", priority: 1, flags: ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_UTIL_CLAMP_MAX"] },
    "{policy=SCHED_RR, flags=SCHED_FLAG_RESET_ON_FORK|SCHED_FLAG_UTIL_CLAMP_MAX, priority=1}",
  ],
])("a scheduler is exact, case %#", (scheduler, attr) => {
  expect(scheduling({ scheduler })).toEqual([`sched_setattr(0, ${attr}, 0)`]);
});

it("what a clone does not inherit is set on it from outside, and nothing else", () => {
  const plan = new Plan();
  const resets = { policy: "SCHED_OTHER", flags: ["SCHED_FLAG_RESET_ON_FORK"] } as const;
  const deadline = { policy: "SCHED_DEADLINE", runtime: 1, deadline: 2, period: 3 } as const;
  for (const scheduler of [resets, deadline])
    planScheduling(plan, process({ scheduler: { ...scheduler } as Scheduler }), true);
  expect(calls(plan)).toEqual([]);
  planScheduling(plan, process({ scheduler: { policy: "SCHED_IDLE" } }), true);
  expect(calls(plan)).toEqual(["sched_setattr(0, {policy=SCHED_IDLE}, 0)"]);

  const child = spawn("/bin/sleep", ["60"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  const pid = child.pid ?? -1;
  setScheduler(pid, process({ scheduler: { policy: "SCHED_BATCH" } }));
  setScheduler(pid, process({}));
  expect(policyOf(pid)).toBe("0");
  setScheduler(pid, process({ scheduler: { policy: "SCHED_BATCH", flags: ["SCHED_FLAG_RESET_ON_FORK"] } }));
  expect(policyOf(pid)).toBe("3");
  expect(() => setScheduler(4_194_304, process({ scheduler: deadline }))).toThrow(
    "process.scheduler: sched_setattr(): ESRCH",
  );
});

/** proc_pid_stat(5), policy: the 41st field. */
function policyOf(pid: number): string | undefined {
  return readFileSync(`/proc/${pid}/stat`, "utf8").split(" ")[40];
}

it("I/O priority is class and level in one number", () => {
  expect(scheduling({ ioPriority: { class: "IOPRIO_CLASS_RT", priority: 7 } })).toEqual([
    "ioprio_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_RT|7)",
  ]);
  expect(scheduling({ ioPriority: { class: "IOPRIO_CLASS_IDLE" } })).toEqual([
    "ioprio_set(IOPRIO_WHO_PROCESS, 0, IOPRIO_CLASS_IDLE|0)",
  ]);
});

it.each([
  ["0", [1, 0, 0, 0, 0, 0, 0, 0]],
  ["0-3,7", [0x8f, 0, 0, 0, 0, 0, 0, 0]],
  [" 8 , 10-11", [0, 0x0d, 0, 0, 0, 0, 0, 0]],
  ["63", [0, 0, 0, 0, 0, 0, 0, 0x80]],
  ["64", [0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]],
])("the CPUs %s are bits of whole words", (list, bytes) => {
  expect([...bitsOf(list)]).toEqual(bytes);
});

it("CPUs that no kernel has take no memory to name", () => {
  const mask = bitsOf("0,1000-999999999");
  expect(mask.length).toBe(1024);
  expect(mask.at(-1)).toBe(0xff);
  expect(bitsOf("999999999")).toHaveLength(1024);
});

it("the mask is given back whole, where there is a CPU to run on", () => {
  const plan = new Plan();
  planAffinityReset(plan);
  expect(calls(plan)).toEqual(["sched_setaffinity(0, {cpus 0-8191})"]);
  expect(plan.steps[0]?.tolerance?.errno).toBe("EINVAL");
});

it("an affinity that is final is set, one that was initial only is undone", () => {
  const final = (affinity: NonNullable<Process["execCPUAffinity"]>): string[] => {
    const plan = new Plan();
    planFinalAffinity(plan, affinity);
    return calls(plan);
  };
  expect(final({ initial: "0", final: "1-2" })).toEqual(["sched_setaffinity(0, {cpus 1-2})"]);
  expect(final({ initial: "0" })).toEqual(["sched_setaffinity(0, {cpus 0-8191})"]);
  expect(final({ initial: "", final: "" })).toEqual([]);
});

it("an execution domain is set where one is asked for", () => {
  const plan = new Plan();
  planPersonality(plan, undefined);
  planPersonality(plan, { domain: "LINUX" });
  planPersonality(plan, { domain: "LINUX32" });
  expect(calls(plan)).toEqual(["personality(LINUX)", "personality(LINUX32)"]);
});
