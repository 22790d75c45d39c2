// JSON of values with bigints, which JSON.stringify refuses: they are printed digit by digit.

import type { Json } from "../linux/cgroups/stats-json.ts";

/** On one line, members in their order. */
export function exactJson(value: Json): string {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (isArray(value)) return `[${value.map(exactJson).join(",")}]`;
  const members = Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}:${exactJson(member)}`);
  return `{${members.join(",")}}`;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
