// What the schemas say of a document: runs a generated validator and turns what it found into issues that a person can act
// on: the place (of a missing property: where it should be) and what was expected instead of what is there.

import type { Issue } from "./errors.ts";
import { pointerTo, valueAt } from "./pointer.ts";

/** One finding of a generated validator: the keyword of the schema that failed, and its parameters. */
export interface Finding {
  readonly instancePath: string;
  readonly keyword: string;
  readonly params: Readonly<Record<string, unknown>>;
}

/** What scripts/generate.ts makes of a schema: true, or false with `errors` set. */
export interface Validator {
  (document: unknown): boolean;
  errors?: readonly Finding[] | null;
}

/** Everything that `validator` finds in `document`. */
export function schemaIssues(validator: Validator, document: unknown): Issue[] {
  if (validator(document)) return [];
  return (validator.errors ?? []).map((finding) => issueOf(finding, document));
}

function issueOf(finding: Finding, document: unknown): Issue {
  const { instancePath, keyword, params } = finding;
  if (keyword === "required") {
    return { pointer: instancePath + pointerTo(String(params.missingProperty)), message: "is required" };
  }
  const value = valueAt(document, instancePath);
  const wanted = WANTED[keyword]?.(params, value) ?? `must satisfy ${keyword}`;
  return { pointer: instancePath, message: `${wanted}, not ${show(value)}` };
}

type Wanted = (params: Finding["params"], value: unknown) => string;

const WANTED: Readonly<Record<string, Wanted>> = {
  type: ({ type }) => `must be ${/^[aeiou]/.test(String(type)) ? "an" : "a"} ${type}`,
  enum: ({ allowedValues }) => `must be one of ${(allowedValues as string[]).join(", ")}`,
  minItems: ({ limit }) => `must have at least ${limit} item${limit === 1 ? "" : "s"}`,
  pattern: ({ pattern }, value) =>
    String(value).includes("\0") ? "must not hold a NUL byte" : `must match ${pattern}`,
  exactInteger: ({ min, below }) =>
    `must be an integer from ${BigInt(min as number)} to ${BigInt(below as number) - 1n}`,
};

/** A value, short enough for a line. */
function show(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : "an array";
  if (typeof value === "object" && value !== null) return "an object";
  if (typeof value === "bigint") return String(value);
  if (typeof value === "number") return Number.isNaN(value) ? "a fraction" : String(value);
  const text = JSON.stringify(value) ?? "undefined";
  return text.length > 80 ? `${text.slice(0, 77)}…` : text;
}
