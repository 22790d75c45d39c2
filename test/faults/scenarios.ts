// The commands that faults are tried in, and what must be so after each.

import { readFileSync } from "node:fs";
import type { Outcome } from "./inject.ts";
import { type Subject, waitFor } from "./subject.ts";
import type { Scenario } from "./sweep.ts";

/** Whether tsrun could do nothing any more. */
function wasKilled({ code }: Outcome): boolean {
  return code === -1 || code === undefined;
}

/** Nothing of it is there, at the latest after a moment. */
function gone(subject: Subject, left: readonly number[]): string[] {
  const living = left.filter(isThere).map((pid) => `process ${pid}`);
  return [...living, ...subject.traces()].map((trace) => `leaves ${trace}`);
}

/** Whether it has not ended; whose child it was may not have looked yet. */
function isThere(pid: number): boolean {
  try {
    return !/^State:\t[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

/** Ends what may be left by right, and says what is left then. */
function cleared(subject: Subject, left: readonly number[]): string[] {
  const problems = subject.deleteByForce();
  try {
    waitFor(() => !left.some(isThere), "the end of what was killed");
  } catch {
    // `gone` says so.
  }
  return [...problems, ...gone(subject, left)];
}

/** Text that two lists of lines differ in. */
function difference(found: string, wanted: string): string {
  const [a, b] = [found.split("\n"), wanted.split("\n")];
  const only = (some: string[], others: string[], sign: string) =>
    some.filter((line) => !others.includes(line)).map((line) => `${sign}${line}`);
  return [...only(b, a, "-"), ...only(a, b, "+")].join(" | ");
}

/** Holds every report to the first one. */
class Reports {
  #wanted: string | undefined;

  problems(subject: Subject): string[] {
    let found: string;
    try {
      found = subject.report();
    } catch (error) {
      return [`says that all is well, and ${String(error)}`];
    }
    this.#wanted ??= found;
    return found === this.#wanted ? [] : [`says that all is well, but: ${difference(found, this.#wanted)}`];
  }
}

/** create: leaves nothing where it fails, and where it succeeds the container is what was asked for. */
export function creation(
  name: string,
  sample: number,
  subject: Subject,
  options: { coldCache?: boolean } = {},
): Scenario {
  const reports = new Reports();
  return {
    ...{ name, sample, code: 0 },
    recover: () => cleared(subject, []),
    prepare: () => {
      if (options.coldCache) subject.forgetCache();
      subject.forgetReport();
      return subject.create();
    },
    check(outcome) {
      subject.takeTerminals();
      if (wasKilled(outcome)) return [...outlives(subject, outcome.left), ...cleared(subject, outcome.left)];
      if (outcome.code !== 0) {
        const problems = gone(subject, outcome.left);
        return problems.length > 0 ? [...problems, ...subject.deleteByForce()] : [];
      }
      if (endedBehindCreate(subject, outcome)) return cleared(subject, outcome.left);
      subject.must("start", subject.container.id);
      return [...reports.problems(subject), ...cleared(subject, [])];
    },
  };
}

/** init's last vector is not answered: what befalls init from there on may come when create has ended, and is told by `state`. */
function endedBehindCreate(subject: Subject, { calls: [hit] }: Outcome): boolean {
  return hit !== undefined && hit.process > 0 && subject.status()?.status === "stopped";
}

/** A tsrun that is killed takes along what is not whole yet. */
function outlives(subject: Subject, left: readonly number[]): string[] {
  const status = subject.status()?.status;
  if (left.length === 0 || status === "created" || status === "running") return [];
  return [`processes outlive a killed tsrun, and the container is ${status ?? "not there"}`];
}

/** create that must fail at its very end, so that it unmakes all. */
export function failedCreation(name: string, sample: number, subject: Subject): Scenario {
  return {
    ...{ name, sample, code: 1 },
    recover: () => cleared(subject, []),
    prepare: () => subject.create(),
    check(outcome, fault) {
      const problems = outcome.code === 0 ? ["succeeds"] : [];
      if (fault === undefined) return [...problems, ...gone(subject, outcome.left)];
      return [...problems, ...cleared(subject, outcome.left)];
    },
  };
}

/** start: the program runs where it says so; where it fails the container can be started again or deleted. */
export function starting(name: string, sample: number, subject: Subject): Scenario {
  const reports = new Reports();
  const { id } = subject.container;
  return {
    ...{ name, sample, code: 0 },
    recover: () => cleared(subject, []),
    prepare() {
      subject.forgetReport();
      subject.mustCreate();
      return { ...subject.command("start", id), attach: subject.status()?.pid };
    },
    check(outcome, fault) {
      // What is killed as it becomes the program cannot be told from a program that is killed.
      if (outcome.code === 0 && fault === "end") return cleared(subject, outcome.left);
      if (outcome.code === 0) return [...reports.problems(subject), ...cleared(subject, outcome.left)];
      const problems: string[] = [];
      if (subject.status()?.status === "created" && !wasKilled(outcome)) {
        // Or it had started all right, and what could not be done comes behind that: then it reports all the same.
        subject.attempt("start", id);
        problems.push(...reports.problems(subject));
      }
      return [...problems, ...cleared(subject, outcome.left)];
    },
  };
}

/** exec: its process has what the container's have, or there is none. */
export function executing(name: string, sample: number, subject: Subject, processFile: string): Scenario {
  const reports = new Reports();
  const { id } = subject.container;
  return {
    ...{ name, sample, code: 0 },
    recover: () => cleared(subject, []),
    prepare() {
      subject.forgetReport();
      if (subject.status()?.status !== "running") {
        subject.mustCreate();
        subject.must("start", id);
      }
      return subject.command("exec", "--process", processFile, id);
    },
    check(outcome) {
      const problems = outcome.code === 0 ? reports.problems(subject) : [];
      try {
        waitFor(() => subject.processes().length === 1, "the container's processes to be one");
      } catch (error) {
        problems.push(String(error), ...subject.deleteByForce());
      }
      if (subject.status()?.status !== "running")
        problems.push("the container does not run any more", ...cleared(subject, []));
      return problems;
    },
  };
}

/** delete: when it says so all is gone, and otherwise the next one does it. */
export function deleting(name: string, sample: number, subject: Subject): Scenario {
  const { id } = subject.container;
  let init = 0;
  return {
    ...{ name, sample, code: 0 },
    recover: () => cleared(subject, []),
    prepare() {
      subject.mustCreate();
      init = subject.status()?.pid ?? 0;
      return subject.command("delete", "--force", id);
    },
    check(outcome) {
      subject.forgetPidFile();
      const problems = outcome.code === 0 ? gone(subject, [init, ...outcome.left]) : [];
      problems.push(...cleared(subject, [init, ...outcome.left]));
      if (isThere(init)) process.kill(init, "SIGKILL"); // nothing else leads to it any more
      return problems;
    },
  };
}
