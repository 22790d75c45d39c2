// The configuration that docs/distributed.md shows is the one that tests use: a fenced block of the page, known by its first
// line, with the runtime under test in place of the installed one.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { repository } from "../../../test/root/harness/runtime.ts";

/** Where the page says that tsrun is. */
export const INSTALLED = "/usr/local/bin/tsrun";

/** The block of the page that begins with a line. */
export function blockOfPage(firstLine: string): string {
  const page = readFileSync(join(repository, "docs/distributed.md"), "utf8");
  const blocks = [...page.matchAll(/^```\w+\n(.*?)^```$/gms)].map((match) => match[1] ?? "");
  const found = blocks.filter((block) => block.startsWith(`${firstLine}\n`));
  if (found.length !== 1)
    throw new Error(`docs/distributed.md has ${found.length} blocks that begin with "${firstLine}"`);
  return found.join("");
}

/** Replaces what must be there to be replaced. */
export function adapt(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`no "${from}" in:\n${text}`);
  return text.replaceAll(from, to);
}
