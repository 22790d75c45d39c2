// From a file, or its text, to a config that the rest may rely on: read, parsed exactly, held against the schema and the
// rules. Unknown properties are kept and ignored (config.md, Extensibility); invalid values are refused, all at once.
// A config without `process` is whole: the specification asks for it on start only.

import type { Config, LinuxResources, Process } from "./config.gen.ts";
import { type Issue, SpecError } from "./errors.ts";
import { parseJson } from "./json.ts";
import { type FileCalls, readText } from "./read.ts";
import { processIssues, resourcesIssues, ruleIssues } from "./rules.ts";
import { schemaIssues } from "./validate.ts";
import { configValidator, processValidator, resourcesValidator } from "./validate-config.gen.ts";

/** Reads and checks config.json. @throws SpecError naming every issue. */
export function loadConfig(file: string, calls?: FileCalls): Config {
  return parseConfig(readText(file, calls), file);
}

/** Checks the text of a config.json; `file` is what errors call it. @throws SpecError naming every issue. */
export function parseConfig(text: string, file = "config.json"): Config {
  const document = parseJson(text, file);
  const found = schemaIssues(configValidator, document);
  // The rules are written for a Config; they are shown only the parts in which the schema found nothing.
  const config = document as Config;
  if (isObject(document)) found.push(...ruleIssues(config, found));
  refuse(found, file);
  return config;
}

/** Reads and checks a process object, what `exec --process` is given. @throws SpecError naming every issue. */
export function loadProcess(file: string, calls?: FileCalls): Process {
  return parseProcess(readText(file, calls), file);
}

/** Checks the text of a process object. @throws SpecError naming every issue. */
export function parseProcess(text: string, file = "process.json"): Process {
  const document = parseJson(text, file);
  const found = schemaIssues(processValidator, document);
  if (found.length === 0) found.push(...processIssues(document as Process));
  refuse(found, file);
  return document as Process;
}

/** Reads and checks resources, what `update --resources` is given. @throws SpecError naming every issue. */
export function loadResources(file: string, calls?: FileCalls): LinuxResources {
  return parseResources(readText(file, calls), file);
}

/** Checks the text of resources, a change to those that a container has. @throws SpecError naming every issue. */
export function parseResources(text: string, file = "resources.json"): LinuxResources {
  return checkResources(parseJson(text, file), file);
}

/** Checks resources that are no text: what the flags of `update` say. @throws SpecError naming every issue. */
export function checkResources(document: unknown, file: string): LinuxResources {
  const found = schemaIssues(resourcesValidator, document);
  if (found.length === 0) found.push(...resourcesIssues(document as LinuxResources));
  refuse(found, file);
  return document as LinuxResources;
}

function isObject(document: unknown): boolean {
  return typeof document === "object" && document !== null && !Array.isArray(document);
}

function refuse(issues: readonly Issue[], file: string): void {
  if (issues.length > 0) throw new SpecError(issues, file);
}
