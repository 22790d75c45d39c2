// A text table as runc prints it: Go's tabwriter with cells of at least 12 columns, three of space between them, and the
// last cell of a row left as it is.

const LEAST = 12;
const GAP = 3;

/** The rows, each on a line. */
export function tableText(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, i) => Math.max(LEAST, ...rows.map((row) => (row[i]?.length ?? 0) + GAP))) ?? [];
  return rows.map((row) => `${rowText(row, widths)}\n`).join("");
}

function rowText(row: readonly string[], widths: readonly number[]): string {
  return row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join("");
}
