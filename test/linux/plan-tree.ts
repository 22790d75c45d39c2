// Plans with random branches for fast-check: a tree, the plan that it is written as, and the calls that it must make.

import fc from "fast-check";
import { syscall } from "../../src/linux/calls.ts";
import type { Plan, Result } from "../../src/linux/plan.ts";
import type { Script } from "./agent-model.ts";

/** What a call returns; "expected" is the errno that it tolerates. */
type Outcome = "succeeds" | "expected";

export type Node = Plain | Body<"unless" | "orElse"> | (Body<"branch"> & { readonly other: readonly Node[] });

type Plain = { readonly kind: "add" } | { readonly kind: "tolerate"; readonly outcome: Outcome };

interface Body<Kind extends string> {
  readonly kind: Kind;
  readonly outcome: Outcome;
  readonly body: readonly Node[];
}

const outcome = fc.constantFrom<Outcome>("succeeds", "expected");

/** A list of calls and branches, up to three deep. */
export const trees: fc.Arbitrary<readonly Node[]> = fc.letrec<{ node: Node; list: readonly Node[] }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constant<Node>({ kind: "add" }),
    fc.record({ kind: fc.constant("tolerate" as const), outcome }),
    fc.record({ kind: fc.constantFrom("unless" as const, "orElse" as const), outcome, body: tie("list") }),
    fc.record({ kind: fc.constant("branch" as const), outcome, body: tie("list"), other: tie("list") }),
  ),
  list: fc.array(tie("node"), { maxLength: 4 }),
})).list;

const EXPECTED = "ENOENT";
const EXPECTED_ERRNO = 2;
const FAILS = 1;

/** Appends the tree: each call has its outcome, and the result of the branch that it is in, as arguments. */
export function plant(plan: Plan, nodes: readonly Node[], inside: Result | number = 0): void {
  for (const node of nodes) {
    const fails = node.kind !== "add" && node.outcome === "expected" ? FAILS : 0;
    const call = syscall("fcntl", fails, inside);
    const body = (result: Result | number): void => {
      if ("body" in node) plant(plan, node.body, result);
    };
    if (node.kind === "add") plan.add(call);
    else if (node.kind === "tolerate") plan.tolerate(EXPECTED, call);
    else if (node.kind === "unless") plan.unless(EXPECTED, call, body);
    else if (node.kind === "orElse") plan.orElse(EXPECTED, call, () => body(inside));
    else if (node.kind === "branch") {
      const then = (result: Result): void => {
        body(result);
        plan.add(syscall("fcntl", 0, result));
      };
      plan.branch(EXPECTED, call, then, () => plant(plan, node.other, inside));
    }
  }
}

/** A kernel for such plans: a call's result is its place in the sequence. */
export const obey: Script = ({ args }, index) => (args[0] === BigInt(FAILS) ? -EXPECTED_ERRNO : 1000 + index);

/** The arguments of the calls that must be made, by a walk of the tree. */
export function expected(nodes: readonly Node[], before = 0): [bigint, bigint][] {
  const calls: [bigint, bigint][] = [];
  const call = (fails: number, inside: number): number => {
    calls.push([BigInt(fails), BigInt.asUintN(64, BigInt(inside))]);
    return fails === 0 ? 1000 + before + calls.length - 1 : -EXPECTED_ERRNO;
  };
  const walk = (list: readonly Node[], inside: number): void => {
    for (const node of list) {
      const fails = node.kind !== "add" && node.outcome === "expected";
      const result = call(fails ? FAILS : 0, inside);
      if (node.kind === "unless" && !fails) walk(node.body, result);
      if (node.kind === "orElse" && fails) walk(node.body, inside);
      if (node.kind === "branch" && fails) walk(node.other, inside);
      if (node.kind === "branch" && !fails) {
        walk(node.body, result);
        call(0, result);
      }
    }
  };
  walk(nodes, 0);
  return calls;
}
