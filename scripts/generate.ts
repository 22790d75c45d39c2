// `npm run generate`: what is made from other files: the help of the command line, and
// schemas/*.schema.json -> src/spec/*.gen.ts, the types of config.json, of the state and of the
// features, and one self-contained module of validators (config, process alone, resources alone) compiled by ajv, so that
// neither schemas nor ajv are loaded at run time. `-- --check` writes nothing and exits 1 when a file is stale.
//
// Two things are ours: an integer is checked exactly, as a number or as the bigint that src/spec/json.ts makes of a
// literal beyond 2^53 (both compare exactly with a power of two, so every limit is "below"); and its type says which of
// the two it can be.

import { readFileSync, writeFileSync } from "node:fs";
import { _, Ajv, type CodeKeywordDefinition, type KeywordCxt } from "ajv";
import standalone from "ajv/dist/standalone/index.js";
import { compile } from "json-schema-to-typescript";
import { helpSource } from "./help-text.ts";

type Node = { [key: string]: unknown };

const ROOT = new URL("..", import.meta.url);
const COMMAND = "npm run generate";
const SCHEMAS = [
  "common",
  "config",
  "process",
  "linux",
  "resources",
  "seccomp",
  "freebsd",
  "state",
  "features",
] as const;
type SchemaName = (typeof SCHEMAS)[number];
/** Definitions without structure of their own: copied to where they are used, so that the types name none of them. */
const INLINE = /^(U?int\d+|CStrings?|CStringMap|Annotations)$/i;

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null;
}

function child(node: Node, key: string): Node {
  const value = node[key];
  return isNode(value) ? value : {};
}

function readSchemas(): Map<SchemaName, Node> {
  return new Map(
    SCHEMAS.map((name) => [
      name,
      JSON.parse(readFileSync(new URL(`schemas/${name}.schema.json`, ROOT), "utf8")) as Node,
    ]),
  );
}

/** All files as one: their definitions together, every reference within the document, the small ones inlined. */
function bundle(schemas: Map<SchemaName, Node>, root: SchemaName): Node {
  const definitions: Node = {};
  for (const [name, schema] of schemas) {
    for (const [key, definition] of Object.entries(child(schema, "definitions"))) {
      if (key in definitions) throw new Error(`cannot bundle: ${name}.schema.json defines ${key} once more`);
      definitions[key] = definition;
    }
  }
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve);
    if (!isNode(value)) return value;
    const { $ref, ...rest } = value;
    if (typeof $ref !== "string") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, resolve(v)]));
    const key = $ref.slice($ref.lastIndexOf("/") + 1);
    const target = definitions[key];
    if (!isNode(target)) throw new Error(`cannot bundle: ${$ref} leads nowhere`);
    if (INLINE.test(key)) {
      const { description: _dropped, ...definition } = target;
      return resolve({ ...definition, ...rest });
    }
    return { ...rest, $ref: `#/definitions/${key}` };
  };
  const { $id: _id, definitions: _own, ...top } = schemas.get(root) ?? {};
  const kept = Object.entries(definitions).filter(([key]) => !INLINE.test(key));
  return { ...(resolve(top) as Node), definitions: resolve(Object.fromEntries(kept)) };
}

/** Replaces every integer by what `replace` makes of it. */
function mapIntegers(value: unknown, replace: (node: Node) => Node): unknown {
  if (Array.isArray(value)) return value.map((item) => mapIntegers(item, replace));
  if (!isNode(value)) return value;
  if (value.type === "integer") return replace(value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapIntegers(item, replace)]));
}

// ---- types ----

async function types(schema: Node, name: string): Promise<string> {
  const integers = mapIntegers(schema, ({ description, maximum }) => ({
    ...(description === undefined ? {} : { description }),
    tsType: Number(maximum) > Number.MAX_SAFE_INTEGER ? "number | bigint" : "number",
  })) as Node;
  // What other platforms' objects hold is checked, and of no use to anybody here.
  const { freebsd: _foreign, ...properties } = child(integers, "properties");
  const source = await compile({ ...integers, properties } as Parameters<typeof compile>[0], name, {
    additionalProperties: false,
    bannerComment: "",
    format: true,
    ignoreMinAndMaxItems: true,
    unreachableDefinitions: false,
    style: { printWidth: 120 },
  });
  return `${header(`schemas/${name.toLowerCase()}.schema.json`)}\n${source}`;
}

// ---- validators ----

/** An integer from `min` to less than `below`: a number without a fraction, or a bigint. */
const exactInteger: CodeKeywordDefinition = {
  keyword: "exactInteger",
  schemaType: "array",
  code(cxt: KeywordCxt) {
    const { data, schema } = cxt;
    const [min, below] = schema as [number, number];
    cxt.pass(
      _`(typeof ${data} === "number" ? Number.isInteger(${data}) : typeof ${data} === "bigint") && ${data} >= ${min} && ${data} < ${below}`,
    );
  },
  error: { message: "", params: ({ schema }) => _`{min: ${schema[0]}, below: ${schema[1]}}` },
};

/** Without what is for readers, and without the type of an enum, which its values say: the code has a check less. */
function bare(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(bare);
  if (!isNode(value)) return value;
  const redundant = (key: string, item: unknown) =>
    typeof item === "string" && (key === "description" || (key === "type" && "enum" in value));
  const kept = Object.entries(value).filter(([key, item]) => !redundant(key, item));
  return Object.fromEntries(kept.map(([key, item]) => [key, bare(item)]));
}

function limits({ minimum, maximum }: Node): Node {
  const max = Number(maximum);
  // The two 64-bit maxima, read as doubles, have already become the power of two above them.
  return { exactInteger: [Number(minimum), max > Number.MAX_SAFE_INTEGER ? max : max + 1] };
}

function validators(schema: Node): string {
  const ajv = new Ajv({
    allErrors: true,
    messages: false,
    unicodeRegExp: true,
    strictRequired: false,
    strictTypes: false,
    keywords: [exactInteger, "tsType"],
    code: { source: true, esm: true, optimize: 2 },
  });
  ajv.addSchema({ ...(bare(mapIntegers(schema, limits)) as Node), $id: "config" });
  ajv.addSchema({ $id: "process", $ref: "config#/definitions/Process" });
  ajv.addSchema({ $id: "resources", $ref: "config#/definitions/LinuxResources" });
  const code = withoutRegExpForNul(
    standalone.default(ajv, { config: "config", process: "process", resources: "resources" }),
  );
  if (/\b(require|import)\b/.test(code)) throw new Error("cannot write the validators: they would load something");
  return [
    header("schemas/*.schema.json"),
    "// @ts-nocheck",
    'import type { Validator } from "./validate.ts";',
    code
      .replace(/^\s*"use strict";/, "")
      .replaceAll(
        /export const (\w+) = (\w+);/g,
        (_all, name, fn) => `export const ${name}Validator: Validator = ${fn};`,
      ),
    "",
  ].join("\n");
}

/** A search in place of the pattern of a C string, which most strings of a config must match: expressions are slow in the engine. */
function withoutRegExpForNul(code: string): string {
  const pattern = 'new RegExp("^[^\\\\u0000]*$", "u")';
  if (code.split(pattern).length !== 2) throw new Error(`cannot write the validators: no ${pattern}`);
  return code.replace(pattern, '{ test: (text) => !text.includes("\\0") }');
}

// ---- files ----

function header(source: string): string {
  return `// Made by \`${COMMAND}\` from ${source}. Do not edit.`;
}

async function outputs(): Promise<Map<string, string>> {
  const schemas = readSchemas();
  return new Map([
    ["src/spec/config.gen.ts", await types(bundle(schemas, "config"), "Config")],
    ["src/spec/state.gen.ts", await types(bundle(schemas, "state"), "State")],
    ["src/spec/features.gen.ts", await types(bundle(schemas, "features"), "Features")],
    ["src/spec/validate-config.gen.ts", validators(bundle(schemas, "config"))],
    ["src/lifecycle/help.gen.ts", await helpSource()],
  ]);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(new URL(path, ROOT), "utf8");
  } catch {
    return "";
  }
}

const check = process.argv.includes("--check");
const stale = [...(await outputs())].filter(([path, text]) => readOrEmpty(path) !== text);
for (const [path, text] of stale) {
  if (check) console.error(`${path} is stale: run ${COMMAND}`);
  else writeFileSync(new URL(path, ROOT), text);
}
if (check && stale.length > 0) process.exitCode = 1;
