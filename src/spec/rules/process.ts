// config.md: Process, POSIX process, Linux Process. Names of capabilities are not judged here: one that the kernel does not
// know MUST be warned of (src/spec/warnings.ts), not refused.

import type { ExecCpuAffinity, Process, Rlimit, Scheduler, User } from "../config.gen.ts";
import type { Report } from "../rules.ts";
import { isCpuList } from "./cpu-list.ts";

type Keys = readonly (string | number)[];

/** A terminal's size is two 16-bit numbers. ioctl_tty(2), struct winsize. */
const CONSOLE_MAX = 0xffff;

/** `place` leads to the process object: ["process"], or [] in a file of its own. */
export function processRules(process: Process, place: Keys, report: Report): void {
  if (!process.cwd.startsWith("/")) report([...place, "cwd"], "must be an absolute path");
  userRules(process.user ?? {}, [...place, "user"], report);
  environmentRules(process.env ?? [], [...place, "env"], report);
  rlimitRules(process.rlimits ?? [], [...place, "rlimits"], report);
  if (process.terminal && process.consoleSize) {
    // MUST be ignored without a terminal, however large.
    for (const side of ["height", "width"] as const) {
      if (process.consoleSize[side] > CONSOLE_MAX) {
        report([...place, "consoleSize", side], `must be at most ${CONSOLE_MAX}`);
      }
    }
  }
  if (process.scheduler) schedulerRules(process.scheduler, [...place, "scheduler"], report);
  if (process.execCPUAffinity) affinityRules(process.execCPUAffinity, [...place, "execCPUAffinity"], report);
}

/** To setresuid(2) and its like the last number means "leave it", and the process would stay root. */
const NO_ID = 0xffff_ffff;

function userRules({ uid, gid, additionalGids = [] }: User, place: Keys, report: Report): void {
  const message = `is no id: the last one is ${NO_ID - 1}`;
  if (uid === NO_ID) report([...place, "uid"], message);
  if (gid === NO_ID) report([...place, "gid"], message);
  for (const [index, id] of additionalGids.entries())
    if (id === NO_ID) report([...place, "additionalGids", index], message);
}

/** IEEE Std 1003.1, environ: strings of the form name=value. */
function environmentRules(env: readonly string[], place: Keys, report: Report): void {
  for (const [index, entry] of env.entries()) {
    const equals = entry.indexOf("=");
    if (equals < 0) report([...place, index], "must have the form NAME=value: there is no =");
    else if (equals === 0) report([...place, index], "must have the form NAME=value: the name is empty");
  }
}

/** Duplicates of a type MUST be an error; a soft limit above the hard one is EINVAL, getrlimit(2). */
function rlimitRules(rlimits: readonly Rlimit[], place: Keys, report: Report): void {
  const first = new Map<string, number>();
  for (const [index, { type, soft, hard }] of rlimits.entries()) {
    const other = first.get(type);
    if (other !== undefined) report([...place, index], `is a second ${type}, after entry ${other}`);
    else first.set(type, index);
    if (soft > hard) report([...place, index, "soft"], `must not be above the hard limit, ${hard}`);
  }
}

const NICE_POLICIES: readonly string[] = ["SCHED_OTHER", "SCHED_BATCH"];
const REALTIME_POLICIES: readonly string[] = ["SCHED_FIFO", "SCHED_RR"];

/** sched(7): each policy has parameters of its own; 0 stands for "not given". */
function schedulerRules(scheduler: Scheduler, place: Keys, report: Report): void {
  const { policy, nice = 0, priority = 0 } = scheduler;
  if (nice !== 0 && !NICE_POLICIES.includes(policy)) report([...place, "nice"], `has no meaning with ${policy}`);
  else if (nice < -20 || nice > 19) report([...place, "nice"], "must be from -20 to 19");
  if (REALTIME_POLICIES.includes(policy)) {
    if (priority < 1 || priority > 99) report([...place, "priority"], `must be from 1 to 99 with ${policy}`);
  } else if (priority !== 0) {
    report([...place, "priority"], `has no meaning with ${policy}`);
  }
  deadlineRules(scheduler, place, report);
}

function deadlineRules(scheduler: Scheduler, place: Keys, report: Report): void {
  const { policy, runtime = 0, deadline = 0, period = 0 } = scheduler;
  if (policy === "SCHED_DEADLINE") {
    // sched(7): 0 < runtime <= deadline <= period; a period of 0 means the deadline.
    if (runtime <= 0) report([...place, "runtime"], "must be above 0 with SCHED_DEADLINE");
    if (deadline < runtime) report([...place, "deadline"], "must not be below runtime");
    if (period > 0 && period < deadline) report([...place, "period"], "must not be below deadline");
    return;
  }
  for (const [field, value] of Object.entries({ runtime, deadline, period })) {
    if (value > 0) report([...place, field], `has no meaning with ${policy}`);
  }
}

/** Linux Process, execCPUAffinity: comma-separated numbers and ranges. */
function affinityRules(affinity: ExecCpuAffinity, place: Keys, report: Report): void {
  for (const field of ["initial", "final"] as const) {
    const list = affinity[field];
    if (list && !isCpuList(list))
      report([...place, field], `must be a list such as 0-3,7, not ${JSON.stringify(list)}`);
  }
}
