// The page of tests that peers do not pass: a table for each file of tests, with each peer's reason.

import type { Summary } from "../../scripts/reporter.ts";
import { table } from "./page.ts";

/** What came of the tests on one peer. */
export interface Tested {
  readonly path: string;
  /** `runc` or `crun`. */
  readonly name: string;
  readonly version: string;
  readonly summary: Summary;
}

const INTRODUCTION = `# Where peers fail tests that tsrun passes

Made by \`npm run peers:tests -- --write\`; do not edit. These are the project's own tests of real containers, in test/root, each run on
Debian's peers too. A reason is what the peer does instead; some of it is a choice (other words, a flag that only runc has), some is
against the specification or unsafe, and much of that is mended in later versions: [peers.md](peers.md) has cases of which all say so.
Tests that peers pass are not here, nor those that this machine leaves out for all.
`;

/** As Markdown. */
export function pageOfTests(tested: readonly Tested[]): string {
  const reasons = tested.map(({ name, summary }) => reasonsOf(name, summary));
  const all = [...new Set(tested.flatMap(({ summary }) => summary.tests))];
  const excepted = all.filter((test) => reasons.some((each) => each.has(test)));
  const byFile = Map.groupBy(excepted, (test) => test.split(" > ")[0] ?? "");
  const heads = ["test", ...tested.map(({ version }) => version)];
  return [
    INTRODUCTION,
    ...tested.map((one, i) => countOf(one, reasons[i]?.size ?? 0)),
    "",
    ...[...byFile].flatMap(([file, tests]) => [
      `## ${file}`,
      "",
      ...table([
        heads,
        ...tests.map((test) => [titleOf(test), ...reasons.map((each) => each.get(test) ?? "")].map(inCell)),
      ]),
      "",
    ]),
  ]
    .join("\n")
    .trimEnd()
    .concat("\n");
}

/** Why a peer is excepted, by test. */
export function reasonsOf(name: string, { skipped }: Summary): Map<string, string> {
  const own = new RegExp(`(?:^|; )${name}: (.*?)(?=; |$)`);
  return new Map(
    skipped.flatMap(({ name: test, reason }) => {
      const found = own.exec(reason)?.[1];
      return found === undefined ? [] : [[test, found] as const];
    }),
  );
}

function countOf({ version, summary }: Tested, excepted: number): string {
  const failed = summary.failed.length === 0 ? "" : `, ${summary.failed.length} fail without a reason`;
  return `- ${version} passes ${summary.passed.length}, and does not pass ${excepted} for the reasons below${failed}`;
}

/** The name without that of the file. */
function titleOf(test: string): string {
  return test.split(" > ").slice(1).join(": ");
}

function inCell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}
