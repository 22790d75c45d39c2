// The page: a table of cases and runtimes, then what each case asks, why, and what each runtime answered.

import type { Answer, Case } from "./case.ts";

/** What one runtime answered, by what was wanted. */
export interface Tried {
  readonly version: string;
  readonly answers: Readonly<Record<string, Answer>>;
}

type Cases = Readonly<Record<string, readonly Case[]>>;

const INTRODUCTION = `# Where tsrun does what its peers do not

Made by \`npm run peers -- --write\`; do not edit. Each case was run on every runtime, one after the other on the same machine:
Debian's runc and crun of sid, and those of Debian 12 with its security fixes. "yes" is what is wanted; what all of them do is not
here. OCI's own programs are in [a matrix of their own](../conformance/runtime-tools/matrix.md), and which of tsrun's own tests its peers
do not pass is in [a list with the reasons](peers-tests.md); what is tried on tsrun alone is in
[the list of attacks](../test/root/attacks/README.md), and what it lacks is in the [changelog](../CHANGELOG.md).
`;

/** As Markdown. Cases that were not tried are not on it. */
export function pageOf(cases: Cases, tried: readonly Tried[]): string {
  const versions = tried.map(({ version }) => version);
  const wereTried = (list: readonly Case[]) => list.filter(({ wanted }) => tried[0]?.answers[wanted] !== undefined);
  const all = wereTried(Object.values(cases).flat());
  const row = ({ wanted }: Case) => [wanted, ...tried.map(({ answers }) => (answers[wanted]?.holds ? "yes" : "no"))];
  const sum = tried.map(
    ({ answers }) => `**${all.filter(({ wanted }) => answers[wanted]?.holds).length} of ${all.length}**`,
  );
  return [
    INTRODUCTION,
    ...table([["wanted", ...versions], ...all.map(row), ["**in all**", ...sum]]),
    "",
    ...Object.entries(cases).flatMap(([title, list]) => [
      `## ${title}`,
      "",
      ...wereTried(list).flatMap((one) => describe(one, tried)),
    ]),
  ]
    .join("\n")
    .trimEnd()
    .concat("\n");
}

function describe({ wanted, asked, because }: Case, tried: readonly Tried[]): string[] {
  const byAnswer = Map.groupBy(tried, ({ answers }) => shorten(answers[wanted]?.said ?? ""));
  return [
    `### ${wanted}`,
    "",
    `${asked}. ${because}.`,
    "",
    ...[...byAnswer].map(
      ([said, of]) => `- ${of.map(({ version }) => version).join(", ")}: \`${said.replaceAll("`", "'")}\``,
    ),
    "",
  ];
}

/** What is not as it must be: tsrun is the first of the runtimes. */
export function problemsOf(cases: Cases, [ours, ...peers]: readonly Tried[]): string[] {
  return Object.values(cases)
    .flat()
    .flatMap(({ wanted }) => {
      const answer = ours?.answers[wanted];
      if (answer === undefined) return [];
      if (!answer.holds) return [`${wanted}: not so with tsrun: ${answer.said}`];
      return peers.every(({ answers }) => answers[wanted]?.holds) ? [`${wanted}: so with every peer`] : [];
    });
}

/** Rows in columns, as Markdown. */
export function table([head = [], ...rows]: readonly (readonly string[])[]): string[] {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((words) => words[i]?.length ?? 0)));
  const line = (words: readonly string[]) => `| ${words.map((text, i) => text.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)];
}

/** In one line, and nothing of it that differs from one run to the next. */
function shorten(text: string): string {
  const plain = text
    .replace(/\s+/g, " ")
    .replace(/\btime="[^"]*" /g, "")
    .replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .trim();
  return plain.length > 240 ? `${plain.slice(0, 237)}...` : plain;
}
