// Where a text stops being JSON (RFC 8259). The engines' own messages differ and name no line, so this walks the text once
// more, only after JSON.parse has refused it. A loop with a stack of open brackets: depth costs no call stack.

/** What may come next. */
type Expect = "value" | "value or ]" | "key or }" | "key" | ":" | ", or end";

const SPACE = /[ \t\n\r]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what JSON forbids in a string.
const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;

/** What is wrong and where, with line and column counted from 1 (columns in UTF-16 units); undefined when nothing is. */
export function syntaxError(text: string): string | undefined {
  let at = 0;
  let expect: Expect = "value";
  const open: string[] = [];
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  };
  for (;;) {
    take(SPACE);
    const character = text[at];
    if (character === undefined) {
      return expect === ", or end" && open.length === 0 ? undefined : report(text, at, expected(expect, open));
    }
    if (expect === ":" ? character === ":" : expect === ", or end" && character === "," && open.length > 0) {
      at += 1;
      expect = expect === ", or end" && open.at(-1) === "}" ? "key" : "value";
    } else if ((expect === "value" || expect === "value or ]") && (character === "[" || character === "{")) {
      open.push(character === "[" ? "]" : "}");
      at += 1;
      expect = character === "[" ? "value or ]" : "key or }";
    } else if (character === open.at(-1) && (expect === ", or end" || expect.endsWith(character))) {
      open.pop();
      at += 1;
      expect = ", or end";
    } else if (expect.startsWith("key") && take(STRING)) {
      expect = ":";
    } else if (expect.startsWith("value") && (take(STRING) || take(SCALAR))) {
      expect = ", or end";
    } else {
      return report(text, at, expected(expect, open));
    }
  }
}

function expected(expect: Expect, open: readonly string[]): string {
  if (expect !== ", or end") return expect;
  return open.length === 0 ? "the end" : `, or ${open.at(-1)}`;
}

function report(text: string, at: number, wanted: string): string {
  const before = text.slice(0, at).split("\n");
  const place = `line ${before.length}, column ${(before.at(-1) ?? "").length + 1}`;
  const found = at >= text.length ? "the text ends" : `${JSON.stringify(text.slice(at, at + 12))} follows`;
  return `invalid JSON at ${place}: ${found} where ${wanted} is expected`;
}
