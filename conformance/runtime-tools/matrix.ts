// The matrix: a table of programs and runtimes, then what each failure was and why tsrun does not pass what it does not pass.

import { type Place, type Reason, reasonsIn } from "./reasons.ts";
import type { Verdict } from "./verdict.ts";

export interface Runtime {
  /** Name and version, as it says itself. */
  readonly version: string;
  readonly path: string;
}

/** One program on one runtime. */
export interface Cell {
  readonly program: string;
  readonly runtime: Runtime;
  readonly verdict: Verdict;
}

const INTRODUCTION: Readonly<Record<Place, string>> = {
  machine: `# OCI runtime-tools: tsrun and its peers

Made by \`npm run conformance -- --write\`; do not edit. The validation programs of OCI's runtime-tools, from Debian's source
package golang-github-opencontainers-runtime-tools of sid, each in namespaces and cgroups of its own.

"Borne out" counts the programs that this machine's kernel can pass, that somebody can, and that do not want the contrary of
what the specification says today; the others, and why, are below. **pass!** is the pass of a program that wants that contrary;
**chance** is told of a program that races with what it tests, whatever came of it.

What this machine's kernel cannot do is tried on another: [in the guest](matrix-guest.md).
`,
  guest: `# OCI runtime-tools in the guest

Made by \`npm run conformance -- --guest --write\`; do not edit. The programs that fail on the machine of [the matrix](matrix.md)
for its kernel, in the guest (test/vm) under QEMU: Debian's kernel of today, cgroups of version 1 as far as that still has them, all
capabilities, AppArmor, and two network interfaces. Words as there.
`,
};
type Reasons = Readonly<Record<string, Reason>>;

const BORNE_OUT = new Set<string | undefined>([undefined, "callers"]);

/** As Markdown. */
export function matrixOf(all: readonly Cell[], place: Place): string {
  const reasons = reasonsIn(place);
  const refusing = new Set(all.filter(refusesVersion).map(({ runtime }) => runtime));
  const cells = all.filter(({ runtime }) => !refusing.has(runtime));
  const runtimes = [...new Set(cells.map(({ runtime }) => runtime))];
  const programs = programsOf(cells);
  const sum = (of: readonly Cell[]) =>
    runtimes.map((runtime) => {
      const own = of.filter((cell) => cell.runtime === runtime);
      return `**${own.filter((cell) => word(cell, reasons).startsWith("pass")).length} of ${own.length}**`;
    });
  return [
    INTRODUCTION[place],
    ...[...refusing].map(
      ({ version }) => `Left out: ${version}, which refuses every config of the specification 1.2.\n`,
    ),
    ...table([
      ["program", ...runtimes.map(({ version }) => version)],
      ...programs.map(([program, of]) => [program, ...of.map((cell) => word(cell, reasons))]),
      ["**passed**", ...sum(cells)],
      ["**passed of those borne out**", ...sum(cells.filter(({ program }) => BORNE_OUT.has(reasons[program]?.kind)))],
    ]),
    "",
    "## Failures, and why tsrun's are none or must be",
    "",
    ...programs.flatMap((of) => reasonsOf(of, reasons)),
  ]
    .join("\n")
    .trimEnd()
    .concat("\n");
}

function table([head = [], ...rows]: readonly (readonly string[])[]): string[] {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((words) => words[i]?.length ?? 0)));
  const line = (words: readonly string[]) => `| ${words.map((text, i) => text.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)];
}

/** Debian 12's crun reads the version of the config as one of 1.0. */
function refusesVersion({ program, verdict }: Cell): boolean {
  return program === "default" && verdict.reason === "unknown version specified";
}

function programsOf(cells: readonly Cell[]): [string, Cell[]][] {
  return [...Map.groupBy(cells, ({ program }) => program)];
}

function word({ program, verdict: { result } }: Cell, reasons: Reasons): string {
  if (reasons[program]?.kind === "chance") return "chance";
  return result === "pass" && reasons[program]?.kind === "specification" ? "pass!" : result;
}

function reasonsOf([program, cells]: [string, Cell[]], reasons: Reasons): string[] {
  const failures = Map.groupBy(
    cells.filter((cell) => !/^(pass|chance)/.test(word(cell, reasons))),
    ({ verdict }) => verdict.reason,
  );
  const reason = reasons[program];
  if (failures.size === 0 && reason === undefined) return [];
  return [
    `### ${program}`,
    "",
    ...(reason === undefined ? [] : [...describe(reason), ""]),
    ...[...failures].map(
      ([text, of]) => `- ${of.map(({ runtime }) => runtime.version).join(", ")}: \`${text.replaceAll("`", "'")}\``,
    ),
    ...(failures.size === 0 ? [] : [""]),
  ];
}

function describe({ kind, why, program, specification }: Reason): string[] {
  return [`**${kind}**: ${why}`, `Program: ${program}. Specification: ${specification}.`];
}

/** A reason that need not hold everywhere: other kernels can do other things. */
const MAY_PASS = new Set<string | undefined>([undefined, "chance", "kernel"]);

/** What is not as it must be: of a whole run, in which tsrun is the first of the runtimes. */
export function problemsOf(cells: readonly Cell[], place: Place): string[] {
  const reasons = reasonsIn(place);
  return programsOf(cells).flatMap(([program, [ours, ...peers]]) => {
    const kind = reasons[program]?.kind;
    const passing = peers.filter(({ verdict }) => verdict.result === "pass").map(({ runtime }) => runtime.version);
    if (ours?.verdict.result === "pass")
      return MAY_PASS.has(kind) ? [] : [`${program}: tsrun passes; reasons.ts says why it does not`];
    if (kind === undefined) return [`${program}: tsrun does not pass, and reasons.ts does not say why`];
    const excused = kind === "specification" || kind === "chance" || passing.length === 0;
    return excused ? [] : [`${program}: tsrun does not pass, and ${passing.join(", ")} does`];
  });
}
