// Parameters that are patterns, `({ name, args }) => …`, become plain ones with a `let` behind them: for each name that a parameter's
// pattern binds QuickJS makes an object, a reference, to assign it by; for those of a `let` it does not. The built program has
// its functions rewritten so; what they do is the same.

import { parseAst } from "rolldown/parseAst";

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

interface Function extends Node {
  readonly params: readonly (Node & { readonly left?: Node })[];
  readonly body: Node;
}

/** What is put in the place of a part of the text. */
interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The script with plain parameters. Error where it is none. */
export function withPlainParameters(script: string): string {
  const edits = functionsOf(parseAst(script) as Node).flatMap((node) => editsOf(node, script));
  let done = "";
  let at = 0;
  for (const { start, end, text } of edits.sort((a, b) => a.start - b.start || a.end - b.end)) {
    done += script.slice(at, start) + text;
    at = end;
  }
  return done + script.slice(at);
}

/** All functions, but for those within a pattern, which stays one piece. */
function functionsOf(node: Node): Function[] {
  const below = Object.values(node).flatMap((value: unknown) => (Array.isArray(value) ? value : [value]) as unknown[]);
  const isFunction = "params" in node && "body" in node;
  const found = below.filter(isNode).flatMap((child) => (isFunction && patternOf(child) ? [] : functionsOf(child)));
  return isFunction ? [node as Function, ...found] : found;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

/** The pattern that a parameter is, with a default or without. */
function patternOf(param: Node & { readonly left?: Node }): Node | undefined {
  const node = param.type === "AssignmentPattern" && param.left !== undefined ? param.left : param;
  return node.type === "ObjectPattern" || node.type === "ArrayPattern" ? node : undefined;
}

function editsOf({ params, body, end }: Function, script: string): Edit[] {
  const patterns = params.map(patternOf).filter((pattern) => pattern !== undefined);
  if (patterns.length === 0) return [];
  const named = patterns.map(({ start, end }, i) => ({ start, end, text: `$${i}` }));
  const declared = patterns.map(({ start, end }, i) => `let ${script.slice(start, end)} = $${i};`).join(" ");
  if (body.type === "BlockStatement") {
    const within = body.start + 1;
    return [...named, { start: within, end: within, text: ` ${declared}` }];
  }
  const arrow = script.indexOf("=>", params.at(-1)?.end) + "=>".length;
  return [...named, { start: arrow, end: arrow, text: ` { ${declared} return (` }, { start: end, end, text: "); }" }];
}
