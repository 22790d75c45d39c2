// Samples to numbers: medians and 95th percentiles, and the table that `npm run bench` prints.

/** Measurements by what was measured ("minimal: run true"), then by runtime. */
export type Samples = Map<string, Map<string, number[]>>;

export interface Row {
  readonly name: string;
  readonly unit: string;
  readonly runtimes: Readonly<Record<string, { median: number; p95: number; min: number; count: number }>>;
}

/** Adds a measurement. */
export function add(samples: Samples, name: string, runtime: string, value: number): void {
  const row = samples.get(name) ?? new Map<string, number[]>();
  samples.set(name, row);
  row.set(runtime, [...(row.get(runtime) ?? []), value]);
}

/** The value below which a fraction of the numbers lies (nearest rank). */
function percentile(numbers: readonly number[], fraction: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)] ?? Number.NaN;
}

/** The numbers of every measurement. The unit is the last word of its name, in brackets. */
export function summarise(samples: Samples): Row[] {
  return [...samples].map(([name, byRuntime]) => ({
    name: name.replace(/ \(\S+\)$/, ""),
    unit: /\((\S+)\)$/.exec(name)?.[1] ?? "ms",
    runtimes: Object.fromEntries(
      [...byRuntime].map(([runtime, values]) => [
        runtime,
        {
          median: percentile(values, 0.5),
          p95: percentile(values, 0.95),
          min: Math.min(...values),
          count: values.length,
        },
      ]),
    ),
  }));
}

/** The table: medians with 95th percentiles, then the first runtime's ratio to each other. */
export function table(rows: readonly Row[], runtimes: readonly string[]): string {
  const [first, ...others] = runtimes;
  const head = ["", ...runtimes.map((name) => `${name} (p95)`), ...others.map((name) => `${first}/${name}`)];
  const body = rows.map((row) => [
    `${row.name}, ${row.unit}`,
    ...runtimes.map((name) => cell(row, name)),
    ...others.map((name) => ratio(row, first ?? "", name)),
  ]);
  return align([head, ...body]);
}

function cell(row: Row, runtime: string): string {
  const found = row.runtimes[runtime];
  if (found === undefined) return "-";
  return found.count === 1 ? number(found.median) : `${number(found.median)} (${number(found.p95)})`;
}

function ratio(row: Row, ours: string, theirs: string): string {
  const [over, under] = [row.runtimes[ours]?.median, row.runtimes[theirs]?.median];
  return over === undefined || under === undefined ? "-" : (over / under).toFixed(2);
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

function align(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const pad = (text: string, column: number) =>
    column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0);
  return rows.map((row) => row.map(pad).join("  ").trimEnd()).join("\n");
}
