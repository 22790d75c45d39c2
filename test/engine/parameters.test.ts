// Functions do the same with plain parameters as with patterns.

import { expect, test } from "vitest";
import { withPlainParameters } from "../../scripts/parameters.ts";

const METHODS = `class Point {
    constructor({ x }) { this.x = x; }
    add([x]) { return this.x + x; }
    set at({ x }) { this.x = x; }
  }
  const point = new Point({ x: 1 });
  point.at = { x: 4 };
  return [point.add([5]), { m({ a }) { return a; } }.m({ a: 1 })];`;

test.each([
  ["a declaration", "function f({ a, b }) { return a + b; } return f({ a: 1, b: 2 });"],
  ["an arrow with an expression", "return [[1, 2], [3, 4]].map(([a, b]) => a * b);"],
  ["an arrow that begins on the next line", "return [{ a: 1 }].map(({ a }) =>\n  a + 1);"],
  ["an arrow that makes an object", "return [{ a: 1 }].map(({ a }) => ({ a, b: a }));"],
  ["arrows in arrows", "const f = ({ a }) => ({ b }) => [a, b]; return f({ a: 1 })({ b: 2 });"],
  ["a pattern in an inner function only", "const f = (a) => a.map(({ b }) => b); return f([{ b: 7 }]);"],
  [
    "patterns between plain ones",
    "return ((x, { a }, y, [b], ...rest) => [x, a, y, b, rest])(1, { a: 2 }, 3, [4], 5, 6);",
  ],
  ["defaults within", "return (({ a = 5, b: { c } = { c: 6 } }) => [a, c])({});"],
  ["a default of its own", "const f = ({ a = 1 } = { a: 2 }) => a; return [f(), f({}), f({ a: 3 })];"],
  ["a function with a pattern in a default", "return (({ f = ({ a }) => a }) => f({ a: 1 }))({});"],
  ["a name taken anew", "function f({ a }) { a += 1; return a; } return f({ a: 1 });"],
  ["a method, a setter and a constructor", METHODS],
  ["no patterns", "return ((a, b = 2) => a + b)(1);"],
])("%s", (_, body) => {
  const script = `globalThis.result = (() => { ${body} })();`;
  const made = withPlainParameters(script);
  expect(resultOf(made)).toEqual(resultOf(script));
});

test("a pattern of nothing is refused as before, and lengths stay", () => {
  expect(() => resultOf(withPlainParameters("(({ a }) => a)(undefined)"))).toThrow(TypeError);
  expect(
    resultOf(withPlainParameters("globalThis.result = [({ a }, b) => a, ({ a } = {}) => a].map((f) => f.length)")),
  ).toEqual([2, 0]);
});

test("what a function has is declared in its body", () => {
  expect(withPlainParameters("const f = ({ a }) => a;")).toBe("const f = ($0) => { let { a } = $0; return ( a); };");
  expect(withPlainParameters("function f([a], b) { a(b); }")).toBe("function f($0, b) { let [a] = $0; a(b); }");
});

function resultOf(script: string): unknown {
  const scope = globalThis as { result?: unknown };
  scope.result = undefined;
  new Function(script)();
  return scope.result;
}
