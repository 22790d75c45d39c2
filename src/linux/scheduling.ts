// How the kernel schedules the process: policy, I/O priority, CPU affinity, personality. runtime-spec config.md#linux-process
// (scheduler, ioPriority, execCPUAffinity), config-linux.md#personality; sched(7), sched_setattr(2), ioprio_set(2),
// sched_setaffinity(2), personality(2).

import type { IoPriority, Linux, Process, Scheduler } from "../spec/config.gen.ts";
import { IOPRIO_CLASS, IOPRIO_CLASS_SHIFT, IOPRIO_WHO_PROCESS, PERSONALITY } from "./abi/prctl.ts";
import { SCHED_FLAG, SCHED_POLICY, schedAttr } from "./abi/sched.ts";
import { ALL_BITS, bitsOf } from "./bit-list.ts";
import { syscall } from "./calls.ts";
import { call } from "./local.ts";
import type { Plan } from "./plan.ts";

/**
 * Applies process.scheduler and process.ioPriority. Before seccomp, which may forbid the calls. What a process that `clones` the
 * one it is for could not hand on is left to setScheduler.
 */
export function planScheduling(plan: Plan, { scheduler, ioPriority }: Process, clones = false): void {
  if (scheduler !== undefined && !(clones && isLostByClone(scheduler)))
    plan.at("process.scheduler").add(syscall("sched_setattr", 0, attributes(scheduler), 0));
  if (ioPriority !== undefined) planIoPriority(plan, ioPriority);
}

/** Applies to process `pid` what it has not inherited of process.scheduler. @throws SyscallError */
export function setScheduler(pid: number, { scheduler }: Process): void {
  if (scheduler !== undefined && isLostByClone(scheduler))
    call("process.scheduler", "sched_setattr", pid, attributes(scheduler), 0);
}

/** A process with a deadline may not clone, one that resets is cloned as an ordinary one: sched(7). */
function isLostByClone({ policy, flags = [] }: Scheduler): boolean {
  return policy === "SCHED_DEADLINE" || flags.includes("SCHED_FLAG_RESET_ON_FORK");
}

function attributes({ policy, flags, nice, priority, runtime, deadline, period }: Scheduler): Uint8Array {
  return schedAttr({
    policy: SCHED_POLICY[policy],
    flags: (flags ?? []).reduce((bits, flag) => bits | SCHED_FLAG[flag], 0),
    nice: nice ?? 0,
    priority: priority ?? 0,
    runtime: runtime ?? 0,
    deadline: deadline ?? 0,
    period: period ?? 0,
  });
}

function planIoPriority(plan: Plan, { class: ioClass, priority = 0 }: IoPriority): void {
  const value = (IOPRIO_CLASS[ioClass] << IOPRIO_CLASS_SHIFT) | priority;
  plan.at("process.ioPriority").add(syscall("ioprio_set", IOPRIO_WHO_PROCESS, 0, value));
}

/** Allows all CPUs of the cgroup again: since Linux 6.2 a mask that the caller set would outlive the move into it. */
export function planAffinityReset(plan: Plan): void {
  const mask = new Uint8Array(ALL_BITS).fill(0xff);
  plan.at("cgroup").tolerate("EINVAL", syscall("sched_setaffinity", 0, mask.length, mask));
}

/**
 * process.execCPUAffinity.final; without it the process gets all CPUs of the cgroup again, of which `initial` has taken some.
 * In the process itself: with cgroup v2 it is cloned into the cgroup, and its mask is made anew.
 */
export function planFinalAffinity(plan: Plan, { initial, final }: NonNullable<Process["execCPUAffinity"]>): void {
  if (final) planAffinity(plan, "process.execCPUAffinity.final", final);
  else if (initial) planAffinityReset(plan);
}

/** Sets the mask that a list of CPUs names. */
export function planAffinity(plan: Plan, field: string, cpus: string): void {
  const mask = bitsOf(cpus);
  plan.at(field).add(syscall("sched_setaffinity", 0, mask.length, mask));
}

/** Sets the execution domain of linux.personality. */
export function planPersonality(plan: Plan, personality: Linux["personality"]): void {
  if (personality === undefined) return;
  plan.at("linux.personality").add(syscall("personality", PERSONALITY[personality.domain]));
}
