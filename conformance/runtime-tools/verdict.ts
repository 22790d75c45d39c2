// What a validation program's output says. Not TAP alone: some programs make no assertion, and where something is wrong print
// a YAML block with an `error`, or end with a status and a word on stderr.

/** What became of one program on one runtime. */
export interface Verdict {
  readonly result: "pass" | "fail" | "skip" | "timeout";
  /** The first thing that was wrong, in the program's words; why it was skipped; empty for a pass. */
  readonly reason: string;
}

/** How the program ended. */
export interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  /** Undefined where it did not end in time. */
  readonly status: number | undefined;
}

interface Assertion {
  readonly holds: boolean;
  readonly skipped: boolean;
  readonly description: string;
}

const BARE_STATUS = /^exit status \d+$/;
const ASSERTION = /^(ok|not ok) \d+(?: - (.*?))?(?: # (TODO|SKIP)\b(.*))?$/;

/** The verdict over a program. */
export function verdictOf({ stdout, stderr, status }: Ended): Verdict {
  const said = parseTap(stdout);
  const first = said.assertions.find(({ holds }) => !holds)?.description ?? said.error;
  // What a command's end was is told on stderr.
  const wrong = first !== undefined && BARE_STATUS.test(first) ? lastLine(stderr) || first : first;
  if (status === undefined) return { result: "timeout", reason: shorten(wrong ?? lastLine(stderr)) };
  if (wrong !== undefined) return { result: "fail", reason: shorten(wrong) };
  if (status !== 0) return { result: "fail", reason: shorten(lastLine(stderr) || `status ${status}`) };
  const all = said.assertions;
  if (all.length > 0 && all.every(({ skipped }) => skipped))
    return { result: "skip", reason: shorten(all[0]?.description ?? "") };
  return { result: "pass", reason: "" };
}

/** A program may print several documents, one for each of its parts. */
function parseTap(text: string) {
  const assertions: Assertion[] = [];
  let error: string | undefined;
  for (const line of text.split("\n")) {
    const [, word, description, directive, why] = ASSERTION.exec(line) ?? [];
    if (word !== undefined) {
      const excused = directive === "TODO";
      assertions.push({
        holds: word === "ok" || excused,
        skipped: directive === "SKIP",
        description: description ?? `${why}`.trim(),
      });
    } else if (assertions.length === 0) error ??= errorOf(line); // of one that holds it tells how a command failed that had to
  }
  return { assertions, error };
}

/** What our TAP package prints as YAML is a line of JSON. */
function errorOf(line: string): string | undefined {
  if (!line.startsWith("  {")) return undefined;
  const { error, stderr } = JSON.parse(line);
  return error === undefined ? undefined : [error, stderr].filter((text) => text !== undefined).join(": ");
}

function lastLine(text: string): string {
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !BARE_STATUS.test(line));
  return lines.at(-1) ?? "";
}

/** In one line, and nothing of it that differs from one run to the next. */
function shorten(text: string): string {
  const plain = text
    .replace(/\s+/g, " ")
    .replace(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "ID")
    .replace(/\btime="[^"]*" /g, "")
    .replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/ocitest\d+/g, "BUNDLE")
    .trim();
  return plain.length > 200 ? `${plain.slice(0, 197)}...` : plain;
}
