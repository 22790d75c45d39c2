// The table of engines: a row for each engine and operation, which a test's name says (`ENGINE: OPERATION`), a column for each place.

/** The first is the one that the table is of; the others are its peers. */
export const RUNTIMES = ["tsrun", "runc", "crun"];
export const PLACES = ["here", "uml", "sid", "qemu"];

const TITLES = { here: "this machine", uml: "guest, UML", sid: "guest of sid, UML", qemu: "guest, QEMU" };
const ENGINES = ["docker", "podman", "containerd", "buildah"];

/** The table as Markdown. A result is of one runtime in one place: versions, and the summary of scripts/reporter.ts. */
export function tableOf(results) {
  const own = results.filter(({ runtime }) => runtime === RUNTIMES[0]);
  const notes = new Map();
  const rows = rowsOf(own).map(({ engine, operation, cells }) => [engine, operation, ...cells.map(short(notes))]);
  const heads = ["engine", "operation", ...own.map(({ place }) => TITLES[place])];
  const parts = [
    "# Engines on tsrun: operation by operation, place by place",
    "Made by `npm run engines -- --write`; do not edit. Each row is a test of the same name in conformance/, each column a place where\nit ran. A number is the reason why a test was left out there; the reasons stand below.",
    markdown(["place", "kernel", "cgroups", ...ENGINES, "runtime"], own.map(headOf)),
    ...own.map(countOf),
    markdown(heads, rows),
    ...reasons(notes),
    ...outside(own),
    ...peers(results, own),
  ];
  return `${parts.join("\n\n")}\n`;
}

function headOf({ place, versions }) {
  const words = ["kernel", "cgroups", ...ENGINES].map((name) => versions[name]);
  return [TITLES[place], ...words, `tsrun ${versions.runtime}`];
}

function countOf({ place, summary }) {
  const { passed, failed, skipped } = summary;
  return `${TITLES[place]}: ${passed.length} passed, ${failed.length} failed, ${skipped.length} left out.`;
}

/** Every engine's operations in the order of the tests, with one cell for each result. */
function rowsOf(results) {
  const tests = results.map(testsOf);
  const names = [...new Set(tests.flatMap((each) => [...each.keys()]))];
  const engines = [...new Set(names.map((name) => name.split(": ")[0]))];
  const order = (name) => [...ENGINES, ...engines].indexOf(name.split(": ")[0]);
  return names
    .map((name, i) => ({ name, i }))
    .sort((a, b) => order(a.name) - order(b.name) || a.i - b.i)
    .map(({ name }) => {
      const [engine, ...operation] = name.split(": ");
      return { engine, operation: operation.join(": "), cells: tests.map((each) => each.get(name) ?? { state: "" }) };
    });
}

/** `ENGINE: OPERATION` → what came of it. */
function testsOf({ summary }) {
  const all = [
    ...summary.passed.map((name) => [name, { state: "ok" }]),
    ...summary.failed.map((name) => [name, { state: "FAILED" }]),
    ...summary.skipped.map(({ name, reason }) => [name, { state: "skipped", reason }]),
  ];
  const place = new Map((summary.tests ?? []).map((name, i) => [name, i]));
  all.sort(([a], [b]) => (place.get(a) ?? 0) - (place.get(b) ?? 0));
  return new Map(all.filter(([name]) => isRow(name)).map(([name, cell]) => [rowName(name), cell]));
}

/** The reporter has the file's name first and the test's own last. */
function rowName(name) {
  return name.split(" > ").at(-1);
}

function isRow(name) {
  return /^[a-z][\w-]*( [\w-]+)?: \S/.test(rowName(name)) && name.includes(" > ");
}

/** The text of a cell; a reason becomes a number. */
function short(notes) {
  return ({ state, reason }) => {
    if (state !== "skipped") return state;
    if (!notes.has(reason)) notes.set(reason, notes.size + 1);
    return `(${notes.get(reason)})`;
  };
}

function reasons(notes) {
  return notes.size === 0 ? [] : [[...notes].map(([reason, number]) => `${number}. ${reason}`).join("\n")];
}

/** What failed and is in no row: a file that could not be run, or that left something behind. */
function outside(results) {
  const lines = results.flatMap(({ place, summary }) =>
    summary.failed.filter((name) => !isRow(name)).map((name) => `- ${TITLES[place]}: ${name.split("\n")[0]}`),
  );
  return lines.length === 0 ? [] : ["FAILED beside the rows:", lines.join("\n")];
}

/** Where a peer fails and tsrun does not. */
function peers(results, own) {
  const sections = results
    .filter(({ runtime }) => runtime !== RUNTIMES[0])
    .map((peer) => {
      const ours = testsOf(own.find(({ place }) => place === peer.place) ?? { summary: none });
      const fails = [...testsOf(peer)].filter(
        ([name, { state }]) => state === "FAILED" && ours.get(name)?.state === "ok",
      );
      const names = fails.map(([name]) => `- ${name}`).join("\n") || "- none";
      return `${peer.runtime} ${peer.versions.runtime}, ${TITLES[peer.place]}:\n\n${names}`;
    });
  return sections.length === 0 ? [] : ["## Where a peer fails and tsrun does not", ...sections];
}

const none = { passed: [], failed: [], skipped: [] };

function markdown(head, rows) {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...rows].map((row) => String(row[i]).length)));
  const line = (row) => `| ${row.map((cell, i) => String(cell).padEnd(widths[i])).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
