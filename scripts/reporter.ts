// A reporter for vitest that writes what `npm test` sums up and `npm run engines` makes a table of: which tests passed, which failed,
// which were skipped and why. The file to write is named by TSRUN_TEST_SUMMARY; without it the reporter does nothing.

import { writeFileSync } from "node:fs";
import { basename } from "node:path";
import type { TestError } from "vitest";
import type { Reporter, TestCase, TestModule } from "vitest/node";

/** What the file holds, as JSON. */
export interface Summary {
  /** Names of all tests, in the order of their files; the others are in that of their ends. */
  tests: string[];
  passed: string[];
  /** Names of failed tests, and of files that could not be run. */
  failed: string[];
  skipped: { name: string; reason: string }[];
  /** Of those that passed, the ones that had failed before, with what was wrong then. */
  retried: { name: string; reason: string }[];
}

/** Characters of a reason. */
const LONGEST = 500;

export class SummaryReporter implements Reporter {
  readonly #summary: Summary = { tests: [], passed: [], failed: [], skipped: [], retried: [] };

  onTestCaseResult(test: TestCase): void {
    const result = test.result();
    const name = nameOf(test);
    const failures = (result.state === "passed" && result.errors) || [];
    this.#summary.retried.push(...failures.slice(0, 1).map((failure) => ({ name, reason: reasonOf(failure) })));
    if (result.state === "passed") this.#summary.passed.push(name);
    else if (result.state === "failed") this.#summary.failed.push(name);
    else this.#summary.skipped.push({ name, reason: (result.state === "skipped" && result.note) || "no reason given" });
  }

  onTestRunEnd(modules: readonly TestModule[], errors: readonly { message?: string }[]): void {
    for (const module of modules) {
      this.#summary.tests.push(...[...module.children.allTests()].map(nameOf));
      for (const error of module.errors()) this.#summary.failed.push(`${module.relativeModuleId}: ${error.message}`);
    }
    for (const error of errors) this.#summary.failed.push(`outside of any test: ${error.message ?? "unknown"}`);
    const file = process.env.TSRUN_TEST_SUMMARY;
    if (file !== undefined) writeFileSync(file, JSON.stringify(this.#summary));
  }
}

/** What was wrong, in one line that is not too long, and the line of the test. */
function reasonOf({ message, stacks = [] }: TestError): string {
  const at = stacks.map(({ file, line }) => ` (${basename(file)}:${line})`);
  const lines = message.split("\n").map((line) => line.trim());
  return `${lines.filter(Boolean).join(" | ").slice(0, LONGEST)}${at[0] ?? ""}`;
}

function nameOf(test: TestCase): string {
  return `${test.module.relativeModuleId} > ${test.fullName}`;
}
