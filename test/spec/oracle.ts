// Verdicts of schemas in full, for tests: ours, read as any JSON Schema tool reads them, and the upstream ones of
// test/spec/upstream (draft-04, see NOTICE there).

import { readdirSync, readFileSync } from "node:fs";
import { Ajv, type ErrorObject } from "ajv";
import * as draft04 from "ajv-draft-04";

/** A finding: the place, and the keyword that failed. */
export interface Verdict {
  readonly pointer: string;
  readonly keyword: string;
}

/** A schema that gives verdicts. */
export interface Schema {
  issues(document: unknown): Verdict[];
}

const OURS = new URL("../../schemas/", import.meta.url);
export const UPSTREAM: URL = new URL("./upstream/", import.meta.url);

function readJson(url: URL): object {
  return JSON.parse(readFileSync(url, "utf8")) as object;
}

interface Compiled {
  (document: unknown): unknown;
  errors?: ErrorObject[] | null;
}

function schemaOf(validate: Compiled): Schema {
  return {
    issues: (document) =>
      validate(document)
        ? []
        : (validate.errors ?? []).map(({ instancePath, keyword, params }) => ({
            pointer: keyword === "required" ? `${instancePath}/${params.missingProperty}` : instancePath,
            keyword,
          })),
  };
}

/** One of schemas/, by plain ajv: without what scripts/generate.ts adds. */
export function ourSchema(name: string): Schema {
  const ajv = new Ajv({ allErrors: true, strict: false, validateFormats: false });
  for (const file of readdirSync(OURS)) ajv.addSchema(readJson(new URL(file, OURS)));
  return schemaOf(ajv.getSchema(`${name}.schema.json`) as Compiled);
}

/** One of the upstream schemas: config, state or features. */
export function upstreamSchema(name: string): Schema {
  const Draft04 = draft04.default.default;
  const ajv = new Draft04({ allErrors: true, strict: false, validateFormats: false });
  for (const file of readdirSync(UPSTREAM)) {
    if (/^(config|defs|state|features).*\.json$/.test(file)) ajv.addSchema(readJson(new URL(file, UPSTREAM)), file);
  }
  return schemaOf(ajv.getSchema(`${name}-schema.json`) as Compiled);
}
